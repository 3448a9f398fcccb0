// The log as a user sees it, step by step on a device in memory.
#include "seqwal/log.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "seqwal/geometry.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::recover_image;
using testing_support::Recovered;

std::vector<Offset> offsets(const std::vector<Recovered>& records) {
  std::vector<Offset> result;
  for (const Recovered& record : records) result.push_back(record.offset);
  return result;
}

TEST(Log, FirstRecordStandsWhereTheReferencePutsIt) {
  LogWorld world({.capacity_bytes = 65536});
  EXPECT_EQ(world.start(), Offset{65536});
  EXPECT_EQ(world.append(100), Offset{65536});
}

TEST(Log, RecordsOfOneBlockWriteArePackedBackToBack) {
  LogWorld world({});
  const Offset first = world.append(100);
  EXPECT_EQ(world.append(200), first + 124);
  EXPECT_EQ(world.append(1), first + 124 + 224);
}

TEST(Log, TheNextBlockWriteStartsAtTheBoundaryAfterTheEndOfTheLast) {
  LogWorld world({});
  const Offset first = world.append(4073);  // 4097 with its header
  world.run();
  EXPECT_EQ(world.append(10), first + 8192);
}

TEST(Log, ABlockWriteIsNotMergedBeyondTheSoftLimit) {
  LogWorld world({.capacity_bytes = 4 << 20});
  const Offset first = world.append(kSoftLimitBytes - 2 * kRecordHeaderBytes - 10);
  EXPECT_EQ(world.append(10), first + (kSoftLimitBytes - kRecordHeaderBytes - 10));
  EXPECT_EQ(world.append(1), first + kSoftLimitBytes);
}

TEST(Log, ARecordAboveTheSoftLimitGoesAlone) {
  LogWorld world({.capacity_bytes = 4 << 20});
  const Offset small = world.append(10);
  const Offset large = world.append(300 << 10);
  EXPECT_EQ(large, small + 4096);
  const Offset next = world.append(10);
  EXPECT_EQ(next, large + round_up_to_block(std::int64_t{(300 << 10) + 24}));
  world.close();
  EXPECT_EQ(offsets(recover_image(world.device().image())),
            (std::vector<Offset>{small, large, next}));
  EXPECT_EQ(recover_image(world.device().image())[1].body, world.appended().at(large));
}

TEST(Log, CallbacksRunInOffsetOrderWhateverTheDeviceDoes) {
  LogWorld world({});
  world.device().set_order(CompletionOrder::held);
  std::vector<Offset> expected;
  for (int i = 0; i < 4; ++i) {
    expected.push_back(world.append(100));
    world.poll();  // one block write each
  }
  ASSERT_EQ(world.device().pending().size(), 4U);
  for (const std::size_t index : {3U, 1U, 1U}) {
    world.device().complete(index);
    world.run();
    EXPECT_TRUE(world.results().empty());
    EXPECT_EQ(world.log().durable(), world.start());
  }
  world.device().complete(0);
  world.run();
  EXPECT_EQ(world.acked(), expected);
  EXPECT_EQ(world.log().durable(), expected.back() + 124);
}

TEST(Log, WhatWaitsKeepsMergingUntilASlotIsFree) {
  LogWorld world({.log = {.blocks = 8, .slots = 1024, .depth = 1}});
  world.device().set_order(CompletionOrder::held);
  world.append(100);
  world.poll();
  for (int i = 0; i < 20; ++i) {
    world.append(100);
    world.poll();
  }
  ASSERT_EQ(world.device().pending().size(), 1U);
  world.device().complete_all();
  world.run();
  ASSERT_EQ(world.device().pending().size(), 1U);
  EXPECT_EQ(world.device().pending()[0].length_bytes, 4096U);
}

