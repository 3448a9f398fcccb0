// What a log does about a device that does not answer: it fails as a whole at its deadline, waits
// for nothing any more, and keeps its memory until the device gave it back.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "seqwal/log.h"
#include "tests/support/child.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::in_child;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::make_body;
using testing_support::ManualHost;
using testing_support::MemoryDevice;
using testing_support::recover_image;

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kDeadline = 30 * kSecond;
constexpr AppendStatus kDurable = AppendStatus::durable;
constexpr AppendStatus kRejected = AppendStatus::rejected;
constexpr AppendStatus kIndeterminate = AppendStatus::indeterminate;

std::vector<AppendStatus> statuses(const LogWorld& world) {
  std::vector<AppendStatus> result;
  for (const AppendResult& r : world.results()) result.push_back(r.status);
  return result;
}

// Sleeps as the loop around poll does: until poll wants to be called again, and no longer.
void let_pass(LogWorld& world, Nanoseconds time) {
  const Nanoseconds end = world.host.now() + time;
  while (world.host.now() < end && !world.log().finished()) {
    const Nanoseconds next = world.log().poll(world.host.now());
    world.host.set(std::clamp(next, world.host.now(), end));
  }
  world.run();
}

// Five block writes of one record each, of which the device holds the first four (depth 4).
void submit_four_and_leave_one(LogWorld& world) {
  world.device().set_order(CompletionOrder::held);
  for (int i = 0; i < 5; ++i) {
    world.append(100);
    world.poll();
  }
  ASSERT_EQ(world.device().pending().size(), 4U);
}

void expect_timed_out(LogWorld& world, Offset offset) {
  ASSERT_TRUE(world.log().failure().has_value());
  EXPECT_EQ(world.log().failure()->code, ErrorCode::log_failed);
  EXPECT_EQ(world.log().failure()->os_error, ETIMEDOUT);
  EXPECT_EQ(world.log().failure()->offset, offset);
  EXPECT_EQ(world.events.count(EventKind::failed), 1U);
}

TEST(LogDeadline, AHungWriteFailsTheLogAndNothingIsWaitedFor) {
  LogWorld world({});
  submit_four_and_leave_one(world);
  world.device().complete(2);
  world.device().complete(0);
  let_pass(world, kDeadline - 1);
  EXPECT_EQ(statuses(world), std::vector{kDurable});
  EXPECT_FALSE(world.log().failure().has_value());
  let_pass(world, 1);
  EXPECT_EQ(statuses(world),
            (std::vector{kDurable, kIndeterminate, kIndeterminate, kIndeterminate, kIndeterminate}))
      << "a place became free, so the fifth was submitted";
  EXPECT_TRUE(std::ranges::is_sorted(world.results(), {}, &AppendResult::offset));
  expect_timed_out(world, world.start() + 4096);
  EXPECT_EQ(world.try_append(10).error().code, ErrorCode::log_failed);
  EXPECT_EQ(world.log().trim(world.start()).error().code, ErrorCode::log_failed);
  world.close();
  EXPECT_GT(world.device().in_flight(), 0U) << "or this test shows nothing";
}

TEST(LogDeadline, WhatTheDeviceNeverSawIsRejected) {
  LogWorld world({});
  submit_four_and_leave_one(world);
  let_pass(world, kDeadline);
  EXPECT_EQ(statuses(world), (std::vector{kIndeterminate, kIndeterminate, kIndeterminate,
                                          kIndeterminate, kRejected}));
  expect_timed_out(world, world.start());
}

TEST(LogDeadline, IsThatOfTheOldestRequestNotOfTheLast) {
  LogWorld world({});
  world.device().set_order(CompletionOrder::held);
  world.append(10);
  let_pass(world, kDeadline - kSecond);
  world.append(10);
  world.poll();
  world.device().complete(0);
  let_pass(world, kDeadline - 1);
  EXPECT_EQ(statuses(world), std::vector{kDurable});
  let_pass(world, 1);
  EXPECT_EQ(statuses(world), (std::vector{kDurable, kIndeterminate}));
  expect_timed_out(world, world.start() + 4096);
}

