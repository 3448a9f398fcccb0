// What happens when the device fails for good: ordered, final, and honest about what may survive.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "seqwal/log.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::recover_image;

std::vector<AppendStatus> statuses(const LogWorld& world) {
  std::vector<AppendStatus> result;
  for (const AppendResult& r : world.results()) result.push_back(r.status);
  return result;
}

void expect_offset_order(const LogWorld& world) {
  EXPECT_TRUE(std::ranges::is_sorted(world.results(), {}, &AppendResult::offset));
}

constexpr AppendStatus kDurable = AppendStatus::durable;
constexpr AppendStatus kRejected = AppendStatus::rejected;
constexpr AppendStatus kIndeterminate = AppendStatus::indeterminate;

// Five block writes of one record each, of which the device holds the first four (depth 4).
void submit_four_and_leave_one(LogWorld& world) {
  world.device().set_order(CompletionOrder::held);
  for (int i = 0; i < 5; ++i) {
    world.append(100);
    world.poll();
  }
  ASSERT_EQ(world.device().pending().size(), 4U);
}

TEST(LogFailure, EverythingFromTheFailedWriteOnFailsInOrder) {
  LogWorld world({});
  submit_four_and_leave_one(world);
  world.device().complete(3);
  world.device().complete(2);
  world.device().fail(1, EIO);
  world.run();
  EXPECT_TRUE(world.results().empty()) << "the first is still in flight";
  world.device().complete(0);
  world.run();
  EXPECT_EQ(statuses(world),
            (std::vector{kDurable, kIndeterminate, kIndeterminate, kIndeterminate, kRejected}));
  expect_offset_order(world);
  ASSERT_TRUE(world.log().failure().has_value());
  EXPECT_EQ(world.log().failure()->os_error, EIO);
  EXPECT_EQ(world.log().failure()->offset, world.start() + 4096);
}

TEST(LogFailure, ALaterFailureOfAnEarlierWriteMovesTheLineForward) {
  LogWorld world({});
  submit_four_and_leave_one(world);
  world.device().fail(2, EIO);
  world.run();
  world.device().complete(2);
  world.device().complete(1);
  world.device().fail(0, EIO);
  world.run();
  EXPECT_EQ(statuses(world), (std::vector{kIndeterminate, kIndeterminate, kIndeterminate,
                                          kIndeterminate, kRejected}));
}

TEST(LogFailure, AFailedLogRefusesEverythingAndStillCloses) {
  LogWorld world({});
  const Offset offset = world.append(10);
  world.run();
  world.device().add_fault({.kind = IoKind::write, .os_error = ENOSPC});
  world.append(10);
  world.run();
  EXPECT_EQ(world.try_append(10).error().code, ErrorCode::log_failed);
  EXPECT_EQ(world.log().trim(offset).error().code, ErrorCode::log_failed);
  EXPECT_EQ(world.log().append_wait(testing_support::make_body(1, 5), {}).error().code,
            ErrorCode::log_failed);
  EXPECT_FALSE(world.log().finished());
  world.close();
  EXPECT_EQ(world.events.count(EventKind::failed), 1U);
  EXPECT_EQ(world.log().headers().header().shutdown, ShutdownType::ungraceful);
  EXPECT_EQ(recover_image(world.device().image()).size(), 1U);
}

TEST(LogFailure, CallbacksOfAFailureMayAppendAndAreRefused) {
  LogWorld world({});
  int refused = 0;
  const auto body = testing_support::make_body(1, 10);
  world.device().add_fault({.kind = IoKind::write});
  ASSERT_TRUE(world.log()
                  .append(body,
                          [&](const AppendResult& result) {
                            EXPECT_EQ(result.status, kIndeterminate);
                            EXPECT_EQ(world.log().append(body, {}).error().code,
                                      ErrorCode::log_failed);
                            ++refused;
                          })
                  .has_value());
  world.run();
  EXPECT_EQ(refused, 1);
}

TEST(LogFailure, AFailedHeaderWriteFailsTheLogAndThePendingTrim) {
  LogWorld world({});
  const Offset offset = world.append(10);
  world.run();
  world.device().add_fault({.kind = IoKind::write, .os_error = EIO});
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  ASSERT_EQ(world.trims().size(), 1U);
  EXPECT_EQ(world.trims()[0].error().code, ErrorCode::log_failed);
  EXPECT_EQ(world.log().trimmed(), world.start() - 1);
  EXPECT_EQ(recover_image(world.device().durable_image()).size(), 1U);
}

TEST(LogFailure, AReadErrorRefusesATrimAndNothingElse) {
  LogWorld world({});
  const Offset offset = world.append(10);
  world.run();
  world.device().add_fault({.kind = IoKind::read, .os_error = EIO});
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  EXPECT_EQ(world.trims().at(0).error().code, ErrorCode::io_error);
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  EXPECT_TRUE(world.trims().at(1).has_value());
  EXPECT_TRUE(world.try_append(10).has_value());
}

