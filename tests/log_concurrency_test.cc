// Many threads on one log. Meant to be run under ThreadSanitizer as well.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <thread>

#include "core/src/mpsc_ring.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::make_body;
using testing_support::MemoryDevice;
using testing_support::recover_image;
using testing_support::Recovered;
using testing_support::WaitMode;

constexpr int kThreads = 8;

// A log on a device in memory, polled by a LogThread.
class ConcurrentLog {
 public:
  explicit ConcurrentLog(std::uint64_t capacity_bytes, const LogOptions& options,
                         FormatVersion version = FormatVersion::v0)
      : device_(capacity_bytes) {
    EXPECT_TRUE(create_log(device_, host_,
                           {.capacity_bytes = capacity_bytes, .version = version, .force = true}));
    auto opened = Log::open(device_, host_, options);
    EXPECT_TRUE(opened.has_value());
    log_ = std::move(*opened);
    EXPECT_TRUE(log_->recover([](const RecoveredRecord&) { return true; }));
    EXPECT_TRUE(log_->reset());
    device_.set_order(CompletionOrder::shuffled, 99);
    device_.set_wait_mode(WaitMode::blocks);
    thread_.emplace(*log_, device_, host_);
  }

  Log& log() { return *log_; }
  LogThread& thread() { return *thread_; }
  MemoryDevice& device() { return device_; }
  PosixHost& host() { return host_; }

 private:
  PosixHost host_;
  MemoryDevice device_;
  std::unique_ptr<Log> log_;
  std::optional<LogThread> thread_;
};

