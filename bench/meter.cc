#include "bench/meter.h"

#include <algorithm>

namespace seqwal::bench {
namespace {

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

Meter::Meter(Target& target, std::int64_t section_bytes)
    : target_(target), trim_every_(section_bytes / 4), id_(next_id()) {}

void Meter::called_back(const AppendResult& result) {
  const bool counting = counting_.load(std::memory_order_relaxed);
  if (result.status != AppendStatus::durable) {
    count(failed_);
    return;
  }
  std::int64_t greatest = greatest_.load(std::memory_order_relaxed);
  while (
      greatest < result.offset.value &&
      !greatest_.compare_exchange_weak(greatest, result.offset.value, std::memory_order_relaxed)) {
  }
  if (counting && greatest > result.offset.value) count(out_of_order_);
  trim_up_to(result.offset);
}

void Meter::trim_up_to(Offset offset) {
  std::int64_t trimmed = trimmed_.load(std::memory_order_relaxed);
  if (trimmed == -1) {  // the first record: nothing is before it
    trimmed_.compare_exchange_strong(trimmed, offset.value, std::memory_order_relaxed);
    return;
  }
  if (offset.value - trimmed < trim_every_ || offset >= target_.durable()) return;
  if (!trimmed_.compare_exchange_strong(trimmed, offset.value, std::memory_order_relaxed)) return;
  // Refused, it is asked for again with the next quarter.
  static_cast<void>(target_.trim(offset));
}

void Meter::latency(Nanoseconds time) {
  if (counting_.load(std::memory_order_relaxed)) of_this_thread().record(time);
}

Latencies& Meter::of_this_thread() {
  struct Mine {
    std::uint64_t meter = 0;
    Latencies* latencies = nullptr;
  };
  thread_local Mine mine;
  if (mine.meter != id_) {
    auto added = std::make_unique<Latencies>();
    mine = {.meter = id_, .latencies = added.get()};
    const std::lock_guard lock(mutex_);
    latencies_.push_back(std::move(added));
  }
  return *mine.latencies;
}

void Meter::arrived(Nanoseconds late) {
  if (!counting_.load(std::memory_order_relaxed)) return;
  count(arrived_);
  late_.fetch_add(late, std::memory_order_relaxed);
}

void Meter::refused(ErrorCode code) {
  if (code == ErrorCode::over_capacity) {
    if (counting_.load(std::memory_order_relaxed)) count(overcap_);
    return;
  }
  ErrorCode none = ErrorCode::over_capacity;
  first_refusal_.compare_exchange_strong(none, code);
  count(failed_);
}

Tally Meter::tally() const {
  Tally sum;
  for (const auto& latencies : latencies_) sum.latencies.add(*latencies);
  sum.out_of_order = out_of_order_.load();
  sum.overcap = overcap_.load();
  sum.failed = failed_.load();
  sum.arrived = arrived_.load();
  sum.late = late_.load();
  return sum;
}

}  // namespace seqwal::bench
