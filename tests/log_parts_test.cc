// The parts of a running log that have no I/O: header store, frontier, buffer, callback.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "core/src/durable_frontier.h"
#include "core/src/header_store.h"
#include "core/src/log_buffer.h"
#include "core/src/trimmer.h"
#include "seqwal/callback.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::make_body;
using testing_support::MemoryDevice;

// --- header store

HeaderState two_slots(Offset trim0, std::int64_t stamp0, Offset trim1, std::int64_t stamp1) {
  HeaderState state;
  const auto slot = [](Offset trim, std::int64_t stamp) {
    return HeaderSlot{.state = SlotState::valid,
                      .header = {.capacity_bytes = 65536,
                                 .trim = trim,
                                 .stamp = stamp,
                                 .window_bytes = 4096 * (stamp + 1)}};
  };
  state.slots = {slot(trim0, stamp0), slot(trim1, stamp1)};
  state.current = stamp1 > stamp0 ? 1 : 0;
  return state;
}

TEST(HeaderStore, TheSmallerTrimAndWindowOfTheTwoSlotsCount) {
  const HeaderStore store(two_slots(Offset{100}, 5, Offset{50}, 6));
  EXPECT_EQ(store.durable_trim(), Offset{50});
  EXPECT_EQ(store.durable_window(), 4096 * 6);
}

TEST(HeaderStore, AnInvalidSlotCountsAsNothing) {
  HeaderState state = two_slots(Offset{100}, 5, Offset{50}, 6);
  state.slots[0].state = SlotState::damaged;
  const HeaderStore store(state);
  EXPECT_EQ(store.durable_trim(), kNoOffset);
  EXPECT_EQ(store.durable_window(), 0);
  EXPECT_TRUE(store.dirty());
}

TEST(HeaderStore, WritesTheOlderSlotFirstThenTheOther) {
  MemoryDevice device(65536);
  HeaderStore store(two_slots(Offset{1}, 5, Offset{1}, 9));
  store.want_trim(TrimTarget::before(Offset{4096}));
  const auto first = store.begin();
  EXPECT_EQ(first.position.value, 0U);
  EXPECT_EQ(decode_wal_header(first.bytes).header.stamp, 10);
  store.complete(true);
  EXPECT_EQ(store.durable_trim(), Offset{1}) << "one slot is not enough";
  const auto second = store.begin();
  EXPECT_EQ(second.position.value, kBlockBytes);
  EXPECT_EQ(decode_wal_header(second.bytes).header.stamp, 11);
  store.complete(true);
  EXPECT_EQ(store.durable_trim(), Offset{4095});
  EXPECT_FALSE(store.dirty());
}

// It may be visible and not on the media, when a failed write of an earlier life left it.
TEST(HeaderStore, WritesWhatCountsOnceMoreBeforeTheOtherIsOverwritten) {
  MemoryDevice device(65536);
  device.add_fault({.kind = IoKind::write, .nth = 2, .os_error = EIO, .persistent = false});
  SyncIo io(device);
  HeaderStore store(two_slots(Offset{1}, 5, Offset{1}, 9));
  store.want_trim(TrimTarget::before(Offset{4096}));
  EXPECT_EQ(store.write_all(io, true), EIO);
  const std::span<const std::byte> image = device.image();
  const HeaderSlot counting = decode_wal_header(image.subspan(kBlockBytes, kBlockBytes));
  EXPECT_EQ(counting.state, SlotState::valid);
  EXPECT_EQ(counting.header, store.state().header());
  EXPECT_EQ(counting.header.stamp, 9);
}

TEST(HeaderStore, DoesNotTouchTheOnlyValidSlot) {
  MemoryDevice device(65536);
  SyncIo io(device);
  HeaderState state = two_slots(Offset{1}, 5, Offset{1}, 9);
  state.slots[0].state = SlotState::damaged;
  HeaderStore store(state);
  device.add_fault({.kind = IoKind::write, .nth = 2, .os_error = EIO, .persistent = false});
  store.want_trim(TrimTarget::before(Offset{4096}));
  EXPECT_EQ(store.write_all(io, true), EIO);
  const std::span<const std::byte> image = device.image();
  EXPECT_EQ(decode_wal_header(image.first(kBlockBytes)).header.stamp, 10);
  EXPECT_NE(decode_wal_header(image.subspan(kBlockBytes, kBlockBytes)).state, SlotState::valid);
}

TEST(HeaderStore, WhatIsWantedMeanwhileGoesIntoTheNextWrite) {
  HeaderStore store(two_slots(Offset{1}, 5, Offset{1}, 9));
  store.want_trim(TrimTarget::at_record(Offset{10}));
  (void)store.begin();
  store.want_trim(TrimTarget::at_record(Offset{20}));
  store.complete(true);
  (void)store.begin();
  store.complete(true);
  EXPECT_EQ(store.durable_trim(), Offset{10});
  EXPECT_TRUE(store.dirty());
  (void)store.begin();
  store.complete(true);
  EXPECT_EQ(store.durable_trim(), Offset{20});
  EXPECT_FALSE(store.dirty());
}

