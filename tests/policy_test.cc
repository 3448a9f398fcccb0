// When a block write goes: pacing, depth, and the wait for clients that return.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "core/src/depth_control.h"
#include "core/src/pacer.h"
#include "core/src/plug.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;

constexpr Nanoseconds kMicrosecond = 1'000;
constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kSecond = 1'000'000'000;

// --- Pacer --------------------------------------------------------------------------------------

TEST(Pacer, WithoutLimitsItIsAlwaysReady) {
  Pacer pacer(0, 0);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(pacer.ready());
    pacer.take(1 << 20);
  }
}

// Whoever asks early or late, and however much goes at a time: no interval sees more than its
// share and one request.
RC_GTEST_PROP(Pacer, NoIntervalSeesMoreThanItsShare, ()) {
  const auto iops = *rc::gen::inRange<std::uint64_t>(1, 100'000);
  const auto bytes_per_second = *rc::gen::inRange<std::uint64_t>(4096, std::uint64_t{1} << 30U);
  Pacer pacer(iops, bytes_per_second);
  struct Request {
    Nanoseconds at;
    std::uint64_t bytes;
  };
  std::vector<Request> requests;
  Nanoseconds now = *rc::gen::inRange<Nanoseconds>(0, kSecond);
  for (int i = 0; i < 40; ++i) {
    pacer.advance(now);
    if (!pacer.ready()) {
      RC_ASSERT(pacer.next() > now);
      now = pacer.next() + *rc::gen::element<Nanoseconds>(0, 10, 20 * kMicrosecond, kMillisecond);
      continue;
    }
    const auto bytes = 4096 * *rc::gen::inRange<std::uint64_t>(0, 65);
    pacer.take(bytes);
    requests.push_back({now, bytes});
    now += *rc::gen::element<Nanoseconds>(0, 10, 20 * kMicrosecond, kMillisecond);
  }
  constexpr Nanoseconds kCatchUp = 50 * kMicrosecond;
  for (std::size_t first = 0; first < requests.size(); ++first) {
    std::uint64_t bytes = 0;
    for (std::size_t last = first; last < requests.size(); ++last) {
      const auto time = static_cast<std::uint64_t>(requests[last].at - requests[first].at);
      RC_ASSERT((last - first) * kSecond <= (time + kSecond / iops / 8 + 1) * iops);
      RC_ASSERT(bytes * kSecond <= (time + kCatchUp) * bytes_per_second);
      bytes += requests[last].bytes;
    }
  }
}

// The thread that polls sleeps until it may go on, and is woken `late` each time.
int requests_in_a_second(Nanoseconds late, bool told) {
  Pacer pacer(1'000, 0);
  Nanoseconds now = 0;
  int requests = 0;
  while (now < kSecond) {
    pacer.advance(now);
    while (pacer.ready()) {
      pacer.take(4096);
      ++requests;
    }
    if (told) pacer.sleeps_until(pacer.next());
    now = pacer.next() + late;
  }
  return requests;
}

TEST(Pacer, WhoIsALittleLateCatchesUp) {
  EXPECT_GE(requests_in_a_second(30 * kMicrosecond, false), 990);
  EXPECT_LE(requests_in_a_second(30 * kMicrosecond, false), 1001);
}

TEST(Pacer, WhoIsWokenLateCatchesUp) {
  EXPECT_GE(requests_in_a_second(700 * kMicrosecond, true), 990);
  EXPECT_LE(requests_in_a_second(700 * kMicrosecond, true), 1001);
  EXPECT_LE(requests_in_a_second(700 * kMicrosecond, false), 610);  // had nothing to write
}

// A wait of so long for which the device is to blame, after one request. Then requests go as they
// may, one each `step`, until the pacer is not ready: how many more than in so much time without.
std::int64_t caught_up(Nanoseconds wait, Nanoseconds step) {
  Pacer pacer(1'000, 100 << 20);
  pacer.advance(kSecond);
  pacer.take(4096);
  pacer.waits_from(pacer.next());
  const Nanoseconds begin = pacer.next() + wait;
  Nanoseconds now = begin;
  std::int64_t requests = 0;
  while (true) {
    pacer.advance(now);
    pacer.answered();
    if (!pacer.ready()) break;
    pacer.take(4096);
    ++requests;
    now += step;
  }
  return requests - 1 - (now - begin) / kMillisecond;
}

TEST(Pacer, AStallIsCaughtUp) {
  EXPECT_THAT(caught_up(30 * kMillisecond, 0), testing::AllOf(testing::Ge(29), testing::Le(31)));
  EXPECT_THAT(caught_up(30 * kMillisecond, 100 * kMicrosecond),
              testing::AllOf(testing::Ge(28), testing::Le(31)));
}

TEST(Pacer, NotMoreThanATenthOfASecondOfIt) {
  EXPECT_THAT(caught_up(kSecond, 0), testing::AllOf(testing::Ge(99), testing::Le(101)));
}

TEST(Pacer, WhatIsNotCaughtUpInAsMuchTimeIsGivenUp) {
  EXPECT_THAT(caught_up(30 * kMillisecond, 900 * kMicrosecond),
              testing::AllOf(testing::Ge(2), testing::Le(5)));
}

// Some requests take longer than others: who made up for that would be ahead of the volume.
TEST(Pacer, AWaitThatIsNoStallIsNotCaughtUp) { EXPECT_EQ(caught_up(4 * kMillisecond, 0), 0); }

TEST(Pacer, AThreadThatDoesNotRunIsAStallToo) {
  Pacer pacer(1'000, 100 << 20);
  pacer.advance(kSecond);
  pacer.take(4096);
  pacer.sleeps_until(pacer.next());
  pacer.advance(pacer.next() + 4 * kMillisecond);
  int requests = 0;
  for (; pacer.ready(); ++requests) pacer.take(4096);
  EXPECT_EQ(requests, 3);  // the one that is due, and two
  pacer.sleeps_until(pacer.next());
  pacer.advance(pacer.next() + 20 * kMillisecond);
  for (requests = 0; pacer.ready(); ++requests) pacer.take(4096);
  EXPECT_THAT(requests, testing::AllOf(testing::Ge(20), testing::Le(21)));
}

// --- DepthControl -------------------------------------------------------------------------------

TEST(DepthControl, AFixedDepthStays) {
  DepthControl control(7, 2800);
  for (int i = 1; i < 1000; ++i) control.completed(i * kMillisecond, kMillisecond, 4096);
  EXPECT_EQ(control.depth(), 7U);
}

TEST(DepthControl, WithALimitItIsRateTimesLatency) {
  struct Case {
    std::uint64_t iops;
    Nanoseconds latency;
    std::uint32_t depth;
  };
  for (const Case& c : {Case{2'800, 250 * kMicrosecond, 1}, Case{3'000, kMillisecond, 3},
                        Case{16'000, 500 * kMicrosecond, 8}, Case{100'000, kMillisecond, 32}}) {
    DepthControl control(0, c.iops);
    EXPECT_EQ(control.depth(), 1U);
    for (int i = 1; i <= 64; ++i) control.completed(i * kMillisecond, c.latency, 4096);
    EXPECT_EQ(control.depth(), c.depth);
    EXPECT_EQ(control.latency(), c.latency);
  }
}

// A device that takes `parallel` writes at once, each `latency` long; more of them queue.
std::uint32_t settled_depth(std::uint32_t parallel, Nanoseconds latency) {
  DepthControl control(0, 0);
  Nanoseconds now = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint32_t depth = control.depth();
    control.saturated();
    now += latency / std::min(depth, parallel);
    control.completed(now, latency * std::max(depth, parallel) / parallel, 4096);
  }
  return control.depth();
}

TEST(DepthControl, WithoutALimitItGrowsToWhatTheDeviceTakesAtOnce) {
  EXPECT_EQ(settled_depth(8, 100 * kMicrosecond), 9U);  // one more is felt to be too many
  EXPECT_EQ(settled_depth(1000, 100 * kMicrosecond), DepthControl::kMost);
}

TEST(DepthControl, WithoutALimitItShrinksWhereDepthOnlyQueues) {
  DepthControl control(0, 0);
  Nanoseconds now = 0;
  const auto run = [&](Nanoseconds latency, int count) {
    for (int i = 0; i < count; ++i) control.completed(now += kMillisecond, latency, 4096);
  };
  run(kMillisecond, 64);
  EXPECT_EQ(control.depth(), 4U);  // never saturated
  run(2 * kMillisecond, 64);
  EXPECT_LT(control.depth(), 4U);
  run(2 * kMillisecond, 3200);
  EXPECT_GE(control.depth(), 1U);
}

// --- Plug ---------------------------------------------------------------------------------------

TEST(Plug, HoldsUntilEverybodyIsBackOrTheTimeIsUp) {
  Plug plug;
  EXPECT_FALSE(plug.holds(0, 0));
  plug.acknowledged(65534, 4, 100);
  EXPECT_TRUE(plug.holds(65534, 0));
  EXPECT_TRUE(plug.holds(1, 99));
  EXPECT_EQ(plug.target(), 2);
  EXPECT_FALSE(plug.holds(2, 99));
  EXPECT_FALSE(plug.holds(2, 99));

  plug.acknowledged(2, 4, 200);
  EXPECT_TRUE(plug.holds(5, 199));
  EXPECT_FALSE(plug.holds(5, 200));
}

TEST(Plug, FurtherAcknowledgementsRaiseTheTargetAndNotTheTime) {
  Plug plug;
  plug.acknowledged(10, 4, 100);
  plug.acknowledged(12, 3, 150);
  EXPECT_EQ(plug.target(), 17);
  EXPECT_EQ(plug.until(), 100);
}

TEST(Plug, WhereClientsDoNotReturnItIsLeftOutMoreAndMore) {
  Plug plug;
  int held = 0;
  for (int i = 0; i < 10'000; ++i) {
    plug.acknowledged(0, 10, 100);
    if (plug.holds(1, 0)) ++held;
    EXPECT_FALSE(plug.holds(1, 100));
  }
  EXPECT_LE(held, 100);
  EXPECT_GE(held, 10'000 / 129);
  // And is back when they do.
  for (int i = 0; i < 200; ++i) {
    plug.acknowledged(0, 10, 100);
    (void)plug.holds(10, 0);
  }
  plug.acknowledged(0, 10, 100);
  EXPECT_TRUE(plug.holds(9, 0));
}

// --- the log ------------------------------------------------------------------------------------

LogWorldOptions paced(std::uint64_t iops, std::uint64_t bytes_per_second = 0) {
  LogWorldOptions options;
  options.capacity_bytes = 4 << 20;
  options.log.iops = iops;
  options.log.bytes_per_second = bytes_per_second;
  return options;
}

// How long the log waits for the pacer; it runs again then.
Nanoseconds run_when_paced(LogWorld& world) {
  const Nanoseconds now = world.host.now();
  const Nanoseconds next = world.log().poll(now);
  world.host.set(next);
  world.run();
  return next - now;
}

TEST(LogPolicy, WhatWaitsForThePacerKeepsMerging) {
  LogWorld world(paced(1'000));
  world.append(10);
  world.run();
  EXPECT_EQ(world.acked().size(), 1U);
  const std::uint64_t writes = world.device().counts().writes;
  for (int i = 0; i < 20; ++i) {
    world.append(10);
    world.run();
  }
  EXPECT_EQ(world.device().counts().writes, writes);
  const Nanoseconds waited = run_when_paced(world);
  EXPECT_GT(waited, 0);
  EXPECT_LE(waited, kMillisecond * 11 / 10);
  EXPECT_EQ(world.device().counts().writes, writes + 1);
  EXPECT_EQ(world.acked().size(), 21U);
}

TEST(LogPolicy, HeadersAndBlockWritesShareOneBucket) {
  LogWorld world(paced(1'000));
  Offset newest = world.append(10);
  world.run();
  const std::uint64_t before = world.device().counts().writes;
  const Nanoseconds begin = world.host.now();
  for (int i = 0; i < 200; ++i) {
    if (world.log().durable() > newest) {
      (void)world.trim(newest);
      newest = world.append(100);
    }
    world.host.advance(250 * kMicrosecond);
    world.poll();
  }
  for (int i = 0; i < 200; ++i) {
    world.host.advance(kMillisecond);
    world.poll();
  }
  EXPECT_FALSE(world.trims().empty());
  const auto elapsed = static_cast<std::uint64_t>((world.host.now() - begin) / kMillisecond);
  EXPECT_LE(world.device().counts().writes - before, elapsed + 1);
}

TEST(LogPolicy, BytesAreCountedToo) {
  LogWorld world(paced(0, 1 << 20));
  world.append(100 << 10);
  world.run();
  world.append(10);
  world.run();
  EXPECT_EQ(world.acked().size(), 1U);
  EXPECT_GE(run_when_paced(world), 90 * kMillisecond);
  EXPECT_EQ(world.acked().size(), 2U);
}

LogWorldOptions at_depth(std::uint32_t depth, std::uint64_t capacity_bytes = 64 << 10) {
  LogWorldOptions options;
  options.capacity_bytes = capacity_bytes;
  options.log.depth = depth;
  return options;
}

// Nothing completes before the test says so.
class HeldWorld : public LogWorld {
 public:
  explicit HeldWorld(const LogWorldOptions& options) : LogWorld(options) {
    device().set_order(CompletionOrder::held);
  }
};

// Four writes in flight, each of them a client's, come back one after the other.
TEST(LogPolicy, ABlockWriteWaitsForTheClientsThatWereCalledBack) {
  HeldWorld world(at_depth(1));
  const auto complete = [&] {
    world.host.advance(kMillisecond);
    world.device().complete_all();
    world.poll();
  };
  world.append(10);
  world.poll();
  world.append(10);
  world.append(10);
  complete();  // the first; the two others wait for its client
  EXPECT_TRUE(world.device().pending().empty());
  EXPECT_EQ(world.log().poll(world.host.now()), world.host.now() + 60 * kMicrosecond);
  world.append(10);
  world.poll();
  EXPECT_EQ(world.device().pending().size(), 1U);
  complete();
  EXPECT_EQ(world.acked().size(), 4U);
  // Nobody returns: what comes later waits until the time is up, and no longer.
  world.append(10);
  world.poll();
  EXPECT_TRUE(world.device().pending().empty());
  world.host.advance(60 * kMicrosecond);
  world.poll();
  EXPECT_EQ(world.device().pending().size(), 1U);
}

TEST(LogPolicy, ABacklogThatFillsABlockIsSubmittedBeforeCallbacksRun) {
  HeldWorld world(at_depth(1, 4 << 20));
  std::size_t in_flight = 0;
  ASSERT_TRUE(world.log().append(testing_support::make_body(1, 10), [&](const AppendResult&) {
    in_flight = world.device().pending().size();
  }));
  world.poll();
  for (int i = 0; i < 3; ++i) world.append(100 << 10);  // two fill a block, the third begins one
  world.device().complete_all();
  world.poll();
  EXPECT_EQ(in_flight, 1U);
}

TEST(LogPolicy, TrimsShareAHeaderWriteWhileBlockWritesGoOut) {
  HeldWorld world(at_depth(1, 16 << 20));
  std::uint64_t headers = 0;
  std::uint64_t blocks = 0;
  world.append(10);
  world.poll();
  for (int i = 0; i < 400; ++i) {
    // One always in flight when the next is appended: the log never rests.
    world.append(10);
    world.device().complete_all();
    world.poll();
    if (i % 4 == 3) {
      EXPECT_TRUE(world.trim(world.acked().back()));
    }
    for (const auto& io : world.device().pending()) {
      if (io.kind != IoKind::write) continue;
      (io.position.value < kHeaderAreaBytes ? headers : blocks) += 1;
    }
  }
  EXPECT_GE(headers, 4U);
  EXPECT_LE(headers, blocks / 16);
}

TEST(LogPolicy, WhereAFlushMakesDurableItCoversAWave) {
  LogWorldOptions options = at_depth(3);
  options.limits.volatile_cache = true;
  options.limits.durable_write = DurableWrite::flush;
  HeldWorld world(options);
  for (int i = 0; i < 3; ++i) {
    world.append(10);
    world.poll();
  }
  ASSERT_EQ(world.device().pending().size(), 3U);
  world.device().complete(1);
  world.append(10);
  world.poll();
  EXPECT_EQ(world.device().pending().size(), 2U);  // the next wave waits, and so does the flush
  world.device().complete_all();
  world.poll();
  ASSERT_EQ(world.device().pending().size(), 2U);  // the flush, and the next wave beside it
  EXPECT_EQ(world.device().pending().front().kind, IoKind::flush);
  world.device().complete_all();
  world.poll();
  EXPECT_EQ(world.acked().size(), 3U);
}

}  // namespace
}  // namespace seqwal
