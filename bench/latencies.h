// Latencies: a histogram of times whose buckets are never wider than 1/128 of what they hold.
//
// One thread writes it; sums are made with add() when that thread is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "seqwal/types.h"

namespace seqwal::bench {

class Latencies {
 public:
  Latencies();

  // Negative times count as 0, times beyond a quarter of an hour as that.
  void record(Nanoseconds time);
  void add(const Latencies& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Nanoseconds max() const { return max_; }
  [[nodiscard]] double mean() const;
  // The time that `per_mille` thousandths of all do not exceed, rounded up to the end of its
  // bucket; 0 when nothing was recorded.
  [[nodiscard]] Nanoseconds percentile(std::uint32_t per_mille) const;

  // --- the buckets, for tests
  [[nodiscard]] static std::size_t bucket_of(std::uint64_t time);
  [[nodiscard]] static std::uint64_t last_of(std::size_t bucket);

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  Nanoseconds max_ = 0;
};

}  // namespace seqwal::bench
