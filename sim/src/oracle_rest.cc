// What the oracle says of a disk between two lives of the log: damage at rest, other writers.
#include <fmt/format.h>

#include <algorithm>

#include "oracle_bytes.h"
#include "seqwal/sim/oracle.h"

namespace seqwal::sim {

std::pair<std::int64_t, std::int64_t> Oracle::precious() const {
  std::int64_t end = life_start_;
  if (acknowledged_ > 0) {
    const Record& last = records_[life_first_ + acknowledged_ - 1];
    end = last.offset + kRecordHeader + std::ssize(last.body);
  }
  return {std::max<std::int64_t>(trim_asked_.value, 0), end};
}

void Oracle::evidence_is_gone() {
  has_evidence_ = false;
  incarnation_ = 0;
  greatest_watermark_ = -1;
  ended_ = Ended::abruptly;
}

void Oracle::foreign_life(std::int64_t start, std::int64_t trim,
                          std::span<const ForeignRecord> records) {
  evidence_is_gone();
  forget_awaited();
  life_first_ = records_.size();
  acknowledged_ = 0;
  for (const ForeignRecord& record : records) {
    records_.push_back({.offset = record.offset,
                        .body = record.body,
                        .told = record.acknowledged ? Told::durable : Told::nothing});
    if (record.acknowledged) acknowledged_ = records_.size() - life_first_;
  }
  next_called_ = records_.size();
  if (!records.empty()) highest_offset_ = records.back().offset;
  life_start_ = last_end_ = start;
  trim_asked_ = trim_durable_ = Offset{trim};
  resumed_at_ = -1;
  excused_from_ = std::numeric_limits<std::int64_t>::max();
  written_.clear();
}

// The greatest watermark that can be read from the disk. A header write that a crash tore may have
// left its evidence in a slot that cannot be read: it never completed, and counts for nothing.
void Oracle::measure_watermark() {
  greatest_watermark_ = -1;
  const std::span<const std::byte> image = disk_.visible().first(capacity_);
  const NaiveHeaders headers = durable_headers();
  const NaiveHeader* current = nullptr;
  for (const auto& slot : headers.slots) {
    if (slot && (current == nullptr || slot->stamp > current->stamp)) current = &*slot;
  }
  if (current == nullptr || !current->evidence) return;
  const std::uint64_t log_id = current->evidence->log_id;
  const auto note = [&](const auto& evidence) {
    if (!evidence || evidence->log_id != log_id) return;
    greatest_watermark_ = std::max(greatest_watermark_, evidence->watermark);
  };
  for (const auto& slot : headers.slots) {
    if (slot) note(slot->evidence);
  }
  for (std::uint64_t at = 8192; at < capacity_; at += 4096) {
    if (!disk_.is_unreadable(at, 4096)) note(naive_block_evidence(image.subspan(at, 4096)));
  }
}

bool Oracle::was_given_up(std::int64_t offset, std::span<const std::byte> body) const {
  return std::ranges::any_of(former_, [&](const Record& record) {
    return (record.offset == offset || record.offset == kNowhere) && same(record.body, body);
  });
}

Oracle::Injury Oracle::judge_injury(const Result<RecoveryReport>& result, bool hits_header,
                                    bool is_stale) {
  const NaiveHeaders headers = naive_headers(disk_.visible());
  if (!result && result.error().code != ErrorCode::damaged && (headers.current || !hits_header) &&
      !disk_.is_unreadable(0, 8192)) {
    violate(Invariant::i14_damage_is_reported,
            "recovery of a damaged log ended with " + result.error().message());
  }
  const bool told = !result || !result->damage.empty();
  for (std::size_t i = 0; i < recovered_.size(); ++i) {
    if (!was_appended(recovered_[i], recovered_body(i))) {
      if (is_stale && was_given_up(recovered_[i], recovered_body(i))) return Injury::revived;
      violate(Invariant::i3_nothing_foreign,
              fmt::format("damage made a record at {}", recovered_[i]));
    } else if (recovered_[i] <= trim_durable_.value || recovered_[i] < life_start_) {
      violate(Invariant::i4_trimmed_stays_trimmed,
              fmt::format("damage brought the record at {} back", recovered_[i]));
    }
  }
  for (std::size_t i = life_first_; i < life_first_ + acknowledged_; ++i) {
    const Record& record = records_[i];
    if (record.told != Told::durable || record.offset <= trim_asked_.value) continue;
    if (std::ranges::binary_search(recovered_, record.offset)) continue;
    if (told) return Injury::detected;
    if (record.offset < greatest_watermark_) {
      violate(Invariant::i14_damage_is_reported,
              fmt::format("record at {} is lost, below the watermark {}, and nobody says so",
                          record.offset, greatest_watermark_));
    }
    if (ended_ != Ended::abruptly) {
      violate(Invariant::i14_damage_is_reported,
              fmt::format("record at {} is lost after {}, and nobody says so", record.offset,
                          ended_ == Ended::closed ? "a close" : "a long silence"));
    }
    return Injury::silent;
  }
  return told ? Injury::alarm : Injury::harmless;
}

}  // namespace seqwal::sim
