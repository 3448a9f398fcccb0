// What clients did and were told, held against each other.
#include <fmt/format.h>

#include <algorithm>

#include "oracle_bytes.h"
#include "seqwal/sim/oracle.h"

namespace seqwal::sim {

void Oracle::appended(Offset offset, std::span<const std::byte> body, std::uint64_t key) {
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
  records_.push_back({.offset = offset.value, .body = body, .key = key, .told = Told::nothing});
}

void Oracle::awaits(std::span<const std::byte> body, std::uint64_t key) {
  if (listening_) awaited_.push_back({.body = body, .key = key, .before = records_.size()});
}

void Oracle::await_refused() {
  if (listening_) awaited_.pop_back();
}

void Oracle::handed_on(Offset offset) {
  if (!listening_ || awaited_.empty() || find_in_life(offset.value) != nullptr) return;
  if (!tainted_ && !fits(awaited_.front(), offset.value)) {
    violate(Invariant::i5_callbacks_in_order,
            fmt::format("{} is handed on, where nobody appended what is due", offset.value));
    return;
  }
  place(awaited_.begin(), offset.value);
}

void Oracle::awaited(Offset offset, std::span<const std::byte> body) {
  if (!listening_) return;
  if (callbacks_are_late_) {
    const Record* record = find_in_life(offset.value);
    if (record == nullptr || record->body.data() != body.data()) {
      violate(Invariant::i6_exactly_one_callback,
              fmt::format("a coroutine is told {}, which another appended", offset.value));
    }
    return;
  }
  if (awaited_.empty() || awaited_.front().body.data() != body.data()) {
    violate(Invariant::i5_callbacks_in_order,
            fmt::format("a coroutine goes on at {}, one before it still waits", offset.value));
    return;
  }
  if (!tainted_ && !fits(awaited_.front(), offset.value)) {
    violate(Invariant::i8_offsets_never_repeat,
            fmt::format("a coroutine is told {}, which is not where it appended", offset.value));
    return;
  }
  place(awaited_.begin(), offset.value);
}

// Behind what was appended before it, ahead of what was after it.
bool Oracle::fits(const Awaited& awaited, std::int64_t offset) const {
  return (awaited.before == 0 || records_[awaited.before - 1].offset < offset) &&
         (awaited.before == records_.size() || offset < records_[awaited.before].offset);
}

void Oracle::place(AwaitedIterator awaited, std::int64_t offset) {
  const Record record{.offset = offset, .body = awaited->body, .key = awaited->key};
  records_.insert(records_.begin() + static_cast<std::ptrdiff_t>(awaited->before), record);
  highest_offset_ = std::max(highest_offset_, offset);
  const auto next = awaited_.erase(awaited);
  std::for_each(next, awaited_.end(), [](Awaited& later) { ++later.before; });
}

// A reset or a resume gives up what was awaited and not found.
void Oracle::forget_awaited() {
  for (const Awaited& awaited : awaited_) {
    former_.push_back({.offset = kNowhere, .body = awaited.body});
  }
  awaited_.clear();
}

// What was awaited when the process died was appended there, it turns out. After a lie, offsets may
// have been given again.
void Oracle::place_awaited(std::int64_t offset, std::span<const std::byte> body) {
  if (awaited_.empty() || (tainted_ && was_appended(offset, body))) return;
  const auto is_it = [&](const Awaited& awaited) {
    return same(awaited.body, body) && (tainted_ || fits(awaited, offset));
  };
  const auto found = std::ranges::find_if(awaited_, is_it);
  if (found != awaited_.end()) place(found, offset);
}

// The record whose callback runs, if it may run now. A callback may run before the append that it
// belongs to has returned only if the log's thread is another one: here it never is.
Oracle::Record* Oracle::due(Offset offset) {
  const auto first = records_.begin() + static_cast<std::ptrdiff_t>(next_called_);
  const auto found = std::find_if(
      first, records_.end(), [&](const Record& record) { return record.offset == offset.value; });
  if (found == records_.end() || found->told != Told::nothing) {
    violate(Invariant::i6_exactly_one_callback,
            fmt::format("callback for {}, which nobody waits for", offset.value));
    return nullptr;
  }
  const auto index = static_cast<std::size_t>(found - records_.begin());
  if (!awaited_.empty() && awaited_.front().before <= index) {
    violate(Invariant::i5_callbacks_in_order,
            fmt::format("callback for {}, a coroutine before it still waits", offset.value));
    return nullptr;
  }
  const auto before = std::find_if(first, found, [&](const Record& record) {
    return record.told == Told::nothing && record.key == found->key;
  });
  if (before != found) {
    violate(Invariant::i5_callbacks_in_order,
            fmt::format("callback for {} where {} is due", offset.value, before->offset));
    return nullptr;
  }
  return &*found;
}

void Oracle::called(Offset offset, AppendStatus status) {
  if (!listening_) return;
  Record* const record = due(offset);
  if (record == nullptr) return;
  switch (status) {
    case AppendStatus::rejected:
      record->told = Told::rejected;
      break;
    case AppendStatus::indeterminate:
      record->told = Told::indeterminate;
      break;
    case AppendStatus::durable:
      record->told = Told::durable;
      break;
  }
  check_status(*record);
  if (record->told == Told::durable && !tainted_) check_durable(*record);
  while (next_called_ < records_.size() && records_[next_called_].told != Told::nothing) {
    ++next_called_;
  }
  note_acknowledged();
}

// Success ends where the first failure is, whatever the order in which they are told.
void Oracle::check_status(const Record& record) {
  if (record.told != Told::durable) {
    lowest_failed_ = std::min(lowest_failed_, record.offset);
  } else {
    highest_durable_ = std::max(highest_durable_, record.offset);
  }
  if (highest_durable_ > lowest_failed_) {
    violate(Invariant::i5_callbacks_in_order,
            fmt::format("{} succeeds, and {} before it fails", highest_durable_, lowest_failed_));
  }
  if (record.told == Told::durable && failed_ && failed_at_ != kNoOffset &&
      record.offset >= failed_at_.value) {
    violate(
        Invariant::i15_nothing_succeeds_after_failure,
        fmt::format("{} is acknowledged, the log failed at {}", record.offset, failed_at_.value));
  }
}

void Oracle::note_acknowledged() {
  while (life_first_ + acknowledged_ < records_.size()) {
    const Record& record = records_[life_first_ + acknowledged_];
    if (record.told != Told::durable) return;
    ++acknowledged_;
    if (record.offset > last_end_ && last_end_ != resumed_at_) check_fill(last_end_, record.offset);
    last_end_ = record.offset + kRecordHeader + std::ssize(record.body);
  }
}

// Where callbacks come late, the media say what is durable.
std::int64_t Oracle::durable_end() {
  if (!callbacks_are_late_) return last_end_;
  const std::size_t called = life_first_ + acknowledged_;
  durable_index_ = std::max(durable_index_, called);
  const auto end_of_last = [&] {
    if (durable_index_ == called) return last_end_;
    const Record& last = records_[durable_index_ - 1];
    return last.offset + kRecordHeader + std::ssize(last.body);
  };
  while (true) {
    if (!awaited_.empty() && awaited_.front().before == durable_index_) {
      if (!place_durable(end_of_last())) break;
    } else if (durable_index_ == records_.size() || !is_durable(records_[durable_index_])) {
      break;
    }
    ++durable_index_;
  }
  return end_of_last();
}

// What has been awaited for longest was appended right behind `end`, or began a block write there
// or in the next cycle: the media say where, once it is durable.
bool Oracle::place_durable(std::int64_t end) {
  const Awaited& awaited = awaited_.front();
  const std::int64_t next_cycle = (round_up(end) + section() - 1) / section() * section();
  for (const std::int64_t offset : {end, round_up(end), next_cycle}) {
    const Record record{.offset = offset, .body = awaited.body};
    if (position(offset) + kRecordHeader + awaited.body.size() > capacity_) continue;
    if (!is_durable(record)) continue;
    place(awaited_.begin(), offset);
    return true;
  }
  return false;
}

void Oracle::told_durable(Offset offset) {
  if (!listening_ || tainted_ || offset <= trim_asked_) return;
  if (const Record* record = find(offset.value)) check_durable(*record);
}

void Oracle::gave_up() {
  const std::size_t waiting = records_.size() - next_called_ + awaited_.size();
  if (!listening_ || callbacks_are_late_ || waiting == 0) return;
  violate(Invariant::i16_everything_resolves,
          fmt::format("the log gave up, and {} callbacks are to run", waiting));
}

}  // namespace seqwal::sim
