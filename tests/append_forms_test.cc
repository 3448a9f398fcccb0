// The other ways to append: gathered, in batches, made in place, awaited; and waiting for what is
// durable.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <coroutine>
#include <numeric>

#include "seqwal/awaitable.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::make_body;
using testing_support::recover_image;
using testing_support::Recovered;

LogWorldOptions large() {
  LogWorldOptions options;
  options.capacity_bytes = 8 << 20;
  return options;
}

std::vector<std::span<const std::byte>> cut(std::span<const std::byte> body,
                                            std::initializer_list<std::size_t> sizes) {
  std::vector<std::span<const std::byte>> pieces;
  for (const std::size_t size : sizes) {
    pieces.push_back(body.first(size));
    body = body.subspan(size);
  }
  pieces.push_back(body);
  return pieces;
}

TEST(AppendGather, PiecesMakeOneBodyWhateverItsLength) {
  LogWorld world(large());
  std::vector<std::vector<std::byte>> bodies;
  std::vector<std::vector<std::span<const std::byte>>> pieces;
  for (const std::size_t length : {10U, 5000U, 262'120U, 262'121U, 700'000U}) {
    bodies.push_back(make_body(length, length));
    pieces.push_back(cut(bodies.back(), {3, 0, length / 3}));
  }
  bodies.push_back(make_body(1, 20));
  pieces.push_back({bodies.back()});
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    while (!world.log().append_gather(pieces[i], {})) world.run();
  }
  world.close();
  const std::vector<Recovered> found = recover_image(world.device().image());
  ASSERT_EQ(found.size(), bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(found[i].body, bodies[i]) << i;
}

TEST(AppendGather, NothingIsNoBody) {
  LogWorld world({});
  EXPECT_EQ(world.log().append_gather({}, {}).error().code, ErrorCode::bad_length);
  const std::array<std::span<const std::byte>, 2> empty;
  EXPECT_EQ(world.log().append_gather(empty, {}).error().code, ErrorCode::bad_length);
}

TEST(Append, AChecksumOfTheCallersIsBelieved) {
  LogWorld world({});
  const auto body = make_body(1, 100);
  ASSERT_TRUE(world.log().append(body, {}, {.body_checksum = checksum(body) | 0x80000000}));
  ASSERT_TRUE(world.log().append(body, {}, {.body_checksum = checksum(body) ^ 1}));
  world.close();
  EXPECT_EQ(recover_image(world.device().image(), RecoveryMode::standard, true).size(), 1U);
}

TEST(AppendBatch, AcceptsFromTheFrontAndSaysWhyNotTheRest) {
  LogWorldOptions options;
  options.log.slots = 16;
  LogWorld world(options);
  std::vector<Offset> called;
  std::vector<std::vector<std::byte>> bodies;
  std::vector<BatchRecord> batch;
  for (std::size_t i = 0; i < 20; ++i) {
    bodies.push_back(make_body(i, 50 + i));
    batch.push_back({.body = bodies.back(),
                     .callback = [&](const AppendResult& told) { called.push_back(told.offset); },
                     .options = {}});
  }
  BatchResult result = world.log().append_batch(batch);
  EXPECT_EQ(result.accepted, 16U);
  EXPECT_EQ(result.refused, ErrorCode::would_block);
  EXPECT_TRUE(batch[15].offset > batch[14].offset);
  EXPECT_EQ(batch[16].offset, kNoOffset);
  EXPECT_TRUE(batch[16].callback);  // the caller's still
  world.run();
  result = world.log().append_batch(std::span(batch).subspan(16));
  EXPECT_EQ(result.accepted, 4U);
  EXPECT_FALSE(result.refused.has_value());
  world.run();
  ASSERT_EQ(called.size(), 20U);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(called[i], batch[i].offset);
  EXPECT_TRUE(std::ranges::is_sorted(called));
}

TEST(Reserve, WhatIsPublishedIsARecordLikeOthers) {
  LogWorld world(large());
  const Offset before = world.append(100);
  const auto body = make_body(7, kSoftLimitBytes - kRecordHeaderBytes);
  auto full = world.log().reserve(body.size());
  auto part = world.log().reserve(1000);
  ASSERT_TRUE(full && part);
  std::ranges::copy(body, full->body().begin());
  std::ranges::copy(std::span(body).first(10), part->body().begin());
  std::vector<Offset> called;
  const auto note = [&](const AppendResult& told) { called.push_back(told.offset); };
  const Offset first = *full->publish(body.size(), note);
  EXPECT_FALSE(*full);
  const Offset second = *part->publish(10, note);
  const Offset after = world.append(100);
  EXPECT_EQ(first, before + kBlockBytes);
  EXPECT_EQ(second, first + kSoftLimitBytes);
  EXPECT_EQ(after, second + kBlockBytes);
  world.close();
  EXPECT_EQ(called, (std::vector{first, second}));
  const std::vector<Recovered> found = recover_image(world.device().image());
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[1].body, body);
  EXPECT_EQ(found[2].body, std::vector(body.begin(), body.begin() + 10));
}

