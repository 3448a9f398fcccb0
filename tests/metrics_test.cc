// What a log says about itself.
#include "seqwal/metrics.h"

#include <gtest/gtest.h>

#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;

constexpr Nanoseconds kMillisecond = 1'000'000;

TEST(LatencyHistogram, EveryLatencyIsInOneBucketNotFarFromIt) {
  std::uint32_t last = 0;
  for (Nanoseconds latency = 0; latency < Nanoseconds{1} << 40U; latency += 1 + latency / 7) {
    const std::uint32_t bucket = LatencyHistogram::bucket_of(latency);
    EXPECT_GE(bucket, last);
    last = bucket;
    EXPECT_GE(LatencyHistogram::upper_bound(bucket), latency);
    EXPECT_LE(LatencyHistogram::upper_bound(bucket), latency + latency / 4);
    if (bucket > 0) {
      EXPECT_LT(LatencyHistogram::upper_bound(bucket - 1), latency);
    }
  }
  EXPECT_EQ(LatencyHistogram::bucket_of(kNever), LatencyHistogram::kBuckets - 1);
  EXPECT_EQ(LatencyHistogram::bucket_of(-1), 0U);
}

TEST(LatencyHistogram, Percentiles) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), 0);
  for (int i = 0; i < 99; ++i) ++histogram.counts.at(LatencyHistogram::bucket_of(1000));
  ++histogram.counts.at(LatencyHistogram::bucket_of(1'000'000));
  EXPECT_EQ(histogram.total(), 100U);
  EXPECT_EQ(histogram.percentile(0.5), histogram.percentile(0.99));
  EXPECT_GE(histogram.percentile(0.5), 1000);
  EXPECT_LE(histogram.percentile(0.5), 1250);
  EXPECT_GE(histogram.percentile(1), 1'000'000);
}