TEST(HeaderStore, AFailedWriteLeavesTheOtherSlotInForce) {
  HeaderStore store(two_slots(Offset{1}, 5, Offset{2}, 9));
  store.want_trim(TrimTarget::at_record(Offset{10}));
  (void)store.begin();
  store.complete(false);
  EXPECT_EQ(store.state().header().trim, Offset{2});
  EXPECT_EQ(store.durable_trim(), kNoOffset);
}

// A record one byte before a boundary: recovery parses it, so its block is kept.
TEST(HeaderStore, WhatRecoveryNeedsGoesWithTheTrimOffset) {
  HeaderStore store(two_slots(Offset{1}, 5, Offset{1}, 9));
  const auto write_both = [&] {
    (void)store.begin();
    store.complete(true);
    const Offset after_one = store.durable_keep();
    (void)store.begin();
    store.complete(true);
    return after_one;
  };
  store.want_trim(TrimTarget::at_record(Offset{8191}));
  EXPECT_EQ(write_both(), kNoOffset);
  EXPECT_EQ(store.durable_keep(), Offset{4096});
  store.want_trim(TrimTarget::before(Offset{12288}));
  EXPECT_EQ(write_both(), Offset{4096}) << "one slot is not enough";
  EXPECT_EQ(store.durable_keep(), Offset{12288});
}

TEST(HeaderStore, TrimsOnlyForward) {
  HeaderStore store(two_slots(Offset{100}, 5, Offset{100}, 6));
  store.want_trim(TrimTarget::at_record(Offset{99}));
  EXPECT_EQ(store.wanted().trim, Offset{100});
  WalHeader header = store.wanted();
  header.trim = Offset{5};
  header.epoch = 77;
  store.want(header);
  EXPECT_EQ(store.wanted().trim, Offset{100});
  EXPECT_EQ(store.wanted().epoch, 77);
}

// --- frontier

TEST(DurableFrontier, AdvancesOverContiguousBlocksOnly) {
  DurableFrontier frontier(false);
  frontier.written(2);
  frontier.written(0);
  EXPECT_TRUE(frontier.advance());
  EXPECT_FALSE(frontier.advance());
  frontier.written(1);
  EXPECT_TRUE(frontier.advance());
  EXPECT_TRUE(frontier.advance());
  EXPECT_FALSE(frontier.advance());
  EXPECT_EQ(frontier.frontier(), 3U);
}

TEST(DurableFrontier, AFlushCoversWhatWasWrittenBeforeItBegan) {
  DurableFrontier frontier(true);
  EXPECT_FALSE(frontier.wants_flush());
  frontier.written(0);
  EXPECT_TRUE(frontier.wants_flush());
  frontier.flush_begins();
  frontier.written(1);
  EXPECT_FALSE(frontier.wants_flush()) << "one at a time";
  frontier.flush_ends();
  EXPECT_TRUE(frontier.advance());
  EXPECT_FALSE(frontier.advance());
  EXPECT_TRUE(frontier.wants_flush());
  frontier.flush_begins();
  frontier.flush_ends();
  EXPECT_TRUE(frontier.advance());
  EXPECT_FALSE(frontier.wants_flush());
}

TEST(DurableFrontier, GoesRoundItsRing) {
  DurableFrontier frontier(false);
  for (std::uint32_t number = 0; number < 1000; ++number) {
    frontier.written(number);
    ASSERT_TRUE(frontier.advance());
  }
}

TEST(DurableFrontierDeathTest, ABlockWrittenTwiceIsCaught) {
  DurableFrontier frontier(false);
  frontier.written(0);
  EXPECT_DEATH(frontier.written(0), "invariant violated");
}

// --- buffer

class LogBufferTest : public ::testing::Test {
 protected:
  LogBufferTest() { buffer.start(Offset{0}, Offset{1 << 20}); }

  Offset append(std::size_t length) {
    AppendCallback callback;
    const auto body = make_body(1, length);
    const std::span<const std::byte> piece = body;
    const auto appended = buffer.append({.pieces = Pieces(&piece, 1),
                                         .body_bytes = static_cast<std::uint32_t>(length),
                                         .body_checksum = checksum(body)},
                                        callback);
    EXPECT_TRUE(appended.has_value());
    return appended.value_or(Appended{}).offset;
  }

  LogBuffer buffer{Geometry((1 << 20) + kHeaderAreaBytes), 4, 16};
};

TEST_F(LogBufferTest, RefusesBeforeStart) {
  LogBuffer fresh(Geometry(65536), 2, 16);
  AppendCallback callback;
  EXPECT_EQ(fresh.append({.pieces = {}, .body_bytes = 5}, callback).error(), Refusal::stopped);
}

