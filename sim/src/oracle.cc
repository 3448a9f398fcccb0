#include "seqwal/sim/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "oracle_bytes.h"

namespace seqwal::sim {
namespace {

NaiveMode naive_mode(RecoveryMode mode) {
  switch (mode) {
    case RecoveryMode::standard:
      return NaiveMode::standard;
    case RecoveryMode::strict:
      return NaiveMode::strict;
    case RecoveryMode::prefix:
      return NaiveMode::prefix;
  }
  return NaiveMode::standard;
}

}  // namespace

std::string_view to_string(Invariant invariant) {
  switch (invariant) {
    case Invariant::i1_acknowledged_is_recovered:
      return "I1: what was acknowledged is recovered";
    case Invariant::i2_recovery_follows_the_rules:
      return "I2: recovery delivers exactly what the rules give";
    case Invariant::i3_nothing_foreign:
      return "I3: nothing foreign is recovered";
    case Invariant::i4_trimmed_stays_trimmed:
      return "I4: what was trimmed durably stays trimmed";
    case Invariant::i5_callbacks_in_order:
      return "I5: callbacks in offset order";
    case Invariant::i6_exactly_one_callback:
      return "I6: exactly one callback per accepted append";
    case Invariant::i7_durable_before_acknowledged:
      return "I7: durable before acknowledged";
    case Invariant::i8_offsets_never_repeat:
      return "I8: offsets never repeat";
    case Invariant::i9_no_write_into_kept_space:
      return "I9: no write into untrimmed or header space";
    case Invariant::i10_always_a_valid_header:
      return "I10: always a valid durable header, stamps grow";
    case Invariant::i11_recovery_reads_within_bounds:
      return "I11: recovery reads the log three times at most, and nothing behind it";
    case Invariant::i12_recovery_repeats_and_writes_nothing:
      return "I12: recovery gives the same twice and writes nothing";
    case Invariant::i14_damage_is_reported:
      return "I14: damage is reported, and nothing else is";
    case Invariant::i15_nothing_succeeds_after_failure:
      return "I15: nothing succeeds after the first failure";
    case Invariant::i16_everything_resolves:
      return "I16: everything pending resolves";
    case Invariant::i17_one_owner:
      return "I17: one owner at a time";
    case Invariant::i18_window_within_the_header:
      return "I18: the window stays within the durable header's";
    case Invariant::i19_buffers_left_alone:
      return "I19: buffers are left alone while the device has them";
    case Invariant::i20_bytes_are_a_function_of_inputs:
      return "I20: the bytes on disk are a function of the inputs";
  }
  return "unknown";
}

void Oracle::violate(Invariant invariant, std::string what) {
  if (!listening_ || violation_) return;
  violation_ = Violation{invariant, std::move(what)};
}

// --- creation and opening ---------------------------------------------------------------------

void Oracle::process_begins() {
  listening_ = true;
  running_ = failed_ = false;
  failed_at_ = kNoOffset;
  header_writes_in_flight_ = 0;
  read_errors_.clear();
  stale_reads_ = false;
  slot_unreadable_ = {};
}

void Oracle::create_begins() {
  capacity_ = 0;
  tainted_ = false;
  running_ = false;
}

void Oracle::create_done(std::uint64_t capacity_bytes, std::int64_t origin) {
  capacity_ = capacity_bytes;
  former_.insert(former_.end(), records_.begin(), records_.end());
  records_.clear();
  forget_awaited();
  life_first_ = next_called_ = acknowledged_ = 0;
  life_start_ = last_end_ = origin;
  highest_offset_ = -1;
  trim_asked_ = trim_durable_ = Offset{origin - 1};
  resetting_ = resuming_ = running_ = failed_ = false;
  resumed_at_ = -1;
  has_evidence_ = true;
  incarnation_ = 0;
  greatest_watermark_ = -1;
  written_.clear();
}

void Oracle::opened(const HeaderState& headers) {
  if (!listening_) return;
  const NaiveHeaders found = naive_headers(disk_.visible());
  for (std::size_t i = 0; i < 2; ++i) {
    const bool valid = headers.slots.at(i).state == SlotState::valid;
    slot_unreadable_.at(i) = false;
    if (valid == found.slots.at(i).has_value()) continue;
    const bool hurt =
        disk_.is_unreadable(i * 4096, 4096) ||
        std::ranges::any_of(read_errors_, [i](std::uint64_t at) { return at / 4096 == i; });
    slot_unreadable_.at(i) = !valid && hurt;
    if (!slot_unreadable_.at(i) && !tainted_) {
      violate(Invariant::i2_recovery_follows_the_rules,
              fmt::format("header slot {} is judged {}", i, valid ? "valid" : "invalid"));
    }
  }
}

void Oracle::refused_to_open(const Error& error) {
  if (!listening_ || tainted_) return;
  const NaiveHeaders found = naive_headers(disk_.visible());
  const bool hurt = disk_.harmed() || disk_.is_unreadable(0, 8192) || !read_errors_.empty();
  if (found.current && !hurt && capacity_ != 0) {
    violate(Invariant::i2_recovery_follows_the_rules,
            "a sound log was refused: " + error.message());
  }
  if (!found.current && capacity_ != 0) {
    violate(Invariant::i10_always_a_valid_header, "both headers are gone");
  }
}

// --- recovery ---------------------------------------------------------------------------------

void Oracle::recovery_begins() {
  recovered_.clear();
  recovered_ends_.clear();
  recovered_bytes_.clear();
  writes_before_recovery_ = disk_.writes_submitted();
  read_before_recovery_ = disk_.bytes_read();
}

void Oracle::recovered(const RecoveredRecord& record) {
  place_awaited(record.offset.value, record.body);
  recovered_.push_back(record.offset.value);
  recovered_bytes_.insert(recovered_bytes_.end(), record.body.begin(), record.body.end());
  recovered_ends_.push_back(recovered_bytes_.size());
}

std::span<const std::byte> Oracle::recovered_body(std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : recovered_ends_[index - 1];
  return std::span(recovered_bytes_).subspan(begin, recovered_ends_[index] - begin);
}

void Oracle::recovery_done(const RecoveryReport& report, RecoveryMode mode) {
  if (!listening_) return;
  if (disk_.writes_submitted() != writes_before_recovery_) {
    violate(Invariant::i12_recovery_repeats_and_writes_nothing, "recovery wrote");
  }
  check_against_naive(report, mode);
  if (capacity_ == 0) return;
  // Once, ahead of that for evidence, and what could not be read at once again, block by block.
  const std::uint64_t most = (read_errors_.empty() ? 3 : 6) * capacity_;
  if (disk_.bytes_read() - read_before_recovery_ > most) {
    violate(Invariant::i11_recovery_reads_within_bounds,
            fmt::format("{} bytes were read of {}", disk_.bytes_read() - read_before_recovery_,
                        capacity_));
  }
  for (std::size_t i = 0; i < recovered_.size(); ++i) {
    if (!was_appended(recovered_[i], recovered_body(i))) {
      violate(Invariant::i3_nothing_foreign,
              fmt::format("record at {} was never appended like that", recovered_[i]));
    }
  }
  if (tainted_) return;
  for (const std::int64_t offset : recovered_) {
    if (offset < life_start_) {
      violate(Invariant::i3_nothing_foreign,
              fmt::format("record at {} is from before the reset at {}", offset, life_start_));
    }
    if (offset <= trim_durable_.value) {
      violate(Invariant::i4_trimmed_stays_trimmed,
              fmt::format("record at {} came back, trimmed up to {}", offset, trim_durable_.value));
    }
    const Record* record = find(offset);
    if (record != nullptr && record->told == Told::rejected) {
      violate(Invariant::i3_nothing_foreign,
              fmt::format("record at {} was rejected, and is there", offset));
    }
  }
  check_acknowledged(report, mode);
  if (mode == RecoveryMode::prefix && report.damage.empty()) check_contiguous();
  // What a reader that knows no evidence makes of it, now and then.
  const bool hurt = std::ranges::any_of(slot_unreadable_, [](bool b) { return b; });
  if (disk_.writes_submitted() % 3 != 0 || hurt || !report.unreadable.empty()) return;
  if (!report.damage.empty()) return;
  if (check_plain_rules(NaiveMode::standard)) (void)check_plain_rules(NaiveMode::strict);
}

// The format is AutoMQ's: its reader recovers all that was acknowledged, and nothing foreign.
bool Oracle::check_plain_rules(NaiveMode mode) {
  const auto reading = naive_read(disk_.visible(), mode);
  if (!reading) return true;
  const std::int64_t trim = reading->header.trim;
  std::size_t at = 0;
  for (std::size_t i = life_first_; i < records_.size(); ++i) {
    const Record& record = records_[i];
    if (record.told != Told::durable || record.offset <= std::max(trim, trim_asked_.value)) {
      continue;
    }
    if (record.offset >= excused_from_) break;
    while (at < reading->records.size() && reading->records[at].offset < record.offset) ++at;
    if (at < reading->records.size() && reading->records[at].offset == record.offset) continue;
    violate(Invariant::i1_acknowledged_is_recovered,
            fmt::format("record at {} is lost to a reader that knows no evidence", record.offset));
    return false;
  }
  for (const NaiveRecord& record : reading->records) {
    place_awaited(record.offset, record.body);
    if (was_appended(record.offset, record.body)) continue;
    violate(Invariant::i3_nothing_foreign,
            fmt::format("a reader that knows no evidence finds a record at {}", record.offset));
    return false;
  }
  return true;
}

// Nothing is missing between what was recovered.
void Oracle::check_contiguous() {
  // Without evidence a torn record looks like fill.
  if (recovered_.empty() || !has_evidence_) return;
  const auto first = std::ranges::lower_bound(records_, recovered_.front(), {}, &Record::offset);
  const auto index = static_cast<std::size_t>(first - records_.begin());
  for (std::size_t i = 0; i < recovered_.size(); ++i) {
    if (index + i < records_.size() && records_[index + i].offset == recovered_[i]) continue;
    violate(Invariant::i2_recovery_follows_the_rules,
            fmt::format("the prefix leaves out what was appended before {}", recovered_[i]));
    return;
  }
}

void Oracle::recovery_refused(const Error& error) {
  // A read that failed is damage below the watermark, and nobody knows which one did it.
  if (!listening_ || tainted_ || disk_.harmed() || !read_errors_.empty()) return;
  violate(Invariant::i14_damage_is_reported,
          fmt::format("called damage on a disk that is well: {}", error.message()));
}

void Oracle::check_against_naive(const RecoveryReport& report, RecoveryMode mode) {
  // The naive reader sees something else, as does who reads again what failed once.
  if (stale_reads_ || (disk_.harmed() && !read_errors_.empty())) return;
  NaiveUnreadable unreadable{.slots = slot_unreadable_};
  for (const OffsetRange& range : report.unreadable) {
    unreadable.ranges.emplace_back(range.begin.value, range.end.value);
  }
  const NaiveHeaders headers = naive_headers(disk_.visible());
  // An old timeline that a lie brought back is told by evidence, which the naive reader does not go
  // into.
  const bool resumed = headers.current && headers.slots.at(*headers.current)->evidence &&
                       (headers.slots.at(*headers.current)->evidence->flags & 1U) != 0;
  if ((tainted_ && resumed) || !report.damage.empty()) return;
  const auto reading =
      naive_read(disk_.visible(), naive_mode(mode), unreadable, NaiveRules::evidence);
  if (!reading) {
    violate(Invariant::i2_recovery_follows_the_rules, "recovered from what holds no log");
    return;
  }
  for (std::size_t i = 0; i < std::max(reading->records.size(), recovered_.size()); ++i) {
    const std::int64_t want = i < reading->records.size() ? reading->records[i].offset : -1;
    const std::int64_t got = i < recovered_.size() ? recovered_[i] : -1;
    if (want != got || !same(reading->records[i].body, recovered_body(i))) {
      violate(Invariant::i2_recovery_follows_the_rules,
              fmt::format("record {} of {}: recovered {}, the rules give {} (-1: none)", i,
                          reading->records.size(), got, want));
      return;
    }
  }
}

// What was acknowledged is there, unless somebody asked to trim it, or a reset began.
void Oracle::check_acknowledged(const RecoveryReport& report, RecoveryMode mode) {
  const NaiveHeaders headers = naive_headers(disk_.visible());
  const std::int64_t trim = headers.current ? headers.slots.at(*headers.current)->trim : -1;
  const std::int64_t hurt = first_hurt(report);
  for (std::size_t i = life_first_; i < records_.size(); ++i) {
    const Record& record = records_[i];
    if (record.told != Told::durable) {
      // A writer without evidence acknowledges behind a hole, where no prefix reaches.
      if (mode == RecoveryMode::prefix) return;
      continue;
    }
    if (record.offset <= trim_asked_.value) continue;
    if (resetting_ && record.offset <= trim) continue;
    if (record.offset >= excused_from_) continue;
    if (std::ranges::binary_search(recovered_, record.offset)) continue;
    // Below the watermark a read error is damage: whoever asked has been told, by the report.
    if (record.offset + kRecordHeader + std::ssize(record.body) > hurt) continue;
    violate(Invariant::i1_acknowledged_is_recovered,
            fmt::format("record at {} ({} bytes) is lost", record.offset, record.body.size()));
    return;
  }
}

// The first block that was reported unreadable because a read failed, not because a crash left it
// so: what a crash leaves lies beyond everything acknowledged.
std::int64_t Oracle::first_hurt(const RecoveryReport& report) const {
  for (const OffsetRange& range : report.unreadable) {
    for (std::int64_t block = range.begin.value; block < range.end.value; block += kBlock) {
      if (std::ranges::find(read_errors_, position(block)) != read_errors_.end()) return block;
    }
  }
  return std::numeric_limits<std::int64_t>::max();
}

const Oracle::Record* Oracle::find(std::int64_t offset) const {
  const auto record = std::ranges::lower_bound(records_, offset, {}, &Record::offset);
  return record != records_.end() && record->offset == offset ? &*record : nullptr;
}

const Oracle::Record* Oracle::find_in_life(std::int64_t offset) const {
  const std::span records = std::span(records_).subspan(life_first_);
  const auto record = std::ranges::lower_bound(records, offset, {}, &Record::offset);
  return record != records.end() && record->offset == offset ? &*record : nullptr;
}

bool Oracle::was_appended(std::int64_t offset, std::span<const std::byte> body) const {
  if (tainted_) {  // offsets may have been given again, and what was before a creation seen
    const auto is_it = [&](const Record& record) {
      return record.offset == offset && same(record.body, body);
    };
    return std::ranges::any_of(records_, is_it) || was_given_up(offset, body);
  }
  const Record* record = find(offset);
  return record != nullptr && same(record->body, body);
}

// --- reset ------------------------------------------------------------------------------------

void Oracle::trim_offline_begins(Offset offset) { trim_asked_ = std::max(trim_asked_, offset); }

void Oracle::reset_begins() {
  if (!listening_) return;
  resetting_ = true;
  ended_ = Ended::abruptly;
}

void Oracle::reset_done(Offset start) {
  if (!listening_) return;
  resetting_ = resuming_ = false;
  running_ = true;
  forget_awaited();
  life_first_ = next_called_ = records_.size();
  acknowledged_ = 0;
  lowest_failed_ = std::numeric_limits<std::int64_t>::max();
  highest_durable_ = -1;
  durable_index_ = 0;
  life_start_ = last_end_ = start.value;
  trim_asked_ = trim_durable_ = start - 1;
  written_.clear();
  resumed_at_ = -1;
  has_evidence_ = true;
  excused_from_ = std::numeric_limits<std::int64_t>::max();
  if (tainted_) return;
  check_lineage("reset", start.value);
  if (start.value <= highest_offset_) {
    violate(Invariant::i8_offsets_never_repeat,
            fmt::format("reset starts at {}, {} was given before", start.value, highest_offset_));
  }
  const NaiveHeaders headers = durable_headers();
  for (const auto& slot : headers.slots) {
    if (!slot || slot->trim < start.value - 1) {
      violate(Invariant::i10_always_a_valid_header, "reset returned before both slots held it");
    }
  }
}

void Oracle::resume_begins() {
  if (!listening_) return;
  resuming_ = true;
  ended_ = Ended::abruptly;
  if (!disk_.harmed() || read_errors_.empty()) return;
  // A read that failed above every watermark looks like what a crash left, and is cut off.
  measure_watermark();
  excused_from_ = std::max(greatest_watermark_, recovered_.empty() ? -1 : recovered_.back() + 1);
}

// What was recovered is kept, what is not there is given up: its offsets are given anew.
void Oracle::resume_done(Offset end) {
  if (!listening_) return;
  resuming_ = false;
  running_ = true;
  const NaiveHeaders headers = durable_headers();
  const std::int64_t trim = headers.current ? headers.slots.at(*headers.current)->trim : -1;
  if (std::exchange(resetting_, false) && trim > highest_offset_) {
    // A reset that nobody lived to hear of was done.
    life_first_ = records_.size();
    life_start_ = trim + 1;
    trim_asked_ = trim_durable_ = Offset{trim};
    written_.clear();
  }
  const auto is_given_up = [&](const Record& record) {
    if (record.offset >= end.value) return true;
    // Trimmed offline with one before it, and never there.
    return record.offset > trim_asked_.value &&
           !std::ranges::binary_search(recovered_, record.offset);
  };
  const auto life = records_.begin() + static_cast<std::ptrdiff_t>(life_first_);
  for (auto record = life; record != records_.end(); ++record) {
    if (!is_given_up(*record)) continue;
    if (record->told == Told::durable && !tainted_ && record->offset < excused_from_) {
      violate(Invariant::i1_acknowledged_is_recovered,
              fmt::format("resume goes on at {} without {}", end.value, record->offset));
      return;
    }
    former_.push_back(*record);
  }
  records_.erase(std::remove_if(life, records_.end(), is_given_up), records_.end());
  forget_awaited();
  life_first_ = std::min(life_first_, records_.size());
  for (std::size_t i = life_first_; i < records_.size(); ++i) records_[i].told = Told::durable;
  next_called_ = records_.size();
  acknowledged_ = records_.size() - life_first_;
  lowest_failed_ = std::numeric_limits<std::int64_t>::max();
  highest_durable_ = -1;
  durable_index_ = 0;
  excused_from_ = std::numeric_limits<std::int64_t>::max();
  has_evidence_ = true;
  last_end_ = resumed_at_ = end.value;
  const auto blocks = static_cast<std::size_t>(
      std::max<std::int64_t>(0, (round_up(end.value) - life_start_) / kBlock));
  if (blocks < written_.size()) written_.resize(blocks);
  if (tainted_) return;
  highest_offset_ = records_.empty() ? -1 : records_.back().offset;
  check_lineage("resume", end.value);
  if (!recovered_.empty() && recovered_.back() >= end.value) {
    violate(Invariant::i8_offsets_never_repeat,
            fmt::format("resume goes on at {}, before {}", end.value, recovered_.back()));
  }
}

// Both headers say that a new timeline has begun, and from where on.
void Oracle::check_lineage(const char* who, std::int64_t watermark) {
  const NaiveHeaders headers = durable_headers();
  std::uint32_t greatest = incarnation_;
  for (const auto& slot : headers.slots) {
    if (!slot || !slot->evidence || slot->evidence->incarnation <= incarnation_ || slot->graceful ||
        slot->evidence->watermark != watermark) {
      violate(Invariant::i10_always_a_valid_header,
              fmt::format("{} returned before both headers tell of it", who));
      return;
    }
    greatest = std::max(greatest, slot->evidence->incarnation);
  }
  incarnation_ = greatest;
}

void Oracle::resume_refused() {
  if (!listening_) return;
  resuming_ = false;
  if (tainted_ || disk_.harmed()) return;
  const NaiveUnreadable unreadable{.slots = slot_unreadable_};
  const auto reading = naive_read(disk_.visible(), NaiveMode::standard, unreadable);
  if (!reading || reading->header.evidence) {
    violate(Invariant::i16_everything_resolves, "a resume was refused on a log with evidence");
  }
}

// --- running ----------------------------------------------------------------------------------

void Oracle::check_durable(const Record& record) {
  const std::uint64_t at = position(record.offset);
  if (at + 24 + record.body.size() > capacity_) {
    violate(Invariant::i9_no_write_into_kept_space,
            fmt::format("record at {} crosses the end of the section", record.offset));
    return;
  }
  if (!is_durable(record)) {
    violate(Invariant::i7_durable_before_acknowledged,
            fmt::format("record at {} is acknowledged and not on the media", record.offset));
  }
}

bool Oracle::is_durable(const Record& record) const {
  const auto header = record_header(record.offset, record.body.size());
  const std::uint64_t at = position(record.offset);
  return disk_.is_stable(at, header) && disk_.is_stable(at + 24, record.body);
}

// From the end of a record to the next boundary stand zeroes, and evidence where it has room. The
// block write behind begins with the record at `next`.
void Oracle::check_fill(std::int64_t begin, std::int64_t next) {
  if (tainted_ || begin % kBlock == 0) return;
  // Trimmed by now, its space may be in use again.
  const NaiveHeaders headers = durable_headers();
  for (const auto& slot : headers.slots) {
    if (slot && slot->trim >= begin - 1) return;
  }
  const auto wrong = [&](const std::string& what) {
    violate(Invariant::i20_bytes_are_a_function_of_inputs,
            fmt::format("the fill between {} and {}: {}", begin, next, what));
  };
  const std::uint64_t at = position(begin);
  const auto fill = disk_.visible().subspan(at, static_cast<std::size_t>(round_up(begin) - begin));
  if (fill.size() < 64) {
    if (!is_zero(fill)) wrong("not zero");
    return;
  }
  if (!is_zero(fill.first(fill.size() - 64))) wrong("not zero before its evidence");
  const auto evidence = naive_block_evidence(fill);
  if (!evidence || evidence->records_end != begin || evidence->end != round_up(begin) ||
      evidence->incarnation != incarnation_) {
    wrong("no evidence of this block write");
    return;
  }
  const auto first = std::ranges::lower_bound(records_, evidence->begin, {}, &Record::offset);
  if (first == records_.end() || first->offset != evidence->begin) {
    wrong("its evidence names no beginning of a block write");
    return;
  }
  std::int64_t previous_end = std::max<std::int64_t>(resumed_at_, -1);
  if (first != records_.begin() && std::prev(first)->offset >= std::max(life_start_, resumed_at_)) {
    const Record& previous = *std::prev(first);
    previous_end = previous.offset + kRecordHeader + std::ssize(previous.body);
  }
  if (evidence->previous_end != previous_end) {
    wrong(fmt::format("its evidence says that the one before ended at {}, it was {}",
                      evidence->previous_end, previous_end));
  }
  if (evidence->watermark > evidence->begin || evidence->watermark < life_start_) {
    wrong("its watermark lies");
  }
}

void Oracle::log_failed(Offset offset) {
  if (!listening_ || failed_) return;
  failed_ = true;
  failed_at_ = offset;
  if (!disk_.harmed() && !tainted_) {
    violate(Invariant::i16_everything_resolves,
            fmt::format("the log failed at {} on a disk without a fault", offset.value));
  }
}

void Oracle::trim_begins(Offset offset) {
  if (listening_) trim_asked_ = std::max(trim_asked_, offset);
}

void Oracle::trim_done(Offset asked, const Result<Offset>& result) {
  if (!listening_ || !result || tainted_) return;
  if (*result < asked) {
    violate(Invariant::i4_trimmed_stays_trimmed,
            fmt::format("trim of {} answered {}", asked.value, result->value));
  }
  const NaiveHeaders headers = durable_headers();
  for (const auto& slot : headers.slots) {
    if (!slot || slot->trim < asked.value) {
      violate(Invariant::i4_trimmed_stays_trimmed,
              fmt::format("trim of {} is answered before both headers hold it", asked.value));
    }
  }
  trim_durable_ = std::max(trim_durable_, asked);
}

void Oracle::closed(bool graceful) {
  if (!listening_) return;
  running_ = false;
  const std::size_t waiting = records_.size() - next_called_ + awaited_.size();
  if (waiting != 0) {
    violate(Invariant::i6_exactly_one_callback, fmt::format("{} callbacks never ran", waiting));
  }
  if (!graceful || tainted_) return;
  ended_ = Ended::closed;
  if (acknowledged_ != records_.size() - life_first_) {
    violate(Invariant::i1_acknowledged_is_recovered, "closed gracefully without finishing");
  }
  const NaiveHeaders headers = durable_headers();
  for (const auto& slot : headers.slots) {
    if (!slot || !slot->graceful) {
      violate(Invariant::i10_always_a_valid_header, "closed, and a header does not say graceful");
    }
    // So that damage to anything acknowledged is told.
    if (slot && slot->evidence && slot->evidence->watermark < last_end_) {
      violate(Invariant::i14_damage_is_reported,
              fmt::format("closed with the watermark {}, durable is {}", slot->evidence->watermark,
                          last_end_));
    }
  }
}

void Oracle::silent_for_long() {
  if (!listening_ || failed_ || tainted_) return;
  if (acknowledged_ != records_.size() - life_first_) {
    violate(Invariant::i16_everything_resolves, "long silent, and an append was not answered");
  }
  ended_ = Ended::silent;
}

bool Oracle::wrapped() const {
  return capacity_ != 0 && appended_in_life() > 0 &&
         records_.back().offset / section() != life_start_ / section();
}

}  // namespace seqwal::sim
