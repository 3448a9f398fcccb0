// The theoretical bound, against values that were computed elsewhere.
#include "bench/bound.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace seqwal::bench {
namespace {

constexpr Volume kVolume{
    .writes_per_second = 2800, .bytes_per_second = 120.0 * (1 << 20), .latency_s = 0.25e-3};

struct Row {
  std::uint64_t record_bytes;
  std::array<double, 4> records_per_second;  // with 8, 16, 32, 64 in flight
  std::array<double, 4> mean_latency_us;
};

constexpr std::array<std::uint64_t, 4> kInFlight = {8, 16, 32, 64};

// The table cuts records off and rounds latencies.
TEST(Bound, OfAThrottledVolumeIsWhatTheTableSays) {
  constexpr std::array<Row, 4> kTable = {{
      {128, {22400, 44800, 89600, 179200}, {357, 357, 357, 357}},
      {1024, {22400, 44800, 89600, 119626}, {357, 357, 357, 535}},
      {4096, {22400, 28912, 29789, 30247}, {357, 553, 1074, 2116}},
      {16384, {7447, 7561, 7620, 7650}, {1074, 2116, 4199, 8366}},
  }};
  for (const Row& row : kTable) {
    for (std::size_t i = 0; i < kInFlight.size(); ++i) {
      SCOPED_TRACE(fmt::format("{} in flight, {} bytes", kInFlight.at(i), row.record_bytes));
      const Bound bound = bound_of(kVolume, kInFlight.at(i), row.record_bytes);
      EXPECT_EQ(std::floor(bound.records_per_second), row.records_per_second.at(i));
      EXPECT_EQ(std::round(bound.mean_latency_s * 1e6), row.mean_latency_us.at(i));
    }
  }
}

TEST(Bound, OfOneClientIsTheLatency) {
  const Bound bound =
      bound_of({.writes_per_second = 1e9, .bytes_per_second = 1e12, .latency_s = 1e-3}, 1, 1024);
  EXPECT_DOUBLE_EQ(bound.records_per_second, 1000);
  EXPECT_DOUBLE_EQ(bound.mean_latency_s, 1e-3);
}

// Any mixture of two sizes that keeps the limits is a witness that the bound is not too low.
TEST(Bound, IsNotExceededByAnyMixture) {
  const auto bytes = [](std::uint64_t records) {
    return std::ceil(static_cast<double>(records * (1024 + 24)) / 4096) * 4096;
  };
  const double best = bound_of(kVolume, 64, 1024).records_per_second;
  double found = 0;
  for (std::uint64_t first = 1; first <= 64; ++first) {
    for (std::uint64_t second = 1; second <= 64; ++second) {
      for (double share = 0; share <= 1; share += 1.0 / 64) {
        const double mean = share * bytes(first) + (1 - share) * bytes(second);
        const double writes = std::min(kVolume.writes_per_second, kVolume.bytes_per_second / mean);
        found = std::max(found, writes * (share * static_cast<double>(first) +
                                          (1 - share) * static_cast<double>(second)));
      }
    }
  }
  EXPECT_LE(found, best * (1 + 1e-9));
  EXPECT_GT(found, best * 0.999);
}

}  // namespace
}  // namespace seqwal::bench
