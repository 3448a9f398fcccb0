#include "bench/latencies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace seqwal::bench {
namespace {

TEST(Latencies, BucketsFollowEachOtherAndAreNarrow) {
  std::uint64_t first = 0;
  for (std::size_t bucket = 0; first < std::uint64_t{1} << 40U; ++bucket) {
    const std::uint64_t last = Latencies::last_of(bucket);
    ASSERT_EQ(Latencies::bucket_of(first), bucket);
    ASSERT_EQ(Latencies::bucket_of(last), bucket);
    ASSERT_LE((last - first) * 128, first + 128);
    first = last + 1;
  }
}

TEST(Latencies, PercentilesAreThoseOfTheSortedList) {
  std::mt19937_64 random(1);
  std::vector<Nanoseconds> times;
  Latencies one;
  Latencies other;
  for (int i = 0; i < 10'000; ++i) {
    times.push_back(static_cast<Nanoseconds>(random() >> (34 + random() % 20)));
    (i % 3 == 0 ? one : other).record(times.back());
  }
  one.add(other);
  std::ranges::sort(times);
  ASSERT_EQ(one.count(), times.size());
  EXPECT_EQ(one.max(), times.back());
  for (const std::uint32_t per_mille : {1U, 500U, 900U, 990U, 999U, 1000U}) {
    const Nanoseconds exact = times[times.size() * per_mille / 1000 - 1];
    EXPECT_GE(one.percentile(per_mille), exact);
    EXPECT_LE(one.percentile(per_mille), exact + exact / 128 + 1);
  }
}

TEST(Latencies, OfNothingAreZero) {
  const Latencies none;
  EXPECT_EQ(none.percentile(500), 0);
  EXPECT_EQ(none.mean(), 0);
  EXPECT_EQ(none.max(), 0);
}

TEST(Latencies, KeepWhatIsOutOfRange) {
  Latencies latencies;
  latencies.record(-5);
  EXPECT_EQ(latencies.percentile(1000), 0);
  latencies.record(kNever);
  EXPECT_EQ(latencies.count(), 2U);
  EXPECT_GT(latencies.percentile(1000), Nanoseconds{900} * 1'000'000'000);
}

}  // namespace
}  // namespace seqwal::bench