LogWorldOptions with_cache(DurableWrite durable_write) {
  LogWorldOptions options;
  options.limits.volatile_cache = true;
  options.limits.durable_write = durable_write;
  return options;
}

TEST(LogDurability, WithACacheNothingIsAcknowledgedBeforeAFlushCoversIt) {
  LogWorld world(with_cache(DurableWrite::flush));
  world.device().set_order(CompletionOrder::held);
  const Offset first = world.append(10);
  world.run();
  world.device().complete_all();
  world.run();
  EXPECT_TRUE(world.results().empty());
  ASSERT_EQ(world.device().pending().size(), 1U);
  EXPECT_EQ(world.device().pending()[0].kind, IoKind::flush);
  // Written while the flush is in flight: only the next flush covers it.
  world.append(10);
  world.run();
  ASSERT_EQ(world.device().pending().size(), 2U);
  world.device().complete(1);
  world.run();
  world.device().complete(0);
  world.run();
  EXPECT_EQ(world.acked(), std::vector{first});
  EXPECT_EQ(recover_image(world.device().durable_image()).size(), 1U);
  world.device().complete_all();
  world.run();
  EXPECT_EQ(world.acked().size(), 2U);
}

TEST(LogDurability, OneFlushCoversAWaveOfWrites) {
  LogWorld world(with_cache(DurableWrite::flush));
  world.device().set_order(CompletionOrder::held);
  for (int i = 0; i < 4; ++i) {
    world.append(10);
    world.poll();
  }
  world.device().complete_all();
  const auto flushes = world.device().counts().flushes;
  world.run();
  world.device().complete_all();
  world.run();
  EXPECT_EQ(world.acked().size(), 4U);
  EXPECT_EQ(world.device().counts().flushes, flushes + 1);
}

TEST(LogDurability, AFailedFlushIsFinalAndNothingItCoveredIsAcknowledged) {
  LogWorld world(with_cache(DurableWrite::flush));
  world.device().set_order(CompletionOrder::held);
  world.append(10);
  world.run();
  world.device().complete_all();
  world.run();
  world.device().fail(0, EIO);
  world.run();
  EXPECT_EQ(statuses(world), std::vector{kIndeterminate});
  const auto flushes = world.device().counts().flushes;
  world.close();
  EXPECT_EQ(world.device().counts().flushes, flushes) << "a failed flush must not be tried again";
}

TEST(LogDurability, WithWriteThroughEveryBlockWriteIsADurableWrite) {
  LogWorld world(with_cache(DurableWrite::fua));
  const auto before = world.device().counts();
  for (int i = 0; i < 3; ++i) {
    world.append(10);
    world.run();
  }
  EXPECT_EQ(world.device().counts().durable_writes - before.durable_writes, 3U);
  EXPECT_EQ(world.device().counts().flushes, before.flushes);
  EXPECT_EQ(recover_image(world.device().durable_image()).size(), 3U);
}

TEST(LogDurability, DsyncIsForcedAndNoneIsPlain) {
  LogWorldOptions dsync;
  dsync.log.durability = Durability::dsync;
  LogWorld forced(dsync);
  const auto before = forced.device().counts();
  forced.append(10);
  forced.run();
  EXPECT_EQ(forced.device().counts().durable_writes - before.durable_writes, 1U);

  LogWorldOptions none = with_cache(DurableWrite::flush);
  none.log.durability = Durability::none;
  LogWorld plain(none);
  const auto start = plain.device().counts();
  plain.append(10);
  plain.run();
  EXPECT_EQ(plain.acked().size(), 1U);
  EXPECT_EQ(plain.device().counts().durable_writes, start.durable_writes);
  EXPECT_EQ(plain.device().counts().flushes, start.flushes);
}

// --- header slots -----------------------------------------------------------------------------

// Breaks one slot of the image in every way, and recovers.
void expect_recoverable_without_slot(const std::vector<std::byte>& image, std::uint32_t slot,
                                     LogWorld& world) {
  for (const std::byte mask : {std::byte{0x01}, std::byte{0xFF}}) {
    auto broken = image;
    for (std::size_t i = 0; i < kWalHeaderBytes; ++i) {
      broken[slot * kBlockBytes + i] ^= mask;
    }
    std::vector<Offset> found;
    for (const auto& record : recover_image(broken)) found.push_back(record.offset);
    for (const Offset offset : world.acked()) {
      if (offset > world.trim_asked()) {
        EXPECT_NE(std::ranges::find(found, offset), found.end()) << "slot " << slot;
      }
    }
    for (const Offset offset : found) EXPECT_TRUE(world.appended().contains(offset));
  }
}