TEST(LogDeadline, LateCompletionsAreTakenAndChangeNothing) {
  for (const bool after_close : {false, true}) {
    LogWorld world({});
    submit_four_and_leave_one(world);
    let_pass(world, kDeadline);
    if (after_close) world.close();
    const auto told = world.results();
    ASSERT_EQ(told.size(), 5U);
    world.device().fail(1, EIO);
    world.device().complete_all();
    world.poll();
    EXPECT_EQ(world.device().in_flight(), 0U);
    EXPECT_EQ(world.results().size(), told.size());
    EXPECT_EQ(world.log().durable(), world.start());
    EXPECT_EQ(world.events.count(EventKind::failed), 1U);
    world.close();
    EXPECT_EQ(world.log().headers().header().shutdown, ShutdownType::ungraceful);
    // They may be recovered, being indeterminate; what was rejected may not.
    EXPECT_EQ(recover_image(world.device().image()).size(), 3U);
  }
}

TEST(LogDeadline, AHungFlushLeavesWhatItWouldCoverInDoubt) {
  LogWorldOptions options;
  options.limits.volatile_cache = true;
  options.limits.durable_write = DurableWrite::flush;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  world.append(10);
  world.run();
  world.device().complete_all();
  world.run();
  ASSERT_EQ(world.device().pending().at(0).kind, IoKind::flush);
  let_pass(world, kDeadline);
  EXPECT_EQ(statuses(world), std::vector{kIndeterminate});
  expect_timed_out(world, world.start());
  const auto flushes = world.device().counts().flushes;
  world.device().complete_all();
  world.close();
  EXPECT_EQ(statuses(world), std::vector{kIndeterminate});
  EXPECT_EQ(world.device().counts().flushes, flushes);
}

TEST(LogDeadline, AHungHeaderWriteRefusesTheTrimsThatWaitForIt) {
  LogWorld world({});
  const Offset offset = world.append(10);
  const Offset second = world.append(10);
  world.run();
  world.device().set_order(CompletionOrder::held);
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  world.device().complete_all();  // the reads
  world.run();
  world.device().complete_all();
  world.run();
  ASSERT_EQ(world.device().pending().at(0).kind, IoKind::write);
  ASSERT_TRUE(world.trim(second).has_value());
  let_pass(world, kDeadline);
  ASSERT_EQ(world.trims().size(), 2U);
  for (const auto& trim : world.trims()) EXPECT_EQ(trim.error().code, ErrorCode::log_failed);
  expect_timed_out(world, kNoOffset);
  EXPECT_EQ(world.log().trimmed(), world.start() - 1);
  world.device().complete_all();
  world.close();
  EXPECT_EQ(world.log().trimmed(), world.start() - 1) << "its late end tells nobody anything";
  EXPECT_EQ(world.trims().size(), 2U);
}

TEST(LogDeadline, AHungReadOfATrimFailsTheLogToo) {
  LogWorld world({});
  const Offset offset = world.append(10);
  world.run();
  world.device().set_order(CompletionOrder::held);
  ASSERT_TRUE(world.trim(offset).has_value());
  world.run();
  ASSERT_EQ(world.device().pending().at(0).kind, IoKind::read);
  world.append(10);
  let_pass(world, kDeadline);
  ASSERT_EQ(world.trims().size(), 1U);
  EXPECT_EQ(world.trims()[0].error().code, ErrorCode::log_failed);
  EXPECT_EQ(statuses(world), (std::vector{kDurable, kIndeterminate}));
  world.close();
}

TEST(LogDeadline, AFailedLogDoesNotWaitLongerForTheRest) {
  LogWorld world({});
  submit_four_and_leave_one(world);
  world.device().fail(1, EIO);
  let_pass(world, kDeadline - 1);
  EXPECT_TRUE(world.results().empty());
  let_pass(world, 1);
  EXPECT_EQ(world.results().size(), 5U);
  EXPECT_EQ(world.log().failure()->os_error, EIO) << "what was seen first";
  EXPECT_EQ(world.events.count(EventKind::failed), 1U);
  world.close();
}

