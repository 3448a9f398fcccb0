// Bugs that were found once, each by the smallest case that shows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::make_body;
using testing_support::ManualHost;
using testing_support::MemoryDevice;
using testing_support::recover_image;

// A trim that was refused while the log closed woke nobody, and the log slept for ever.
TEST(LogRegressionConcurrency, ATrimRefusedWhileTheLogClosesDoesNotStopIt) {
  for (int round = 0; round < 400; ++round) {
    PosixHost host;
    MemoryDevice device(65536);
    ASSERT_TRUE(create_log(device, host, {.capacity_bytes = 65536}));
    auto log = Log::open(device, host, {.blocks = 2, .slots = 16});
    ASSERT_TRUE(log.has_value());
    ASSERT_TRUE((*log)->recover([](const RecoveredRecord&) { return true; }));
    ASSERT_TRUE((*log)->reset());
    device.set_wait_mode(testing_support::WaitMode::blocks);
    LogThread thread(**log, device, host);
    std::atomic<bool> stop{false};
    std::thread trimmer([&] {
      while (!stop) (void)(*log)->trim(Offset{0});
    });
    ASSERT_TRUE((*log)->append(make_body(1, 10), {}));
    ASSERT_TRUE(thread.close());
    stop = true;
    trimmer.join();
  }
}

// The scanner's sums passed 2^63.
TEST(LogRegression, ATrimOffsetNextToTheLastOffsetIsReadWithoutOverflow) {
  for (const std::int64_t trim : {INT64_MAX, INT64_MAX - 1, INT64_MAX - 4095, INT64_MAX - 4096,
                                  INT64_MAX - 65536, INT64_MAX - 200000}) {
    std::vector<std::byte> image(65536);
    encode_wal_header({.capacity_bytes = 65536, .trim = {trim}, .stamp = 1, .window_bytes = 8192},
                      std::span(image).first<kBlockBytes>());
    MemoryDevice device(image);
    ManualHost host;
    auto log = Log::open(device, host, {});
    ASSERT_TRUE(log.has_value());
    EXPECT_TRUE((*log)->recover([](const RecoveredRecord&) { return true; }));
    EXPECT_EQ((*log)->reset().error().code, ErrorCode::offset_exhausted);
    EXPECT_EQ(device.image(), image);
  }
}

// A read that verifies a trim met the block write behind it in flight.
TEST(LogRegression, ATrimJustBeforeABlockWriteInFlightDoesNotReadIt) {
  LogWorld world({});
  const Offset first = world.append(kBlockBytes - kRecordHeaderBytes);
  world.run();
  world.device().set_order(CompletionOrder::held);
  world.append(100);
  world.run();
  ASSERT_EQ(world.device().pending().size(), 1U);
  for (const std::int64_t back : {1, 10, 23, 24}) {
    ASSERT_TRUE(world.trim(first + kBlockBytes - back).has_value());
    world.run();
    EXPECT_EQ(world.trims().back().error().code, ErrorCode::not_a_record);
  }
  world.device().complete_all();
}

// A flush that was in flight when a durable header write failed was believed.
TEST(LogRegression, AFlushIsNotBelievedAfterADurableWriteFailed) {
  LogWorldOptions options;
  options.limits.volatile_cache = true;
  options.limits.durable_write = DurableWrite::flush;
  LogWorld world(options);
  const Offset first = world.append(10);
  world.run();
  world.device().set_order(CompletionOrder::held);
  ASSERT_TRUE(world.trim(first).has_value());
  world.run();
  world.device().complete_all();  // the read
  world.run();                    // now the header write is in flight
  world.append(10);
  world.run();
  ASSERT_EQ(world.device().pending().size(), 2U);
  world.device().complete(1);  // the block write
  world.run();
  ASSERT_EQ(world.device().pending().size(), 2U);
  world.device().fail(0, EIO);  // the header
  world.run();
  world.device().complete(0);  // the flush
  world.run();
  EXPECT_EQ(world.acked(), std::vector{first});
  EXPECT_EQ(world.results().back().status, AppendStatus::indeterminate);
}