TEST(LogConcurrency, EightThreadsAppendAndEveryCallbackRunsOnceInOrder) {
  constexpr int kAppends = 1500;
  for (const FormatVersion version : {FormatVersion::v0, FormatVersion::v1}) {
    ConcurrentLog world(64 << 20, {.blocks = 4, .slots = 256}, version);
    std::vector<AppendResult> results;  // written by the log's thread only
    std::vector<std::vector<std::pair<Offset, std::vector<std::byte>>>> mine(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kAppends; ++i) {
          const auto seed = static_cast<std::uint64_t>(t * kAppends + i);
          auto body = make_body(seed, 1 + seed * 7919 % (i % 100 == 0 ? 60000 : 900));
          const auto offset = world.log().append_wait(
              body, [&results](const AppendResult& result) { results.push_back(result); });
          ASSERT_TRUE(offset.has_value()) << offset.error().message();
          mine[static_cast<std::size_t>(t)].emplace_back(*offset, std::move(body));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(world.thread().close().has_value());

    ASSERT_EQ(results.size(), std::size_t{kThreads} * kAppends);
    EXPECT_TRUE(std::ranges::is_sorted(results, {}, &AppendResult::offset));
    EXPECT_TRUE(std::ranges::all_of(
        results, [](const auto& result) { return result.status == AppendStatus::durable; }));
    std::map<Offset, std::vector<std::byte>> expected;
    for (auto& list : mine) {
      EXPECT_TRUE(std::ranges::is_sorted(list, {}, [](const auto& item) { return item.first; }));
      for (auto& [offset, body] : list) expected.emplace(offset, std::move(body));
    }
    ASSERT_EQ(expected.size(), results.size()) << "an offset was given twice";
    const auto records = recover_image(world.device().image());
    ASSERT_EQ(records.size(), expected.size());
    for (const Recovered& record : records) ASSERT_EQ(record.body, expected.at(record.offset));
  }
}

TEST(LogConcurrency, AppendersWaitForTrimsOfASmallRing) {
  ConcurrentLog world(256 << 10, {.blocks = 2, .slots = 32});
  std::atomic<int> acknowledged{0};
  std::atomic<std::int64_t> highest{-1};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const auto body =
            make_body(static_cast<std::uint64_t>(t), 1 + static_cast<std::size_t>(i * 31 % 3000));
        const auto offset = world.log().append_wait(body, [&](const AppendResult& result) {
          EXPECT_EQ(result.status, AppendStatus::durable);
          EXPECT_GT(result.offset.value, highest.load());
          highest.store(result.offset.value);
          ++acknowledged;
        });
        ASSERT_TRUE(offset.has_value()) << offset.error().message();
      }
    });
  }
  std::thread trimmer([&] {
    while (!done) {
      const Offset offset{highest.load()};
      if (offset > world.log().trimmed()) (void)world.log().trim(offset);
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  trimmer.join();
  ASSERT_TRUE(world.thread().close().has_value());
  EXPECT_EQ(acknowledged, kThreads * 300);
}

TEST(LogConcurrency, LongRecordsGoBesideSmallOnes) {
  ConcurrentLog world(64 << 20, {.blocks = 4, .slots = 256});
  std::map<Offset, std::vector<std::byte>> large;  // stays in place until its callback
  std::atomic<int> acknowledged{0};
  std::thread small([&] {
    for (int i = 0; i < 2000; ++i) {
      const auto body = make_body(5, 100);
      ASSERT_TRUE(world.log().append_wait(body, [&](const AppendResult&) { ++acknowledged; }));
    }
  });
  for (std::uint64_t i = 0; i < 12; ++i) {
    auto body = make_body(1000 + i, (600 << 10) + i * 12345);
    const auto offset = world.log().append_wait(body, [&](const AppendResult&) { ++acknowledged; });
    ASSERT_TRUE(offset.has_value());
    large.emplace(*offset, std::move(body));
  }
  small.join();
  ASSERT_TRUE(world.thread().close().has_value());
  EXPECT_EQ(acknowledged, 2012);
  int found = 0;
  for (const Recovered& record : recover_image(world.device().image())) {
    const auto it = large.find(record.offset);
    if (it == large.end()) continue;
    EXPECT_EQ(record.body, it->second);
    ++found;
  }
  EXPECT_EQ(found, 12);
}

TEST(LogConcurrency, CloseWhileThreadsAppendAndTrimAnswersEverything) {
  for (int round = 0; round < 30; ++round) {
    ConcurrentLog world(1 << 20, {.blocks = 4, .slots = 64});
    std::atomic<int> accepted{0};
    std::atomic<int> called{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto body = make_body(static_cast<std::uint64_t>(t), 500);
        while (true) {
          if (t == 0) {
            const auto trimmed = world.log().trim(world.log().durable() - 524,
                                                  [&](const Result<Offset>&) { ++called; });
            if (trimmed) ++accepted;
          }
          const auto offset = world.log().append_wait(body, [&](const AppendResult&) { ++called; });
          if (!offset) {
            EXPECT_EQ(offset.error().code, ErrorCode::log_closed);
            return;
          }
          ++accepted;
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 5));
    ASSERT_TRUE(world.thread().close().has_value());
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(accepted, called);
  }
}

TEST(LogConcurrency, AFailureWhileThreadsAppendAnswersEverything) {
  for (std::uint64_t round = 1; round <= 30; ++round) {
    ConcurrentLog world(64 << 20, {.blocks = 4, .slots = 64});
    std::atomic<int> accepted{0};
    std::atomic<int> called{0};
    std::vector<std::thread> threads;
    world.device().add_fault(
        {.kind = IoKind::write, .nth = 1 + round * 3, .landed_bytes = 512, .persistent = true});
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto body = make_body(static_cast<std::uint64_t>(t), 900);
        while (true) {
          const auto offset = world.log().append_wait(body, [&](const AppendResult&) { ++called; });
          if (!offset) {
            EXPECT_EQ(offset.error().code, ErrorCode::log_failed);
            return;
          }
          ++accepted;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(world.thread().close().has_value());
    EXPECT_EQ(accepted, called);
  }
}

TEST(LogConcurrency, AppendWaitGivesUpAtItsDeadline) {
  ConcurrentLog world(kMinCapacityBytes, {.blocks = 2, .slots = 16});
  const auto body = make_body(1, 4000);
  ASSERT_TRUE(world.log().append_wait(body, {}));
  const auto refused =
      world.log().append_wait(body, {}, world.host().now() + Nanoseconds{20'000'000});
  EXPECT_EQ(refused.error().code, ErrorCode::over_capacity);
}

TEST(MpscRingConcurrency, EveryValueArrivesOnceAndInItsProducersOrder) {
  MpscRing<std::pair<int, int>, 16> ring;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        std::pair value(t, i);
        while (!ring.push(value)) std::this_thread::yield();
      }
    });
  }
  std::array<int, 4> next{};
  for (int received = 0; received < 20000;) {
    const auto value = ring.pop();
    if (!value) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(value->second, next.at(static_cast<std::size_t>(value->first))++);
    ++received;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(ring.pop().has_value());
}

}  // namespace
}  // namespace seqwal