TEST(LogHeaders, OneSlotMayBeLostAtEveryMoment) {
  LogWorldOptions options;
  options.log.window_bytes = 4096;
  options.log.window_step_bytes = 4096;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  std::vector<Offset> live;
  for (int step = 0; step < 120; ++step) {
    if (const auto offset = world.try_append(step % 5 == 0 ? 9000 : 700)) live.push_back(*offset);
    if (step % 9 == 8 && live.front() < world.log().durable()) {
      (void)world.trim(live.front());
      live.erase(live.begin());
    }
    world.run();
    const auto pending = world.device().pending();
    if (!pending.empty()) world.device().complete(static_cast<std::size_t>(step) % pending.size());
    // A slot whose write is in flight is lost by a crash anyway; any other one may rot.
    for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
      const bool other_in_flight = std::ranges::any_of(pending, [&](const auto& io) {
        return io.position.value == (1 - slot) * std::uint64_t{kBlockBytes};
      });
      if (!other_in_flight) {
        expect_recoverable_without_slot(world.device().durable_image(), slot, world);
      }
    }
  }
  EXPECT_GT(world.events.count(EventKind::trimmed), 2U);
  EXPECT_GT(world.events.count(EventKind::window_grown), 1U);
}

TEST(LogHeaders, StampsGrowByOneAndSlotsTakeTurns) {
  LogWorld world({});
  std::int64_t last = world.log().headers().header().stamp;
  std::uint32_t slot = world.log().headers().current;
  for (int i = 0; i < 6; ++i) {
    const Offset offset = world.append(10);
    world.run();
    ASSERT_TRUE(world.trim(offset).has_value());
    world.run();
    const HeaderState& state = world.log().headers();
    EXPECT_EQ(state.header().stamp, last + 2);
    EXPECT_EQ(state.current, slot);
    EXPECT_EQ(state.slots.at(1 - slot).header.stamp, last + 1);
    last += 2;
  }
}

TEST(LogHeaders, BothBrokenIsRefusedAndNothingIsReformatted) {
  LogWorld made({});
  made.append(10);
  made.close();
  auto image = made.device().image();
  image[20] ^= std::byte{1};
  image[kBlockBytes + 20] ^= std::byte{1};
  testing_support::MemoryDevice device(image);
  testing_support::ManualHost host;
  EXPECT_EQ(Log::open(device, host, {}).error().code, ErrorCode::headers_damaged);
  EXPECT_EQ(Recovery::open(device, host, {}).error().code, ErrorCode::headers_damaged);
  EXPECT_EQ(create_log(device, host, {.capacity_bytes = 65536}).error().code,
            ErrorCode::already_exists);
  EXPECT_EQ(trim_log(device, host, Offset{65536}).error().code, ErrorCode::headers_damaged);
  EXPECT_EQ(device.image(), image);
}

// A fault at every device operation of a life: nothing acknowledged is lost, nothing hangs.
TEST(LogFailure, AnErrorAtEveryWriteAndFlushOfALifeLosesNothingAcknowledged) {
  for (const DurableWrite durable_write :
       {DurableWrite::free, DurableWrite::fua, DurableWrite::flush}) {
    for (const IoKind kind : {IoKind::write, IoKind::flush}) {
      for (std::uint64_t nth = 1; nth <= 40; ++nth) {
        for (const bool persistent : {false, true}) {
          LogWorldOptions options;
          options.limits.volatile_cache = durable_write != DurableWrite::free;
          options.limits.durable_write = durable_write;
          LogWorld world(options);
          world.device().add_fault(
              {.kind = kind, .nth = nth, .landed_bytes = nth % 3 * 512, .persistent = persistent});
          world.device().set_order(CompletionOrder::shuffled, nth);
          std::vector<Offset> live;
          for (int step = 0; step < 40; ++step) {
            if (const auto offset = world.try_append(step % 4 == 0 ? 6000 : 300)) {
              live.push_back(*offset);
            }
            if (step % 2 == 0) world.run();
            if (step % 6 == 5 && !live.empty()) (void)world.trim(live.front());
          }
          world.close();
          EXPECT_EQ(world.results().size(), world.appended().size());
          expect_offset_order(world);
          const auto records = recover_image(world.device().durable_image());
          for (const Offset offset : world.acked()) {
            if (offset <= world.trim_asked()) continue;
            EXPECT_TRUE(std::ranges::any_of(records, [&](const auto& record) {
              return record.offset == offset && record.body == world.appended().at(offset);
            }));
          }
          for (const auto& record : records) {
            const auto result =
                std::ranges::find(world.results(), record.offset, &AppendResult::offset);
            ASSERT_NE(result, world.results().end());
            EXPECT_NE(result->status, kRejected);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace seqwal
