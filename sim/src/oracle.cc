#include "seqwal/sim/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace seqwal::sim {
namespace {

constexpr std::int64_t kBlock = 4096;
constexpr std::int64_t kRecordHeader = 24;

std::int64_t round_up(std::int64_t offset) { return (offset + kBlock - 1) / kBlock * kBlock; }

// The first 16 bytes of a record header as docs/format.md says it; the checksums behind them are
// recovery's to judge.
std::array<std::byte, 16> record_header(std::int64_t offset, std::size_t length) {
  std::array<std::byte, 16> bytes{};
  const auto put = [&](std::size_t at, std::size_t count, std::uint64_t value) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes.at(at + count - 1 - i) = static_cast<std::byte>(value >> (8 * i));
    }
  };
  put(0, 4, 0x87654321);
  put(4, 4, length);
  put(8, 8, static_cast<std::uint64_t>(offset + kRecordHeader));
  return bytes;
}

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

bool is_zero(std::span<const std::byte> bytes) {
  static constexpr std::array<std::byte, 4096> kZeroes{};
  return same(bytes, std::span(kZeroes).first(bytes.size()));
}

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
      return "I11: recovery reads the log at most twice, and nothing behind it";
    case Invariant::i12_recovery_repeats_and_writes_nothing:
      return "I12: recovery gives the same twice and writes nothing";
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

