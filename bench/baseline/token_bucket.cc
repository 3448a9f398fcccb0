#include "bench/baseline/token_bucket.h"

#include <algorithm>

namespace seqwal::bench {
namespace {

constexpr std::int64_t kToken = 1'000'000'000;
constexpr Nanoseconds kSecond = 1'000'000'000;

}  // namespace

TokenBucket::TokenBucket(std::uint64_t per_second)
    : per_nanosecond_(static_cast<std::int64_t>(per_second)),
      most_(std::max<std::int64_t>(per_nanosecond_ / 10, 1) * kToken),
      there_(most_) {}

void TokenBucket::refill(Nanoseconds now) {
  // More than a second changes nothing, unless tokens were reserved for longer.
  while (filled_at_ < now && there_ < most_) {
    const Nanoseconds step = std::min(now - filled_at_, kSecond);
    there_ = std::min(there_ + step * per_nanosecond_, most_);
    filled_at_ += step;
  }
  filled_at_ = std::max(filled_at_, now);
}

bool TokenBucket::take_one(Nanoseconds now) {
  if (per_nanosecond_ == 0) return true;
  refill(now);
  if (there_ < kToken) return false;
  there_ -= kToken;
  return true;
}

Nanoseconds TokenBucket::reserve(std::uint64_t tokens, Nanoseconds now) {
  if (per_nanosecond_ == 0) return now;
  refill(now);
  there_ -= static_cast<std::int64_t>(tokens) * kToken;
  return there_ >= 0 ? now : now + (-there_ + per_nanosecond_ - 1) / per_nanosecond_;
}

}  // namespace seqwal::bench
