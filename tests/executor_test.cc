// Callbacks on threads of their own. Meant to be run under ThreadSanitizer as well.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <map>
#include <mutex>
#include <thread>

#include "seqwal/awaitable.h"
#include "seqwal/backends/callback_threads.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::make_body;
using testing_support::MemoryDevice;
using testing_support::WaitMode;

// A log on a device in memory with a thread that polls it, and an executor.
class ExecutorLog {
 public:
  ExecutorLog(const CallbackThreadsOptions& threads, LogOptions options)
      : executor_(threads), device_(std::uint64_t{16} << 20U) {
    options.executor = &executor_;
    EXPECT_TRUE(create_log(device_, host_, {.capacity_bytes = std::uint64_t{16} << 20U}));
    log_ = *Log::open(device_, host_, options);
    EXPECT_TRUE(log_->recover([](const RecoveredRecord&) { return true; }));
    EXPECT_TRUE(log_->reset());
    device_.set_wait_mode(WaitMode::blocks);
    thread_.emplace(*log_, device_, host_);
  }

  Log& log() { return *log_; }
  void close() { EXPECT_TRUE(thread_->close()); }

 private:
  PosixHost host_;
  CallbackThreads executor_;
  MemoryDevice device_;
  std::unique_ptr<Log> log_;
  std::optional<LogThread> thread_;
};

// Appends from many threads; looks at each key's callbacks.
void expect_order_per_key(std::uint32_t threads, std::uint64_t keys) {
  constexpr int kAppenders = 4;
  constexpr int kAppends = 2000;
  ExecutorLog world({.threads = threads, .queue = 64}, {.blocks = 4, .slots = 256});
  struct Key {
    Offset last = kNoOffset;
    std::atomic<bool> running{false};
  };
  std::vector<Key> seen(keys);
  std::atomic<int> called{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> appenders;
  for (int i = 0; i < kAppenders; ++i) {
    appenders.emplace_back([&, i] {
      const auto body = make_body(static_cast<std::uint64_t>(i), 100);
      for (int k = 0; k < kAppends; ++k) {
        const std::uint64_t key = static_cast<std::uint64_t>(i + k) % keys;
        Key& mine = seen[key];
        const auto note = [&](const AppendResult& told) {
          if (mine.running.exchange(true) || told.offset <= mine.last) ++wrong;
          mine.last = told.offset;
          ++called;
          mine.running = false;
        };
        EXPECT_TRUE(world.log().append_wait(body, note, kNever, {.key = key}));
      }
    });
  }
  for (std::thread& thread : appenders) thread.join();
  world.close();
  EXPECT_EQ(called, kAppenders * kAppends);
  EXPECT_EQ(wrong, 0);
}

TEST(CallbackThreads, OneThreadKeepsOneOrderForAll) { expect_order_per_key(1, 1); }
TEST(CallbackThreads, APoolKeepsTheOrderOfEachKey) { expect_order_per_key(3, 7); }

TEST(CallbackThreads, ASlowCallbackHoldsUpNeitherDiskNorOtherKeys) {
  ExecutorLog world({.threads = 2, .queue = 64}, {.blocks = 4, .slots = 256});
  const auto body = make_body(1, 100);
  std::latch begun(1);
  std::latch release(1);
  ASSERT_TRUE(world.log().append(body,
                                 [&](const AppendResult&) {
                                   begun.count_down();
                                   release.wait();
                                 },
                                 {.key = 0}));
  begun.wait();
  // Some of these keys are another thread's.
  std::latch others(1);
  std::atomic<bool> told{false};
  Offset last;
  for (std::uint64_t key = 1; key < 9; ++key) {
    last = *world.log().append(body,
                               [&](const AppendResult&) {
                                 if (!told.exchange(true)) others.count_down();
                               },
                               {.key = key});
  }
  others.wait();
  EXPECT_TRUE(world.log().wait_durable(last));
  release.count_down();
  world.close();
}

TEST(CallbackThreads, AFullQueueMakesAppendsWait) {
  ExecutorLog world({.threads = 1, .queue = 2}, {.blocks = 4, .slots = 16});
  const auto body = make_body(1, 100);
  std::latch release(1);
  std::atomic<int> called{0};
  const auto callback = [&](const AppendResult&) {
    if (called++ == 0) release.wait();
  };
  int accepted = 0;
  Offset last;
  while (true) {
    const auto offset = world.log().append(body, callback);
    if (offset) {
      ++accepted;
      last = *offset;
      continue;
    }
    ASSERT_EQ(offset.error().code, ErrorCode::would_block);
    ASSERT_TRUE(world.log().wait_durable(last));
    const LogMetrics metrics = world.log().metrics();
    if (metrics.slots_used == 16 && metrics.records == static_cast<std::uint64_t>(accepted)) break;
  }
  release.count_down();
  EXPECT_TRUE(world.log().append_wait(body, callback));
  world.close();
  EXPECT_EQ(called, accepted + 1);
}

TEST(CallbackThreads, CallbacksMayAppendAndDoNotWaitForRoom) {
  ExecutorLog world({.threads = 1, .queue = 4}, {.blocks = 2, .slots = 16});
  const auto body = make_body(1, 100);
  std::atomic<int> called{0};
  std::atomic<int> accepted{0};
  ASSERT_TRUE(world.log().append(body, [&](const AppendResult&) {
    for (int i = 0; i < 100; ++i) {
      const auto offset = world.log().append_wait(body, [&](const AppendResult&) { ++called; });
      if (offset) ++accepted;
    }
  }));
  world.close();
  EXPECT_GE(accepted, 0);
  EXPECT_EQ(called, accepted);
}

TEST(CallbackThreads, FailuresKeepTheOrderToo) {
  CallbackThreads executor({.threads = 1});
  LogWorldOptions options;
  options.log.executor = &executor;
  options.log.depth = 1;
  std::mutex mutex;
  std::vector<AppendResult> told;
  {
    LogWorld world(options);
    const auto body = make_body(1, 100);
    const auto note = [&](const AppendResult& result) {
      const std::lock_guard lock(mutex);
      told.push_back(result);
    };
    ASSERT_TRUE(world.log().append(body, note));
    world.run();
    world.device().add_fault({.kind = IoKind::write});
    ASSERT_TRUE(world.log().append(body, note));
    world.poll();
    ASSERT_TRUE(world.log().append(body, note));
    world.run();
    world.log().close();
    while (!world.log().finished()) world.poll();
  }
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[0].status, AppendStatus::durable);
  EXPECT_EQ(told[1].status, AppendStatus::indeterminate);
  EXPECT_EQ(told[2].status, AppendStatus::rejected);
  EXPECT_LT(told[0].offset, told[1].offset);
  EXPECT_LT(told[1].offset, told[2].offset);
}

