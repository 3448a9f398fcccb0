#include "pacer.h"

#include <algorithm>

namespace seqwal {
namespace {

constexpr Nanoseconds kCatchUp = 50'000;
constexpr Nanoseconds kMostRequests = 2;           // that are caught up after being woken late
constexpr Nanoseconds kStall = 5'000'000;          // who waits less long just waits
constexpr Nanoseconds kMostStalled = 100'000'000;  // that is caught up
constexpr std::uint64_t kSecond = 1'000'000'000;

// A little longer than the limit says.
constexpr Nanoseconds with_margin(std::uint64_t time) {
  return static_cast<Nanoseconds>(time + time / 256 + 1);
}

}  // namespace

Pacer::Pacer(std::uint64_t iops, std::uint64_t bytes_per_second)
    : operation_time_(iops == 0 ? 0 : with_margin(kSecond / iops)),
      bytes_per_second_(bytes_per_second) {}

void Pacer::advance(Nanoseconds now) {
  now_ = std::max(now_, now);
  if (now_ > stalled_until_) stalled_ = 0;
  if (now_ > awake_at_) {
    overslept_ += now_ - awake_at_;
    stalled_for(now_ - awake_at_);
  }
  awake_at_ = kNever;
}

void Pacer::answered() {
  if (now_ > waits_from_) stalled_for(now_ - waits_from_);
  waits_from_ = kNever;
}

// A thread that does not run keeps what was answered meanwhile waiting: it is one stall.
void Pacer::stalled_for(Nanoseconds time) {
  if (time < kStall) return;
  stalled_ = std::max(stalled_, std::min(time, kMostStalled));
  stalled_until_ = now_ + stalled_;
}

Nanoseconds Pacer::next() const { return std::max(next_operation_, next_byte_); }

Nanoseconds Pacer::after(Nanoseconds next, Nanoseconds cost, Nanoseconds idle_credit) const {
  const Nanoseconds late_credit = std::max(std::min(overslept_, kMostRequests * cost), stalled_);
  return std::max(next, now_ - idle_credit - late_credit) + cost;
}

void Pacer::take(std::uint64_t bytes) {
  Nanoseconds behind = 0;  // what is still to be caught up, of either
  if (operation_time_ > 0) {
    next_operation_ =
        after(next_operation_, operation_time_, std::min(kCatchUp, operation_time_ / 8));
    behind = now_ - next_operation_;
  }
  if (bytes_per_second_ > 0) {
    // Requests are of 1 MiB at most: the product fits.
    next_byte_ = after(next_byte_, with_margin(bytes * kSecond / bytes_per_second_), kCatchUp);
    behind = std::max(behind, now_ - next_byte_);
  }
  overslept_ = std::clamp<Nanoseconds>(behind, 0, overslept_);
  stalled_ = std::clamp<Nanoseconds>(behind, 0, stalled_);
}

}  // namespace seqwal