// From `end` on, up to the boundary at `next`: zeroes, and evidence of the block write at `begin`
// where it has room.
void expect_fill(std::span<const std::byte> image, std::ptrdiff_t begin, std::ptrdiff_t end,
                 std::ptrdiff_t next) {
  const auto fill =
      image.subspan(static_cast<std::size_t>(end), static_cast<std::size_t>(next - end));
  const bool has_room = fill.size() >= kBlockEvidenceBytes;
  const auto zeroes = fill.first(fill.size() - (has_room ? kBlockEvidenceBytes : 0));
  EXPECT_TRUE(std::ranges::all_of(zeroes, [](std::byte b) { return b == std::byte{0}; }));
  if (!has_room) return;
  const auto evidence = decode_block_evidence(fill.last<kBlockEvidenceBytes>());
  ASSERT_TRUE(evidence.has_value());
  EXPECT_EQ(evidence->length_bytes, next - begin);
  EXPECT_EQ(evidence->records_bytes, end - begin);
}

TEST(Log, BlockFillIsZeroOrEvidence) {
  LogWorld world({});
  world.append(5000);
  world.run();
  world.append(10);  // reuses no memory yet, but the fill of both must be zero
  world.run();
  const auto& image = world.device().image();
  const auto at = static_cast<std::ptrdiff_t>(Geometry(65536).position(world.start()).value);
  expect_fill(image, at, at + 5024, at + 8192);
  expect_fill(image, at + 8192, at + 8192 + 34, at + 12288);
}

TEST(Log, BlockFillIsZeroOrEvidenceWhereBlockMemoryIsReused) {
  LogWorld world({.capacity_bytes = 1 << 20, .log = {.blocks = 2, .slots = 64}});
  for (int i = 0; i < 10; ++i) {
    world.append(i % 2 == 0 ? 4000 : 10);
    world.run();
  }
  const auto& image = world.device().image();
  for (const auto& [offset, body] : world.appended()) {
    const auto at = static_cast<std::ptrdiff_t>(Geometry(1 << 20).position(offset).value);
    const auto end = at + kRecordHeaderBytes + std::ssize(body);
    expect_fill(image, at, end, at + 4096);
  }
}

TEST(Log, AppendRefusesEmptyAndOversizedBodies) {
  LogWorld world({.capacity_bytes = 16384});
  EXPECT_EQ(world.try_append(0).error().code, ErrorCode::bad_length);
  EXPECT_EQ(world.log().max_body_bytes(), 8192U - 24U);
  EXPECT_EQ(world.try_append(8192 - 23).error().code, ErrorCode::bad_length);
  EXPECT_TRUE(world.try_append(8192 - 24).has_value());
}

TEST(Log, ACallersChecksumIsTaken) {
  LogWorld world({});
  const auto body = testing_support::make_body(7, 50);
  ASSERT_TRUE(world.log().append(body, {}, {.body_checksum = checksum(body)}).has_value());
  ASSERT_TRUE(world.log()
                  .append(body, {}, {.body_checksum = 0x12345})
                  .has_value());  // a lie stays the caller's
  world.close();
  const auto records = recover_image(world.device().image(), RecoveryMode::standard, true);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].body, body);
}

TEST(Log, NothingRunsBeforeReset) {
  LogWorldOptions options;
  LogWorld made(options);
  made.close();
  LogWorld world(made.device().image(), options, false);
  const auto body = testing_support::make_body(1, 10);
  EXPECT_EQ(world.log().append(body, {}).error().code, ErrorCode::wrong_state);
  EXPECT_EQ(world.log().trim(Offset{70000}).error().code, ErrorCode::wrong_state);
  ASSERT_TRUE(world.log().reset().has_value());
  EXPECT_EQ(world.log().reset().error().code, ErrorCode::wrong_state);
  EXPECT_EQ(world.log().recover([](const auto&) { return true; }).error().code,
            ErrorCode::wrong_state);
  world.close();
}