TEST_F(LogBufferTest, ABlockIsReadyOnceItIsSealed) {
  append(100);
  EXPECT_TRUE(buffer.has_open_block());
  EXPECT_EQ(buffer.blocks_end(), 1U);
  EXPECT_FALSE(buffer.ready(0).has_value());
  EXPECT_TRUE(buffer.seal());
  EXPECT_FALSE(buffer.seal());
  const auto block = buffer.ready(0);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->records_end, Offset{124});
  EXPECT_EQ(block->end(), Offset{4096});
  EXPECT_EQ(block->end_ticket - block->first_ticket, 1);
}

TEST_F(LogBufferTest, AClaimThatDoesNotFitSealsTheBlockBeforeIt) {
  append(kSoftLimitBytes - 100);
  append(200);
  EXPECT_TRUE(buffer.ready(0).has_value());
  EXPECT_FALSE(buffer.ready(1).has_value());
  EXPECT_EQ(buffer.blocks_end(), 2U);
}

TEST_F(LogBufferTest, BlocksAndSlotsComeBackWhenReleased) {
  for (std::uint32_t round = 0; round < 300; ++round) {  // block numbers pass 256
    const Offset offset = append(100);
    ASSERT_TRUE(buffer.seal());
    const auto block = buffer.ready(round);
    ASSERT_TRUE(block.has_value()) << round;
    EXPECT_EQ(block->start, offset);
    CallbackTask task;
    buffer.take(block->first_ticket, task);
    EXPECT_EQ(task.result.offset, offset);
    buffer.release_block(round, block->records_end);
    buffer.release_tickets(block->end_ticket);
    if (block->end().value > 900 << 10) return;
  }
}

TEST_F(LogBufferTest, StopSealsAndRefuses) {
  append(10);
  buffer.stop();
  EXPECT_TRUE(buffer.ready(0).has_value());
  AppendCallback callback;
  EXPECT_EQ(buffer.append({.pieces = {}, .body_bytes = 5}, callback).error(), Refusal::stopped);
}

// --- trim target

TEST(TrimTarget, IsTheRecordUnlessItIsTheLastOfItsBlockWrite) {
  const auto expect = [](const TrimTarget& target, std::int64_t trim, std::int64_t keep) {
    EXPECT_EQ(target.trim, Offset{trim});
    EXPECT_EQ(target.keep, Offset{keep});
  };
  expect(trim_target(Offset{8192}, Offset{8300}, true), 8192, 8192);
  expect(trim_target(Offset{8192}, Offset{8300}, false), 12287, 12288);
  expect(trim_target(Offset{8192}, Offset{12288}, false), 12287, 12288);
  expect(trim_target(Offset{8300}, Offset{8400}, true), 8300, 8192);
  expect(trim_target(Offset{12287}, Offset{12400}, true), 12287, 8192);
}

// --- callback

TEST(Callback, OwnsWhatItCapturesAndMoves) {
  auto shared = std::make_shared<int>(3);
  {
    Callback<int&> callback = [shared](int& out) { out = *shared; };
    Callback<int&> moved = std::move(callback);
    EXPECT_FALSE(callback);  // NOLINT(bugprone-use-after-move): that is the question
    int out = 0;
    moved(out);
    EXPECT_EQ(out, 3);
    moved = Callback<int&>();
    EXPECT_EQ(shared.use_count(), 1);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(Callback, IsEmptyAndHasReleasedWhatItCapturedOnceItIsConsumed) {
  const auto owned = std::make_shared<int>(0);
  AppendCallback callback = [owned](const AppendResult& result) {
    *owned += static_cast<int>(result.offset.value);
  };
  EXPECT_EQ(owned.use_count(), 2);
  callback.consume({.status = AppendStatus::durable, .offset = {7}});
  EXPECT_EQ(*owned, 7);
  EXPECT_FALSE(callback);
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(Callback, MovesWhatIsBytesAndNoMore) {
  struct Numbers {
    std::array<std::uint64_t, kCallbackStorageBytes / sizeof(std::uint64_t)> values;
    void operator()(std::uint64_t& out) const {
      for (const std::uint64_t value : values) out = out * 10 + value;
    }
  };
  static_assert(sizeof(Numbers) == kCallbackStorageBytes && std::is_trivially_copyable_v<Numbers>);
  Callback<std::uint64_t&> callback = Numbers{{1, 2, 3, 4}};
  Callback<std::uint64_t&> other = Numbers{{5, 6, 7, 8}};
  other = std::move(callback);
  EXPECT_FALSE(callback);  // NOLINT(bugprone-use-after-move): that is the question
  Callback<std::uint64_t&> last(std::move(other));
  std::uint64_t out = 0;
  last(out);
  EXPECT_EQ(out, 1234U);
}

}  // namespace
}  // namespace seqwal