TEST(LogDeadline, ClosingALogWhoseDeviceHangsReturns) {
  LogWorld world({});
  submit_four_and_leave_one(world);
  world.log().close();
  let_pass(world, kDeadline);
  EXPECT_TRUE(world.log().finished());
  EXPECT_EQ(world.results().size(), 5U);
  EXPECT_EQ(world.events.events.back().value, 0) << "not graceful";
}

TEST(LogDeadline, TheHeaderWriteOfAGracefulCloseHasOneToo) {
  LogWorld world({});
  world.append(10);
  world.run();
  world.device().set_order(CompletionOrder::held);
  world.log().close();
  let_pass(world, kDeadline - 1);
  EXPECT_FALSE(world.log().finished());
  let_pass(world, 1);
  EXPECT_TRUE(world.log().finished());
  expect_timed_out(world, kNoOffset);
  EXPECT_EQ(statuses(world), std::vector{kDurable});
}

TEST(LogDeadline, WhoWaitsForRoomIsTold) {
  LogWorldOptions options;
  options.log.blocks = 2;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  while (world.try_append(3000)) world.poll();
  // Another thread, for the host: the polling one is never made to wait.
  Result<Offset> answer = fail(ErrorCode::would_block);
  std::thread waiter([&] { answer = world.log().append_wait(make_body(1, 3000), {}); });
  while (world.host.parks() == 0) std::this_thread::yield();
  let_pass(world, kDeadline);
  waiter.join();
  EXPECT_EQ(answer.error().code, ErrorCode::log_failed);
}