TEST(Log, ResetNeedsACompletedRecovery) {
  LogWorldOptions options;
  LogWorld made(options);
  made.append(10);
  made.close();
  testing_support::MemoryDevice device(made.device().image());
  testing_support::ManualHost host;
  auto log = Log::open(device, host, options.log);
  ASSERT_TRUE(log.has_value());
  EXPECT_EQ((*log)->reset().error().code, ErrorCode::wrong_state);
  ASSERT_TRUE((*log)->recover([](const auto&) { return false; }).has_value());
  EXPECT_EQ((*log)->reset().error().code, ErrorCode::wrong_state);
}

TEST(Log, OpenAndRecoverWriteNothing) {
  LogWorldOptions options;
  LogWorld made(options);
  made.append(10);
  made.run();
  made.kill();
  const auto image = made.device().image();
  LogWorld world(image, options, false);
  EXPECT_EQ(world.found().size(), 1U);
  EXPECT_EQ(world.device().image(), image);
  EXPECT_EQ(world.device().counts().writes, 0U);
}

TEST(Log, ResetJumpsAWholeCapacityAndForgetsWhatWasThere) {
  LogWorldOptions options;
  LogWorld made(options);
  made.append(10);
  made.append(20);
  made.close();
  LogWorld world(made.device().image(), options);
  EXPECT_EQ(world.found().size(), 2U);
  EXPECT_EQ(world.start(), made.start() - 1 + 65536 + 1);
  EXPECT_TRUE(recover_image(world.device().image()).empty());
}

TEST(Log, BothHeadersAreAlikeAfterAGracefulClose) {
  LogWorld world({});
  const Offset offset = world.append(10);
  world.run();
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  world.close();
  testing_support::MemoryDevice device(world.device().image());
  testing_support::ManualHost host;
  auto found = read_headers(device, host);
  ASSERT_TRUE(found.has_value());
  WalHeader a = found->slots[0].header;
  WalHeader b = found->slots[1].header;
  EXPECT_EQ(std::abs(a.stamp - b.stamp), 1);
  a.stamp = b.stamp;
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.shutdown, ShutdownType::graceful);
}

TEST(Log, TheHeaderSaysUngracefulWhileItRuns) {
  LogWorld world({});
  world.append(10);
  world.run();
  testing_support::MemoryDevice device(world.device().image());
  testing_support::ManualHost host;
  auto found = read_headers(device, host);
  ASSERT_TRUE(found.has_value());
  for (const HeaderSlot& slot : found->slots) {
    EXPECT_EQ(slot.header.shutdown, ShutdownType::ungraceful);
  }
}

TEST(Log, MetadataIsKeptAndCanBeChangedAtReset) {
  LogWorldOptions options;
  LogWorld made(options);
  made.close();
  LogWorld world(made.device().image(), options, false);
  ASSERT_TRUE(world.log().reset({.node_id = 7, .epoch = -9}).has_value());
  world.close();
  LogWorld again(world.device().image(), options);
  EXPECT_EQ(again.log().headers().header().node_id, 7);
  EXPECT_EQ(again.log().headers().header().epoch, -9);
}

TEST(Log, ALogBecomesVersion1AtResetAndGoesBack) {
  LogWorldOptions v0;
  LogWorldOptions v1;
  v1.version = FormatVersion::v1;
  LogWorld made(v0);
  made.append(10);
  made.close();
  LogWorld upgraded(made.device().image(), v1);
  EXPECT_EQ(upgraded.found().size(), 1U);
  upgraded.append(20);
  upgraded.close();
  EXPECT_EQ(upgraded.log().headers().header().version, FormatVersion::v1);
  LogWorld back(upgraded.device().image(), v0);
  EXPECT_EQ(back.found().size(), 1U);
  EXPECT_EQ(back.log().headers().header().version, FormatVersion::v0);
}

TEST(Log, CloseFinishesWhatWasAppendedAndRefusesMore) {
  LogWorld world({});
  for (int i = 0; i < 50; ++i) world.append(100);
  world.log().close();
  world.poll();
  EXPECT_EQ(world.try_append(10).error().code, ErrorCode::log_closed);
  EXPECT_EQ(world.log().trim(world.start()).error().code, ErrorCode::log_closed);
  world.close();
  EXPECT_EQ(world.acked().size(), 50U);
  EXPECT_EQ(recover_image(world.device().image()).size(), 50U);
}