void Oracle::create_done(std::uint64_t capacity_bytes) {
  capacity_ = capacity_bytes;
  former_.insert(former_.end(), records_.begin(), records_.end());
  records_.clear();
  life_first_ = next_called_ = acknowledged_ = 0;
  life_start_ = last_end_ = 0;
  highest_offset_ = -1;
  trim_asked_ = trim_durable_ = kNoOffset;
  resetting_ = running_ = failed_ = false;
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
  // Once, and what could not be read at once a second time, block by block.
  if (disk_.bytes_read() - read_before_recovery_ > 2 * capacity_) {
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
  check_acknowledged(report);
}

void Oracle::check_against_naive(const RecoveryReport& report, RecoveryMode mode) {
  if (stale_reads_) return;  // the naive reader sees something else
  NaiveUnreadable unreadable{.slots = slot_unreadable_};
  for (const OffsetRange& range : report.unreadable) {
    unreadable.ranges.emplace_back(range.begin.value, range.end.value);
  }
  const auto reading = naive_read(disk_.visible(), naive_mode(mode), unreadable);
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
void Oracle::check_acknowledged(const RecoveryReport& report) {
  const NaiveHeaders headers = naive_headers(disk_.visible());
  const std::int64_t trim = headers.current ? headers.slots.at(*headers.current)->trim : -1;
  const std::int64_t hurt = first_hurt(report);
  for (std::size_t i = life_first_; i < life_first_ + acknowledged_; ++i) {
    const Record& record = records_[i];
    if (record.offset <= trim_asked_.value) continue;
    if (resetting_ && record.offset <= trim) continue;
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

bool Oracle::was_appended(std::int64_t offset, std::span<const std::byte> body) const {
  if (tainted_) {  // offsets may have been given again, and what was before a creation seen
    const auto is_it = [&](const Record& record) {
      return record.offset == offset && same(record.body, body);
    };
    return std::ranges::any_of(records_, is_it) || std::ranges::any_of(former_, is_it);
  }
  const Record* record = find(offset);
  return record != nullptr && same(record->body, body);
}

// --- reset ------------------------------------------------------------------------------------

void Oracle::trim_offline_begins(Offset offset) { trim_asked_ = std::max(trim_asked_, offset); }

void Oracle::reset_begins() {
  if (listening_) resetting_ = true;
}

void Oracle::reset_done(Offset start) {
  if (!listening_) return;
  resetting_ = false;
  running_ = true;
  life_first_ = next_called_ = records_.size();
  acknowledged_ = 0;
  life_start_ = last_end_ = start.value;
  trim_asked_ = trim_durable_ = start - 1;
  written_.clear();
  if (tainted_) return;
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

// --- running ----------------------------------------------------------------------------------

void Oracle::appended(Offset offset, std::span<const std::byte> body) {
  if (!listening_) return;
  if (failed_) {
    violate(Invariant::i15_nothing_succeeds_after_failure,
            fmt::format("append at {} was accepted", offset.value));
  }
  if (offset.value <= highest_offset_ && !tainted_) {
    violate(Invariant::i8_offsets_never_repeat,
            fmt::format("{} was given after {}", offset.value, highest_offset_));
  }
  highest_offset_ = std::max(highest_offset_, offset.value);
  records_.push_back({.offset = offset.value, .body = body, .told = Told::nothing});
}

void Oracle::called(Offset offset, AppendStatus status) {
  if (!listening_) return;
  // A callback may run before the append that it belongs to has returned only if the log's thread
  // is another one: here it never is.
  if (next_called_ >= records_.size()) {
    violate(Invariant::i6_exactly_one_callback,
            fmt::format("callback for {}, which nobody waits for", offset.value));
    return;
  }
  Record& record = records_[next_called_];
  if (record.offset != offset.value) {
    const bool again = offset.value < record.offset;
    violate(again ? Invariant::i6_exactly_one_callback : Invariant::i5_callbacks_in_order,
            fmt::format("callback for {} where {} is due", offset.value, record.offset));
    return;
  }
  ++next_called_;
  switch (status) {
    case AppendStatus::rejected:
      record.told = Told::rejected;
      return;
    case AppendStatus::indeterminate:
      record.told = Told::indeterminate;
      return;
    case AppendStatus::durable:
      break;
  }
  record.told = Told::durable;
  if (next_called_ - life_first_ != acknowledged_ + 1) {
    violate(Invariant::i5_callbacks_in_order,
            fmt::format("{} succeeds after one before it failed", offset.value));
  }
  ++acknowledged_;
  if (failed_ && failed_at_ != kNoOffset && offset >= failed_at_) {
    violate(
        Invariant::i15_nothing_succeeds_after_failure,
        fmt::format("{} is acknowledged, the log failed at {}", offset.value, failed_at_.value));
  }
  if (!tainted_) check_durable(record);
  if (record.offset > last_end_) check_fill(last_end_);
  last_end_ = record.offset + kRecordHeader + std::ssize(record.body);
}

void Oracle::check_durable(const Record& record) {
  const auto header = record_header(record.offset, record.body.size());
  const std::uint64_t at = position(record.offset);
  if (at + 24 + record.body.size() > capacity_) {
    violate(Invariant::i9_no_write_into_kept_space,
            fmt::format("record at {} crosses the end of the section", record.offset));
    return;
  }
  if (!disk_.is_stable(at, header) || !disk_.is_stable(at + 24, record.body)) {
    violate(Invariant::i7_durable_before_acknowledged,
            fmt::format("record at {} is acknowledged and not on the media", record.offset));
  }
}

// From the end of a record to the next boundary stand zeroes.
void Oracle::check_fill(std::int64_t begin) {
  if (tainted_ || begin % kBlock == 0) return;
  // Trimmed by now, its space may be in use again.
  const NaiveHeaders headers = durable_headers();
  for (const auto& slot : headers.slots) {
    if (slot && slot->trim >= begin - 1) return;
  }
  const auto fill =
      disk_.visible().subspan(position(begin), static_cast<std::size_t>(round_up(begin) - begin));
  if (!is_zero(fill)) {
    violate(Invariant::i20_bytes_are_a_function_of_inputs,
            fmt::format("the fill behind {} is not zero", begin));
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

void Oracle::gave_up() {
  if (!listening_ || next_called_ == records_.size()) return;
  violate(
      Invariant::i16_everything_resolves,
      fmt::format("the log gave up, and {} callbacks are to run", records_.size() - next_called_));
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
  if (next_called_ != records_.size()) {
    violate(Invariant::i6_exactly_one_callback,
            fmt::format("{} callbacks never ran", records_.size() - next_called_));
  }
  if (!graceful || tainted_) return;
  if (acknowledged_ != records_.size() - life_first_) {
    violate(Invariant::i1_acknowledged_is_recovered, "closed gracefully without finishing");
  }
  const NaiveHeaders headers = durable_headers();
  for (const auto& slot : headers.slots) {
    if (!slot || !slot->graceful) {
      violate(Invariant::i10_always_a_valid_header, "closed, and a header does not say graceful");
    }
  }
}

bool Oracle::wrapped() const {
  return capacity_ != 0 && appended_in_life() > 0 &&
         records_.back().offset / section() != life_start_ / section();
}

// --- what goes to the disk --------------------------------------------------------------------

void Oracle::on_write_submitted(const DiskWrite& write) {
  if (!listening_ || capacity_ == 0) return;
  if (write.position < 8192) {
    check_header_write(write);
    ++header_writes_in_flight_;
  } else if (!tainted_) {
    check_block_write(write);
  }
}

// What both slots hold whatever happens, as this process can know it.
NaiveHeaders Oracle::durable_headers() const {
  NaiveHeaders headers = naive_headers(disk_.stable());
  for (std::size_t i = 0; i < 2; ++i) {
    if (slot_unreadable_.at(i) || disk_.is_unreadable(i * 4096, 4096)) headers.slots.at(i).reset();
  }
  return headers;
}

void Oracle::check_header_write(const DiskWrite& write) {
  if (tainted_) return;
  const auto wrong = [&](std::string what) {
    violate(Invariant::i10_always_a_valid_header, std::move(what));
  };
  if (write.bytes.size() != 4096 || write.position % 4096 != 0) {
    wrong("a header write is not one slot");
    return;
  }
  if (header_writes_in_flight_ > 0) {
    wrong("two header writes in flight");
    return;
  }
  const auto added = naive_header(write.bytes);
  if (!added || added->capacity != capacity_) {
    wrong("what is written is no header of this log");
    return;
  }
  if (!is_zero(write.bytes.subspan(56))) {
    violate(Invariant::i20_bytes_are_a_function_of_inputs, "the header's tail is not zero");
  }
  const std::size_t target = write.position / 4096;
  const NaiveHeaders stable = durable_headers();
  const auto& other = stable.slots.at(1 - target);
  // Which one is newer is judged by what can be read: what a failed write left in the cache is seen
  // by everybody, and on the media by nobody.
  const NaiveHeaders seen = naive_headers(disk_.visible());
  const auto& old = seen.slots.at(target);
  const bool could_not_be_read =
      slot_unreadable_.at(target) || disk_.is_unreadable(target * 4096, 4096) ||
      std::ranges::find(read_errors_, target * 4096) != read_errors_.end();
  const bool as_it_is = same(write.bytes.first(56), disk_.visible().subspan(write.position, 56));
  if (as_it_is && other) return;  // so that it is on the media for sure
  if (!could_not_be_read && old && seen.slots.at(1 - target) &&
      old->stamp > seen.slots.at(1 - target)->stamp) {
    wrong("the newer of two valid headers is being overwritten");
  }
  // Nor the one that a crash would leave as the newer, whatever stands in a cache.
  const auto& durable_old = stable.slots.at(target);
  if (!could_not_be_read && durable_old && other && durable_old->stamp > other->stamp) {
    wrong("the newer of the two headers on the media is being overwritten");
  }
  if (!other) {
    wrong("the only valid header is being overwritten");
  } else if (added->stamp <= other->stamp) {
    wrong("the stamp does not grow");
  } else if (added->trim < other->trim) {
    wrong("the trim offset goes backwards");
  } else if (running_ && added->graceful && next_called_ != records_.size()) {
    wrong("it says graceful, and records are in flight");
  }
}

// The first offset that recovery still needs: it starts by parsing a record that stands at the trim
// offset. Where none does, what follows a trim offset before a boundary begins at the boundary.
std::int64_t Oracle::keep(std::int64_t trim) const {
  const bool before_boundary = (trim + 1) % kBlock == 0;
  return before_boundary && find(trim) == nullptr ? trim + 1 : trim / kBlock * kBlock;
}

// Each block of offsets is written once in a life, within the space and the window that the
// headers on the media allow.
void Oracle::check_block_write(const DiskWrite& write) {
  if (write.position + write.bytes.size() > capacity_) {
    violate(Invariant::i9_no_write_into_kept_space, "a write goes beyond the log's end");
    return;
  }
  const NaiveHeaders stable = durable_headers();
  if (!running_ || !stable.slots[0] || !stable.slots[1]) {
    violate(Invariant::i9_no_write_into_kept_space, "a block write before a reset is durable");
    return;
  }
  const std::int64_t first = keep(std::min(stable.slots[0]->trim, stable.slots[1]->trim));
  const auto at = static_cast<std::int64_t>(write.position) - 8192;
  // The one offset in [first, first + section) that stands there.
  const std::int64_t offset =
      first + ((at - first % section()) % section() + section()) % section();
  const std::int64_t end = offset + std::ssize(write.bytes);
  if (offset < life_start_ || end > first + section()) {
    violate(Invariant::i9_no_write_into_kept_space,
            fmt::format("a write at {} of {} bytes, kept from {} on", offset, write.bytes.size(),
                        first));
    return;
  }
  for (std::int64_t block = offset; block < end; block += kBlock) {
    const auto index = static_cast<std::size_t>((block - life_start_) / kBlock);
    if (index >= written_.size()) written_.resize(index + 64);
    if (written_[index]) {
      violate(Invariant::i9_no_write_into_kept_space,
              fmt::format("offset {} is written twice", block));
      return;
    }
    written_[index] = true;
  }
  const std::int64_t window = std::min(stable.slots[0]->window, stable.slots[1]->window);
  // A gap that is trimmed does not count: recovery starts behind the trim offset.
  const std::int64_t start =
      std::max(round_up(last_end_),
               std::min(std::min(stable.slots[0]->trim, stable.slots[1]->trim) + 1, offset));
  if (end - start > window) {
    violate(
        Invariant::i18_window_within_the_header,
        fmt::format("a write up to {}, durable up to {}, the window is {}", end, start, window));
  }
}

void Oracle::on_write_completed(const DiskWrite& write, int os_error) {
  if (!listening_ || write.position >= 8192) return;
  if (header_writes_in_flight_ > 0) --header_writes_in_flight_;
  if (os_error == 0) slot_unreadable_.at(write.position / 4096) = false;
}

void Oracle::on_read_submitted(std::uint64_t position, std::uint64_t length) {
  if (!listening_ || capacity_ == 0 || position + length <= capacity_) return;
  violate(Invariant::i11_recovery_reads_within_bounds,
          fmt::format("a read of {} bytes at {}, the log ends at {}", length, position, capacity_));
}

void Oracle::on_read_failed(std::uint64_t position, std::uint64_t /*length*/) {
  read_errors_.push_back(position);
}

void Oracle::on_fault(Fault fault, std::uint64_t /*position*/) {
  if (info(fault).fault_class == FaultClass::best_effort) tainted_ = true;
  if (fault == Fault::stale_read) stale_reads_ = true;
}

void Oracle::on_misuse(const char* what, std::uint64_t position) {
  violate(Invariant::i19_buffers_left_alone, fmt::format("{} (position {})", what, position));
}

}  // namespace seqwal::sim