TEST(LogDeadline, ALongBodyIsTheCallersAgainAndTheDeviceNeverHadIt) {
  LogWorldOptions options;
  options.capacity_bytes = 4 << 20;
  LogWorld world(options);
  world.device().set_order(CompletionOrder::held);
  world.device().set_check_buffers(true);
  auto body = std::make_unique<std::vector<std::byte>>(make_body(7, 900'000));
  int calls = 0;
  ASSERT_TRUE(world.log()
                  .append(*body,
                          [&](const AppendResult& result) {
                            EXPECT_EQ(result.status, kIndeterminate);
                            std::ranges::fill(*body, std::byte{0xEE});
                            body.reset();
                            ++calls;
                          })
                  .has_value());
  world.poll();
  ASSERT_EQ(world.device().pending().size(), 2U) << "two halves of its block of memory";
  let_pass(world, kDeadline);
  EXPECT_EQ(calls, 1);
  world.device().complete_all();  // aborts if what it is to write has changed
  world.close();
  const auto original = make_body(7, 900'000);
  const auto at = static_cast<std::size_t>(world.start().value % ((4 << 20) - 8192)) + 8192;
  EXPECT_TRUE(std::ranges::equal(
      std::span(original).first(200'000),
      std::span(world.device().image()).subspan(at + kRecordHeaderBytes, 200'000)));
}

TEST(LogDeadline, AStallIsToldOnceAndTheLogGoesOn) {
  LogWorld world({});
  world.device().set_order(CompletionOrder::held);
  world.append(10);
  let_pass(world, kDeadline / 10 - 1);
  EXPECT_EQ(world.events.count(EventKind::stalled), 0U);
  let_pass(world, 1);
  ASSERT_EQ(world.events.count(EventKind::stalled), 1U);
  EXPECT_EQ(world.events.events.back().offset, world.start());
  EXPECT_EQ(world.events.events.back().value, kDeadline / 10);
  let_pass(world, kDeadline / 2);
  EXPECT_EQ(world.events.count(EventKind::stalled), 1U);
  world.device().complete_all();
  world.device().set_order(CompletionOrder::in_order);
  let_pass(world, kDeadline);
  EXPECT_EQ(statuses(world), std::vector{kDurable});
  world.device().set_order(CompletionOrder::held);
  world.append(10);
  let_pass(world, kDeadline / 2);
  EXPECT_EQ(world.events.count(EventKind::stalled), 2U) << "another one";
  world.device().complete_all();
  world.run();
  EXPECT_EQ(statuses(world), (std::vector{kDurable, kDurable}));
  EXPECT_FALSE(world.log().failure().has_value());
}

// A process that was stopped, a callback that took minutes, a machine that was suspended.
TEST(LogDeadline, TimeInWhichNobodyPolledCountsLittle) {
  LogWorld world({});
  world.device().set_order(CompletionOrder::held);
  world.append(10);
  world.poll();
  for (int i = 1; i < 10; ++i) {
    world.host.advance(100 * kDeadline);
    world.poll();
    EXPECT_FALSE(world.log().failure().has_value()) << i;
  }
  world.host.advance(kDeadline / 10);
  world.poll();
  EXPECT_TRUE(world.log().failure().has_value());
}

TEST(LogDeadline, NothingWakesAnIdleLogAndWithoutADeadlineNothingEver) {
  LogWorld idle({});
  idle.append(10);
  idle.run();
  // Once more, to tell the header how far it is durable.
  const Nanoseconds look = idle.log().poll(idle.host.now());
  EXPECT_EQ(look, idle.host.now() + 1'000'000'000);
  idle.host.advance(1'000'000'000);
  idle.run();
  EXPECT_EQ(idle.log().poll(idle.host.now()), kNever);
  for (const Nanoseconds none : {Nanoseconds{0}, Nanoseconds{-1}, kNever}) {
    LogWorldOptions options;
    options.log.append_deadline = none;
    LogWorld world(options);
    world.device().set_order(CompletionOrder::held);
    world.append(10);
    world.poll();
    EXPECT_EQ(world.log().poll(world.host.now()), kNever);
    for (int i = 0; i < 100; ++i) {
      world.host.advance(kDeadline);
      world.poll();
    }
    EXPECT_FALSE(world.log().failure().has_value());
    EXPECT_EQ(world.events.count(EventKind::stalled), 0U);
  }
}

TEST(LogDeadline, EverySmallDeadlineComesInTime) {
  for (const Nanoseconds deadline : {1, 2, 9, 10, 11, 1000}) {
    LogWorldOptions options;
    options.log.append_deadline = deadline;
    LogWorld world(options);
    world.device().set_order(CompletionOrder::held);
    world.append(10);
    let_pass(world, deadline - 1);
    EXPECT_FALSE(world.log().failure().has_value()) << deadline;
    let_pass(world, 1);
    EXPECT_TRUE(world.log().failure().has_value()) << deadline;
  }
}

// In a child, since what leaks stays for the rest of the process.
TEST(LogDeadline, ALogThatIsDestroyedLeavesTheDeviceItsMemory) {
  const std::string said = in_child([]() -> std::string {
    ManualHost host;
    MemoryDevice device(1 << 20);
    if (!create_log(device, host, {.capacity_bytes = 1 << 20})) return "create";
    auto log = Log::open(device, host, {.blocks = 8, .append_deadline = 10});
    if (!log || !(*log)->recover([](const RecoveredRecord&) { return true; })) return "recover";
    const auto start = (*log)->reset();
    if (!start) return "reset";
    device.set_order(CompletionOrder::held);
    device.set_check_buffers(true);
    const auto body = make_body(1, 200'000);
    if (!(*log)->append(body, {})) return "append";
    for (int i = 0; i < 20; ++i) {
      (void)(*log)->poll(host.now());
      host.advance(1);
    }
    (*log)->close();
    (void)(*log)->poll(host.now());
    if (!(*log)->finished() || device.in_flight() == 0) return "not finished with I/O in flight";
    log->reset();
    device.complete_all();  // reads the memory of the log that is no more
    std::array<IoCompletion, 4> completions;
    while (device.in_flight() > 0) (void)device.reap(completions);
    const auto records = recover_image(device.image());
    return records.size() == 1 && records[0].body == body ? "kept" : "lost";
  });
  EXPECT_EQ(said, "kept");
}

}  // namespace
}  // namespace seqwal
