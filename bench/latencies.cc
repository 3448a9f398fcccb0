#include "bench/latencies.h"

#include <algorithm>
#include <bit>

namespace seqwal::bench {
namespace {

// Times below 2^kBits have a bucket each; above, the leading kBits bits of a time say which.
constexpr unsigned kBits = 8;
constexpr std::uint64_t kHalf = 1U << (kBits - 1);
constexpr std::uint64_t kLongest = (std::uint64_t{1} << 40U) - 1;

}  // namespace

std::size_t Latencies::bucket_of(std::uint64_t time) {
  const auto width = static_cast<unsigned>(std::bit_width(time));
  const unsigned shift = width > kBits ? width - kBits : 0;
  return shift * kHalf + (time >> shift);
}

std::uint64_t Latencies::last_of(std::size_t bucket) {
  if (bucket < 2 * kHalf) return bucket;
  const std::uint64_t shift = bucket / kHalf - 1;
  const std::uint64_t leading = bucket - shift * kHalf;
  return ((leading + 1) << shift) - 1;
}

Latencies::Latencies() : counts_(bucket_of(kLongest) + 1) {}

void Latencies::record(Nanoseconds time) {
  const auto clamped =
      std::min(static_cast<std::uint64_t>(std::max<Nanoseconds>(time, 0)), kLongest);
  ++counts_[bucket_of(clamped)];
  ++count_;
  sum_ += clamped;
  max_ = std::max(max_, static_cast<Nanoseconds>(clamped));
}

void Latencies::add(const Latencies& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double Latencies::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

Nanoseconds Latencies::percentile(std::uint32_t per_mille) const {
  const std::uint64_t wanted = (count_ * per_mille + 999) / 1000;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted && seen > 0) return std::min(static_cast<Nanoseconds>(last_of(i)), max_);
  }
  return max_;
}

}  // namespace seqwal::bench