// An offline trim gave the block write up although a damaged record stood behind the trimmed one.
// Nothing is trimmed where what follows cannot be told.
TEST(LogRegression, AnOfflineTrimBesideADamagedRecordIsRefused) {
  for (const FormatVersion version : {FormatVersion::v0, FormatVersion::v1}) {
    LogWorldOptions options;
    options.version = version;
    LogWorld world(options);
    const Offset a = world.append(100);
    const Offset b = world.append(9000);
    world.run();
    const Offset c = world.append(100);
    world.close();
    auto image = world.device().image();
    image[Geometry(65536).position(b).value + 5000] ^= std::byte{1};
    MemoryDevice device(image);
    ManualHost host;
    EXPECT_EQ(trim_log(device, host, a).error().code, ErrorCode::damaged);
    EXPECT_EQ(device.image(), image);
    const auto left = recover_image(device.image(), RecoveryMode::standard, true);
    ASSERT_EQ(left.size(), 2U);
    EXPECT_EQ(left[1].offset, c);
  }
}

// Whoever has the plain CRC-32 of a body may pass it in.
TEST(LogRegression, ACallersChecksumMayHaveTheTopBit) {
  LogWorld world({});
  const auto body = make_body(7, 50);
  ASSERT_TRUE(
      world.log().append(body, {}, {.body_checksum = checksum(body) | 0x80000000U}).has_value());
  world.close();
  EXPECT_EQ(recover_image(world.device().image()).size(), 1U);
}

TEST(LogRegression, CloseStopsTheIntakeAtOnce) {
  LogWorld world({});
  world.log().close();
  EXPECT_EQ(world.try_append(10).error().code, ErrorCode::log_closed);
}

TEST(LogRegression, ADeviceOfTooShortTransfersIsRefused) {
  DeviceLimits limits = MemoryDevice::default_limits();
  limits.max_transfer_bytes = 4096;
  MemoryDevice device(65536, limits);
  ManualHost host;
  EXPECT_EQ(create_log(device, host, {.capacity_bytes = 65536}).error().code,
            ErrorCode::unsupported);
  EXPECT_EQ(Log::open(device, host, {}).error().code, ErrorCode::unsupported);
}

// Such a trim offset looks like the end of a block write, and the block with the record's first
// byte was given up: recovery could not step over the record to the next one. (sim/seeds)
TEST(LogRegression, ATrimmedRecordThatBeginsInTheLastByteOfABlockKeepsTheBlock) {
  LogWorld world({.capacity_bytes = kHeaderAreaBytes + 4 * std::uint64_t{kBlockBytes}});
  const Offset first = world.append(kBlockBytes - 1 - kRecordHeaderBytes);
  const Offset trimmed = world.append(1);
  const Offset kept = world.append(1);
  ASSERT_EQ(trimmed, first + (kBlockBytes - 1));
  world.run();
  ASSERT_EQ(world.acked().size(), 3U);
  ASSERT_TRUE(world.trim(trimmed).has_value());
  world.run();
  while (world.try_append(3000).has_value()) world.run();
  const auto recovered = recover_image(world.device().image());
  ASSERT_FALSE(recovered.empty());
  EXPECT_EQ(recovered.front().offset, kept);
}

// --- offline trim, in all its answers

TEST(TrimLog, TrimsARecordAndRefusesEverythingElse) {
  LogWorld world({});
  const Offset a = world.append(100);
  const Offset b = world.append(100);
  world.run();
  const Offset c = world.append(100);
  world.close();
  MemoryDevice device(world.device().image());
  ManualHost host;
  const auto code = [&](Offset offset) { return trim_log(device, host, offset).error().code; };
  EXPECT_EQ(code(a - 1), ErrorCode::below_trim);
  EXPECT_EQ(code(a + 1), ErrorCode::not_a_record);
  EXPECT_EQ(code(c + 124), ErrorCode::not_durable);
  EXPECT_EQ(device.image(), world.device().image());
  EXPECT_EQ(trim_log(device, host, a).value_or(kNoOffset), a);
  EXPECT_EQ(recover_image(device.image()).size(), 2U);
  EXPECT_EQ(trim_log(device, host, b).value_or(kNoOffset), c - 1);
  EXPECT_EQ(recover_image(device.image()).size(), 1U);
  EXPECT_EQ(code(b), ErrorCode::below_trim);
  EXPECT_EQ(trim_log(device, host, c).value_or(kNoOffset), c + 4095);
  EXPECT_TRUE(recover_image(device.image()).empty());
}

TEST(TrimLog, AnUnreadableBlockStopsIt) {
  LogWorld world({});
  const Offset a = world.append(100);
  world.close();
  MemoryDevice device(world.device().image());
  ManualHost host;
  device.add_fault({.kind = IoKind::read, .nth = 3, .os_error = EIO, .persistent = true});
  EXPECT_EQ(trim_log(device, host, a).error().code, ErrorCode::damaged);
}

}  // namespace
}  // namespace seqwal