// The table of bounds for 2800 operations, 120 MiB/s and a quarter of a millisecond.
TEST(Bound, IsTheBestThatAnyLogCouldDo) {
  struct Case {
    double record;
    double clients;
    double rate;
  };
  for (const Case& c : {Case{128, 8, 22'400}, Case{128, 64, 179'200}, Case{1024, 8, 22'400},
                        Case{1024, 32, 89'600}, Case{1024, 64, 119'626}, Case{4096, 8, 22'400},
                        Case{4096, 16, 28'912}, Case{4096, 32, 29'789}, Case{4096, 64, 30'247},
                        Case{16'384, 8, 7'447}, Case{16'384, 16, 7'561}, Case{16'384, 64, 7'650}}) {
    EXPECT_NEAR(best_records_per_second(c.clients, c.record + kRecordHeaderBytes, 2800,
                                        120.0 * 1024 * 1024, kMillisecond / 4),
                c.rate, 1)
        << c.record << " bytes, " << c.clients << " clients";
  }
  EXPECT_NEAR(best_records_per_second(10, 1000, 0, 0, kMillisecond), 10'000, 0.1);
}

TEST(LogMetrics, CountWhatWasDone) {
  LogWorld world({});
  EXPECT_EQ(world.log().metrics().state, LogState::running);
  const Offset first = world.append(100);
  world.append(200);
  world.run();
  world.append(5000);
  world.run();
  ASSERT_TRUE(world.trim(first));
  world.run();
  const LogMetrics metrics = world.log().metrics();
  EXPECT_EQ(metrics.records, 3U);
  EXPECT_EQ(metrics.record_bytes, 100U + 200 + 5000 + 3 * kRecordHeaderBytes);
  EXPECT_EQ(metrics.block_writes, 2U);
  EXPECT_EQ(metrics.block_bytes, 3U * kBlockBytes);
  EXPECT_EQ(metrics.writes, 2U);
  EXPECT_EQ(metrics.header_writes, 2U);
  EXPECT_GE(metrics.trim_reads, 1U);
  EXPECT_EQ(metrics.flushes, 0U);
  EXPECT_EQ(metrics.in_flight, 0U);
  EXPECT_EQ(metrics.blocks_used, 0U);
  EXPECT_EQ(metrics.slots_used, 0U);
  EXPECT_EQ(metrics.trim_lag_bytes, 0);
  EXPECT_EQ(metrics.ring_bytes, (64 << 10) - 8192);
  EXPECT_EQ(metrics.write_latency.total(), 2U);
  EXPECT_EQ(metrics.durable_latency.total(), 2U);
  EXPECT_EQ(metrics.order_tax(), 1);
  world.close();
  EXPECT_EQ(world.log().metrics().state, LogState::closed);
}

TEST(LogMetrics, OrderHasAPriceAndItIsMeasured) {
  LogWorldOptions options;
  options.log.depth = 2;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  for (int i = 0; i < 2; ++i) {
    world.append(10);
    world.poll();
  }
  EXPECT_EQ(world.log().metrics().in_flight, 2U);
  world.host.advance(kMillisecond);
  world.device().complete(1);
  world.poll();
  world.host.advance(kMillisecond);
  world.device().complete(0);
  world.poll();
  const LogMetrics metrics = world.log().metrics();
  EXPECT_EQ(metrics.out_of_order, 1U);
  EXPECT_EQ(metrics.longest_overtaking, 1U);
  EXPECT_EQ(metrics.written_time, 3 * kMillisecond);
  EXPECT_EQ(metrics.durable_time, 4 * kMillisecond);
  EXPECT_DOUBLE_EQ(metrics.order_tax(), 4.0 / 3);
  world.device().set_order(CompletionOrder::in_order);
}

// Four appends share a write that takes all of the time that the limit leaves for it; then as long
// a time passes with nothing to do after each.
TEST(LogMetrics, EfficiencyIsThroughputBesideTheBound) {
  LogWorldOptions options;
  options.capacity_bytes = 4 << 20;
  options.log.iops = 1000;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  const auto share_a_write = [&](Nanoseconds idle) {
    for (int i = 0; i < 4; ++i) world.append(100);
    world.poll();
    ASSERT_EQ(world.log().metrics().in_flight, 1U);
    world.host.advance(kMillisecond + kMillisecond / 250);  // the pacer stays below the limit
    world.device().complete(0);
    world.poll();
    world.host.advance(idle);
  };
  share_a_write(0);
  EXPECT_EQ(efficiency({}, {}), 0);
  const LogMetrics begin = world.log().metrics();
  for (int i = 0; i < 100; ++i) share_a_write(0);
  const LogMetrics busy = world.log().metrics();
  EXPECT_NEAR((busy.append_seconds - begin.append_seconds) * 1000, 4 * 100.4, 4);
  EXPECT_NEAR(efficiency(begin, busy), 1, .02);
  for (int i = 0; i < 100; ++i) share_a_write(kMillisecond);
  const LogMetrics idle = world.log().metrics();
  EXPECT_LT(efficiency(busy, idle), .8);  // fewer than four at a time could have done that
  EXPECT_GT(efficiency(busy, idle), .4);
  world.device().set_order(CompletionOrder::in_order);
}

// Callbacks that run elsewhere come back together: few wait on average, many share a write.
TEST(LogMetrics, EfficiencyIsAtMostOneForClientsThatComeTogether) {
  LogMetrics to;
  to.records = 32'000;
  to.record_bytes = to.records * 1048;
  to.block_writes = 1000;
  to.append_seconds = 20;
  to.time = 1'000'000'000;
  to.latency = 100'000;
  to.iops = 1000;
  EXPECT_NEAR(efficiency({}, to), 1, 1e-9);
}

TEST(LogMetrics, EfficiencyIsOnlyKnownBesideLimits) {
  LogWorld world({});
  world.append(100);
  world.host.advance(kMillisecond);
  world.run();
  world.host.advance(kMillisecond);
  world.poll();
  EXPECT_GT(world.log().metrics().records, 0U);
  EXPECT_EQ(efficiency({}, world.log().metrics()), 0);
}

}  // namespace
}  // namespace seqwal