TEST(Reserve, WhatIsAbandonedLeavesNothingAndHoldsUpNobody) {
  LogWorld world({});
  {
    const auto abandoned = world.log().reserve(5000);
    ASSERT_TRUE(abandoned);
    std::ranges::fill(abandoned->body(), std::byte{0xAB});
    const Offset first = world.append(10);
    world.run();
    EXPECT_EQ(world.acked(), std::vector{first});
  }
  const Offset second = world.append(10);
  EXPECT_EQ(second, world.start() + kBlockBytes);
  world.close();
  EXPECT_EQ(recover_image(world.device().image()).size(), 2U);
}

TEST(Reserve, MemoryIsBoundedAndComesBackWithTheCallback) {
  LogWorldOptions options;
  options.log.reservations = 2;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  auto one = world.log().reserve(10);
  auto two = world.log().reserve(10);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(world.log().reserve(10).error().code, ErrorCode::would_block);
  ASSERT_TRUE(one->publish(10, {}));
  world.run();
  EXPECT_EQ(world.log().reserve(10).error().code, ErrorCode::would_block);  // being written
  world.device().complete_all();
  world.run();
  auto three = world.log().reserve(10);
  EXPECT_TRUE(three);
  two->abandon();
  EXPECT_TRUE(world.log().reserve(10));
  *three = Reservation();
  world.device().set_order(CompletionOrder::in_order);
}

TEST(Reserve, ARefusedOneStaysAndMayBePublishedLater) {
  LogWorldOptions options;
  options.log.slots = 16;
  LogWorld world(options);
  for (int i = 0; i < 16; ++i) world.append(1);
  auto reservation = world.log().reserve(10);
  ASSERT_TRUE(reservation);
  EXPECT_EQ(reservation->publish(10, {}).error().code, ErrorCode::would_block);
  EXPECT_TRUE(*reservation);
  EXPECT_EQ(reservation->publish(0, {}).error().code, ErrorCode::bad_length);
  world.run();
  EXPECT_TRUE(reservation->publish(10, {}));
  EXPECT_FALSE(*reservation);
  world.run();
  EXPECT_EQ(world.log().reserve(0).error().code, ErrorCode::bad_length);
  EXPECT_EQ(world.log().reserve(kSoftLimitBytes).error().code, ErrorCode::bad_length);
}

TEST(LongRecords, SmallOnesGoOnBesideThem) {
  LogWorldOptions options = large();
  options.log.depth = 4;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  world.append(2 << 20);
  world.append(10);
  world.poll();
  // Two slices of the long one in flight, and the small one.
  EXPECT_EQ(world.device().pending().size(), 3U);
  world.device().set_order(CompletionOrder::in_order);
  world.device().complete_all();
  world.run();
  EXPECT_EQ(world.acked().size(), 2U);
}

// --- waiting

TEST(WaitDurable, ReturnsWhenTheRecordIsDurable) {
  LogWorld world({});
  const Offset first = world.append(10);
  int parks = 0;
  world.host.on_park([&] {
    ++parks;
    world.poll();
  });
  // Another thread than the one that polls would wait; here the park polls.
  EXPECT_TRUE(world.log().wait_durable(first));
  EXPECT_GE(parks, 1);
  EXPECT_GT(world.log().durable(), first);
  EXPECT_TRUE(world.log().wait_durable(first));
}

TEST(WaitDurable, EndsWithItsTimeWithTheLogAndOnTheThreadThatPolls) {
  LogWorld world({});
  world.host.on_park([&] { world.host.advance(100); });
  const Offset first = world.append(10);
  EXPECT_EQ(world.log().wait_durable(first, 1000).error().code, ErrorCode::would_block);
  world.poll();
  EXPECT_EQ(world.log().wait_durable(first + 100'000).error().code, ErrorCode::would_block);
  world.close();
  EXPECT_TRUE(world.log().wait_durable(first));
  EXPECT_EQ(world.log().wait_durable(first + 100'000).error().code, ErrorCode::log_closed);
}

TEST(WaitDurable, AFailedLogSaysSo) {
  LogWorld world({});
  const Offset first = world.append(10);
  world.run();
  world.device().add_fault({.kind = IoKind::write});
  const Offset second = world.append(10);
  world.run();
  EXPECT_TRUE(world.log().wait_durable(first));
  EXPECT_EQ(world.log().wait_durable(second).error().code, ErrorCode::log_failed);
}

// --- coroutines

// Starts at once, and nobody waits for its end.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};

Detached append_three(Log& log, std::vector<Offset>& told, std::optional<ErrorCode>& refused) {
  const auto body = make_body(3, 30);
  for (int i = 0; i < 3; ++i) {
    const Result<AppendResult> result = co_await append_async(log, body);
    if (!result) {
      refused = result.error().code;
      co_return;
    }
    told.push_back(result->offset);
  }
}

TEST(AppendAsync, ACoroutineGoesOnWhenItsRecordIsDurable) {
  LogWorld world({});
  std::vector<Offset> told;
  std::optional<ErrorCode> refused;
  append_three(world.log(), told, refused);
  EXPECT_TRUE(told.empty());
  world.run();
  EXPECT_EQ(told.size(), 3U);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_FALSE(refused.has_value());
}

TEST(AppendAsync, ARefusedAppendDoesNotSuspend) {
  LogWorld world({});
  world.close();
  std::vector<Offset> told;
  std::optional<ErrorCode> refused;
  append_three(world.log(), told, refused);
  EXPECT_EQ(refused, ErrorCode::log_closed);
}

}  // namespace
}  // namespace seqwal