TEST(WaitDurable, ManyThreadsWaitForTheirOwnRecords) {
  ExecutorLog world({}, {.blocks = 4, .slots = 256});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto body = make_body(static_cast<std::uint64_t>(i), 100);
      for (int k = 0; k < 500; ++k) {
        const auto offset = world.log().append_wait(body, {});
        ASSERT_TRUE(offset);
        EXPECT_TRUE(world.log().wait_durable(*offset));
        EXPECT_GT(world.log().durable(), *offset);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  world.close();
}

struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};

Detached append_many(Log& log, std::uint64_t key, std::atomic<int>& told, std::latch& done) {
  const auto body = make_body(key, 100);
  Offset last = kNoOffset;
  for (int i = 0; i < 500; ++i) {
    const auto result = co_await append_async(log, body, {.key = key});
    EXPECT_TRUE(result);
    if (!result) break;
    EXPECT_LT(last, result->offset);
    last = result->offset;
    ++told;
  }
  done.count_down();
}

TEST(AppendAsync, CoroutinesGoOnOnTheExecutor) {
  ExecutorLog world({.threads = 2}, {.blocks = 4, .slots = 256});
  std::atomic<int> told{0};
  std::latch done(4);
  for (std::uint64_t key = 0; key < 4; ++key) append_many(world.log(), key, told, done);
  done.wait();
  EXPECT_EQ(told, 2000);
  world.close();
}

}  // namespace
}  // namespace seqwal