TEST(Log, CallbacksMayAppendTrimAndClose) {
  LogWorld world({});
  Log& log = world.log();
  int chained = 0;
  const auto body = testing_support::make_body(3, 30);
  Offset first;
  const auto offset = log.append(body, [&](const AppendResult& result) {
    first = result.offset;
    EXPECT_TRUE(log.append(body,
                           [&](const AppendResult& inner) {
                             ++chained;
                             EXPECT_TRUE(log.trim(first).has_value());
                             EXPECT_EQ(log.append_wait(body, {}).has_value(), true);
                             EXPECT_GT(inner.offset, first);
                             log.close();
                           })
                    .has_value());
  });
  ASSERT_TRUE(offset.has_value());
  world.run();
  EXPECT_EQ(chained, 1);
  EXPECT_TRUE(log.finished());
}

TEST(Log, ABlockingAppendOnThePollingThreadAnswersWouldBlock) {
  LogWorld world({.log = {.blocks = 2, .slots = 16}});
  world.device().set_order(CompletionOrder::held);
  world.poll();
  for (int i = 0; i < 16; ++i) world.append(10);
  const auto body = testing_support::make_body(1, 10);
  EXPECT_EQ(world.log().append_wait(body, {}).error().code, ErrorCode::would_block);
  world.device().set_order(CompletionOrder::in_order);
}

TEST(Log, NoSlotAndNoBlockAnswerWouldBlock) {
  LogWorld slots({.log = {.blocks = 8, .slots = 16}});
  for (int i = 0; i < 16; ++i) slots.append(1);
  EXPECT_EQ(slots.try_append(1).error().code, ErrorCode::would_block);
  slots.run();
  EXPECT_TRUE(slots.try_append(1).has_value());

  LogWorld blocks({.capacity_bytes = 4 << 20, .log = {.blocks = 2, .slots = 1024}});
  blocks.append(200 << 10);
  blocks.append(200 << 10);
  EXPECT_EQ(blocks.try_append(200 << 10).error().code, ErrorCode::would_block);
  blocks.run();
  EXPECT_TRUE(blocks.try_append(200 << 10).has_value());
}

TEST(Log, OneByteRecordsRoundTrip) {
  for (const FormatVersion version : {FormatVersion::v0, FormatVersion::v1}) {
    LogWorld world({.capacity_bytes = 1 << 20, .version = version});
    for (int i = 0; i < 900; ++i) world.append(1);
    world.close();
    const auto records = recover_image(world.device().image());
    ASSERT_EQ(records.size(), 900U);
    for (const Recovered& record : records) {
      EXPECT_EQ(record.body, world.appended().at(record.offset));
    }
  }
}

TEST(Log, SlicesOfALongRecordMayCompleteInAnyOrder) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    LogWorld world({.capacity_bytes = 8 << 20});
    world.device().set_order(CompletionOrder::shuffled, seed);
    world.append(100);
    const Offset large = world.append((3 << 20) + 5);
    world.append(100);
    world.run();
    EXPECT_EQ(world.acked().size(), 3U);
    world.device().set_order(CompletionOrder::in_order);
    world.close();
    const auto records = recover_image(world.device().image());
    ASSERT_EQ(records.size(), 3U);
    EXPECT_EQ(records[1].body, world.appended().at(large));
  }
}

TEST(Log, EventsTellTheStory) {
  LogWorld world({});
  const Offset offset = world.append(10);
  world.run();
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  world.close();
  for (const EventKind kind : {EventKind::opened, EventKind::recovered, EventKind::reset,
                               EventKind::trimmed, EventKind::closed}) {
    EXPECT_EQ(world.events.count(kind), 1U) << to_string(kind);
  }
}

}  // namespace
}  // namespace seqwal
