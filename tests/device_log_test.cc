// The whole log on real devices whose system calls fail, are slow or hang: in order, each callback
// once, nothing acknowledged lost, closing returns.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/src/file.h"
#include "backends/src/threads_device.h"
#include "backends/src/uring_device.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "tests/support/child.h"
#include "tests/support/faulty_io.h"
#include "tests/support/log_world.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{4} << 20U;
constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kSecond = 1000 * kMillisecond;

Result<RecoveryReport> recover_all(Log& log, std::map<Offset, std::vector<std::byte>>& found) {
  return log.recover([&](const RecoveredRecord& record) {
    found[record.offset] = {record.body.begin(), record.body.end()};
    return true;
  });
}

Result<OpenedFile> open_raw(const std::string& path) {
  auto locked = open_and_lock(path, Access::read_write, 1000);
  if (!locked) return std::unexpected(locked.error());
  auto file = probe_file(*locked, path);
  if (file) file->limits.depth = 16;
  return file;
}

// A log on a file, on a device with faults. Everything that may be called from its threads is
// here until the end.
struct Faulty {
  std::atomic<bool> armed{false};
  std::atomic<std::uint64_t> strikes{0};
  FaultPlan plan;  // asked for operations once armed; number counts from there
  std::uint64_t number = 0;
  std::shared_ptr<Hanging> hanging = std::make_shared<Hanging>();
  std::shared_ptr<RingScript> script = std::make_shared<RingScript>();
  std::unique_ptr<FaultyIo> io;

  [[nodiscard]] std::optional<std::int64_t> ask(RawCall call) {
    if (!armed) return std::nullopt;
    call.number = number++;
    const auto answer = plan ? plan(call) : std::nullopt;
    if (answer) ++strikes;
    return answer;
  }

  [[nodiscard]] Result<std::unique_ptr<Device>> open(const std::string& path, bool uring,
                                                     DurableWrite durable_write) {
    auto file = open_raw(path);
    if (!file) return std::unexpected(file.error());
    file->limits.volatile_cache = durable_write != DurableWrite::free;
    file->limits.durable_write = durable_write;
    const FaultPlan asked = [this](const RawCall& call) { return ask(call); };
    if (!uring) {
      io = std::make_unique<FaultyIo>(asked, hanging);
      return ThreadsDevice::open(file->file, file->limits, *io);
    }
    script->plan = asked;
    script->hanging = hanging;
    auto opened = UringDevice::open(file->file, file->limits, faulty_rings(script));
    if (!opened) return std::unexpected(opened.error());
    return std::move(opened->device);
  }
};

// What became of a life.
struct Ending {
  std::map<Offset, std::vector<std::byte>> accepted;
  std::vector<AppendResult> results;  // in the order of the callbacks
  std::optional<Error> failure;
};

// Runs with io_uring (true) and with threads (false).
class LogOnDevice : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    path_ = directory_ / "log";
    write_file(path_, kCapacity);
    {
      Faulty faulty;
      const auto device = faulty.open(path_, GetParam(), DurableWrite::free);
      if (!device) GTEST_SKIP() << no_ring(device.error());
    }
    ASSERT_TRUE(create_log(*open_well(), host_, {.capacity_bytes = kCapacity}));
  }

  [[nodiscard]] std::unique_ptr<Device> open_well() {
    auto file = open_raw(path_);
    EXPECT_TRUE(file) << file.error().message();
    auto device = ThreadsDevice::open(file->file, file->limits);
    EXPECT_TRUE(device) << device.error().message();
    return std::move(*device);
  }

  // A running log on `device`.
  [[nodiscard]] std::unique_ptr<Log> start(Device& device, const LogOptions& options,
                                           EventSink* events = nullptr) {
    auto log = Log::open(device, host_, options, events);
    EXPECT_TRUE(log) << log.error().message();
    std::map<Offset, std::vector<std::byte>> found;
    EXPECT_TRUE(recover_all(**log, found));
    EXPECT_TRUE((*log)->reset());
    return std::move(*log);
  }

  // Appends of many sizes, and a trim, until the log has failed or all is done. Waits now and then,
  // so that there are many writes, and flushes between them.
  void work(Log& log, Ending& ending) {
    called_ = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const std::size_t length = i == 20 ? 300'000 : 1 + i * i * 7 % 9000;
      const auto body = bodies_.emplace(i, make_body(i + 1, length)).first;
      const auto callback = [this, &ending](const AppendResult& result) {
        ending.results.push_back(result);
        ++called_;
      };
      const auto offset = log.append_wait(body->second, callback, host_.now() + 60 * kSecond);
      if (!offset) {
        EXPECT_EQ(offset.error().code, ErrorCode::log_failed) << offset.error().message();
        return;
      }
      ending.accepted.emplace(*offset, body->second);
      if (i == 10) (void)log.trim(ending.accepted.begin()->first);
      while (i % 2 == 0 && called_ < ending.accepted.size()) std::this_thread::yield();
    }
  }

  [[nodiscard]] Ending live(Faulty& faulty, DurableWrite durable_write,
                            const LogOptions& options = {}) {
    Ending ending;
    bodies_.clear();
    auto device = faulty.open(path_, GetParam(), durable_write);
    EXPECT_TRUE(device) << device.error().message();
    const auto log = start(**device, options);
    {
      // What runs before is on this thread, and a ring changes its owner now.
      LogThread thread(*log, **device, host_);
      faulty.armed = true;
      work(*log, ending);
      (void)thread.close();
    }
    ending.failure = log->failure();
    return ending;
  }

  // Each callback once, in order, and nothing succeeds behind the first that does not.
  void expect_ordered(const Ending& ending) {
    ASSERT_EQ(ending.results.size(), ending.accepted.size());
    auto expected = ending.accepted.begin();
    bool failed = false;
    for (const AppendResult& result : ending.results) {
      EXPECT_EQ(result.offset, (expected++)->first);
      const bool durable = result.status == AppendStatus::durable;
      EXPECT_FALSE(durable && failed) << result.offset.value;
      failed = failed || !durable;
    }
    EXPECT_FALSE(failed && !ending.failure);
  }

  // What was acknowledged is there, what was rejected is not, and nothing else is.
  void expect_recovered(const Ending& ending) {
    const auto device = open_well();
    auto log = Log::open(*device, host_, {});
    ASSERT_TRUE(log) << log.error().message();
    std::map<Offset, std::vector<std::byte>> found;
    ASSERT_TRUE(recover_all(**log, found));
    const Offset trimmed = ending.accepted.begin()->first;
    for (const AppendResult& result : ending.results) {
      const auto record = found.find(result.offset);
      if (result.status == AppendStatus::durable && result.offset > trimmed) {
        ASSERT_NE(record, found.end()) << result.offset.value;
      }
      if (record == found.end()) continue;
      EXPECT_NE(result.status, AppendStatus::rejected);
      EXPECT_EQ(record->second, ending.accepted.at(result.offset));
    }
    for (const auto& [offset, body] : found) EXPECT_TRUE(ending.accepted.contains(offset));
  }

  TempDir directory_;
  std::string path_;
  PosixHost host_;
  std::map<std::uint64_t, std::vector<std::byte>> bodies_;
  std::atomic<std::size_t> called_{0};
};

INSTANTIATE_TEST_SUITE_P(Both, LogOnDevice, testing::Bool(), [](const auto& parameter) {
  return std::string(parameter.param ? "Uring" : "Threads");
});

// The n-th operation of its kind, once or from then on.
FaultPlan nth_of(IoKind kind, std::uint64_t nth, bool persistent, std::int64_t answer) {
  return [=, seen = std::uint64_t{0}](const RawCall& call) mutable -> std::optional<std::int64_t> {
    if (call.kind != kind) return std::nullopt;
    ++seen;
    return seen == nth || (persistent && seen > nth) ? std::optional(answer) : std::nullopt;
  };
}

TEST_P(LogOnDevice, EveryErrorEndsItInOrder) {
  for (const int os_error : {EIO, ENOSPC, EROFS, ENODEV, ECANCELED, ETIMEDOUT}) {
    for (const std::uint64_t nth : {1U, 2U, 5U}) {
      for (const bool persistent : {false, true}) {
        const DurableWrite durable_write = nth % 2 == 0 ? DurableWrite::fua : DurableWrite::free;
        Faulty faulty;
        faulty.plan = nth_of(IoKind::write, nth, persistent, -os_error);
        const Ending ending = live(faulty, durable_write);
        ASSERT_TRUE(ending.failure.has_value());
        EXPECT_EQ(ending.failure->os_error, os_error);
        expect_ordered(ending);
        expect_recovered(ending);
      }
    }
  }
}

TEST_P(LogOnDevice, AFailedFlushEndsItAndIsNotTriedAgain) {
  for (const int os_error : {EIO, ENOSPC, ENODEV, EINTR}) {
    for (const std::uint64_t nth : {1U, 3U}) {
      Faulty faulty;
      std::uint64_t flushes = 0;
      faulty.plan = [&, plan = nth_of(IoKind::flush, nth, false, -os_error)](const RawCall& call) {
        flushes += call.kind == IoKind::flush ? 1U : 0U;
        return plan(call);
      };
      const Ending ending = live(faulty, DurableWrite::flush);
      ASSERT_TRUE(ending.failure.has_value());
      EXPECT_EQ(ending.failure->os_error, os_error);
      EXPECT_EQ(flushes, nth) << "and none behind it";
      expect_ordered(ending);
      expect_recovered(ending);
    }
  }
}

TEST_P(LogOnDevice, ShortAndInterruptedTransfersAreNotNoticed) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    Faulty faulty;
    faulty.plan = harassment(seed);
    const Ending ending = live(faulty, seed % 2 == 0 ? DurableWrite::flush : DurableWrite::fua);
    EXPECT_FALSE(ending.failure.has_value()) << ending.failure->message();
    EXPECT_EQ(ending.results.size(), 40U);
    EXPECT_GT(faulty.strikes, 20U);
    expect_ordered(ending);
    expect_recovered(ending);
  }
}

TEST_P(LogOnDevice, AStormWithoutAnEndEndsIt) {
  for (const int os_error : {EAGAIN, EINTR}) {
    Faulty faulty;
    faulty.plan = [=](const RawCall& call) -> std::optional<std::int64_t> {
      return call.kind == IoKind::write ? std::optional<std::int64_t>(-os_error) : std::nullopt;
    };
    const Ending ending = live(faulty, DurableWrite::free);
    ASSERT_TRUE(ending.failure.has_value());
    EXPECT_EQ(ending.failure->os_error, os_error);
    // Each request of the four in flight, tried so often and no more.
    EXPECT_LE(faulty.strikes, 4U * (Transfer::kMaxRetries + 1));
    expect_ordered(ending);
    expect_recovered(ending);
  }
}

// --- slow, and hung --------------------------------------------------------------------------

// One thread, so that a ring has its owner to the end.
class SlowLog {
 public:
  SlowLog(Device& device, Host& host, Log& log) : device_(device), host_(host), log_(log) {}

  template <typename Condition>
  [[nodiscard]] bool poll_until(Condition condition, Nanoseconds patience = 20 * kSecond) {
    const Nanoseconds end = host_.now() + patience;
    while (!condition()) {
      if (host_.now() >= end) return false;
      device_.wait(std::min(log_.poll(host_.now()), host_.now() + 5 * kMillisecond));
    }
    return true;
  }

 private:
  Device& device_;
  Host& host_;
  Log& log_;
};

TEST_P(LogOnDevice, ASlowOperationIsToldAndWaitedFor) {
  Faulty faulty;
  faulty.plan = nth_of(IoKind::write, 1, false, kHangs);
  auto device = faulty.open(path_, GetParam(), DurableWrite::free);
  ASSERT_TRUE(device);
  EventRecorder events;
  const auto log = start(**device, {.append_deadline = 2 * kSecond}, &events);
  SlowLog loop(**device, host_, *log);
  faulty.armed = true;
  std::vector<AppendStatus> told;
  const auto body = make_body(1, 5000);
  ASSERT_TRUE(
      log->append(body, [&](const AppendResult& result) { told.push_back(result.status); }));
  ASSERT_TRUE(loop.poll_until([&] { return events.count(EventKind::stalled) == 1; }));
  EXPECT_TRUE(told.empty());
  faulty.hanging->release();
  ASSERT_TRUE(loop.poll_until([&] { return told.size() == 1; }));
  EXPECT_EQ(told[0], AppendStatus::durable);
  log->close();
  ASSERT_TRUE(loop.poll_until([&] { return log->finished(); }));
  EXPECT_FALSE(log->failure().has_value());
  EXPECT_EQ(events.count(EventKind::stalled), 1U);
}

TEST_P(LogOnDevice, AnErrorAfterALongTimeIsThatError) {
  for (const int os_error : {ENOSPC, EIO, ECANCELED}) {
    Faulty faulty;
    faulty.plan = nth_of(IoKind::write, 1, false, kHangs);
    auto device = faulty.open(path_, GetParam(), DurableWrite::free);
    ASSERT_TRUE(device);
    EventRecorder events;
    const auto log = start(**device, {.append_deadline = kSecond}, &events);
    SlowLog loop(**device, host_, *log);
    faulty.armed = true;
    std::vector<AppendStatus> told;
    const auto body = make_body(1, 5000);
    ASSERT_TRUE(
        log->append(body, [&](const AppendResult& result) { told.push_back(result.status); }));
    ASSERT_TRUE(loop.poll_until([&] { return events.count(EventKind::stalled) == 1; }));
    faulty.hanging->release(-os_error);
    log->close();
    ASSERT_TRUE(loop.poll_until([&] { return log->finished(); }));
    EXPECT_EQ(told, std::vector{AppendStatus::indeterminate});
    EXPECT_EQ(log->failure()->os_error, os_error);
  }
}

// Written, failed or cancelled long after everybody was told.
TEST_P(LogOnDevice, ALateCompletionChangesNothingAndGivesTheMemoryBack) {
  for (const std::optional<std::int64_t> late :
       {std::optional<std::int64_t>{}, std::optional<std::int64_t>{-EIO},
        std::optional<std::int64_t>{-ECANCELED}}) {
    for (const IoKind kind : {IoKind::write, IoKind::flush}) {
      Faulty faulty;
      faulty.plan = nth_of(kind, 1, false, kHangs);
      auto device = faulty.open(path_, GetParam(), DurableWrite::flush);
      ASSERT_TRUE(device);
      EventRecorder events;
      Ending ending;
      auto log = start(**device, {.append_deadline = 100 * kMillisecond}, &events);
      SlowLog loop(**device, host_, *log);
      faulty.armed = true;
      for (std::uint64_t i = 0; i < 5; ++i) {
        auto body = make_body(i, i == 2 ? 300'000 : 5000);
        const auto offset = log->append(
            body, [&](const AppendResult& result) { ending.results.push_back(result); });
        ASSERT_TRUE(offset);
        ending.accepted.emplace(*offset, std::move(body));
        (void)log->poll(host_.now());
      }
      log->close();
      ASSERT_TRUE(loop.poll_until([&] { return log->finished(); }));
      ending.failure = log->failure();
      EXPECT_EQ(ending.failure->os_error, ETIMEDOUT);
      expect_ordered(ending);
      faulty.hanging->release(late);
      // The log is closed, and still takes what comes back.
      const Offset durable = log->durable();
      ASSERT_FALSE(loop.poll_until([&] { return ending.results.size() > 5; }, kSecond / 10));
      EXPECT_EQ(log->durable(), durable);
      EXPECT_EQ(events.count(EventKind::failed), 1U);
      log.reset();
      const Nanoseconds before = host_.now();
      device->reset();
      EXPECT_LT(host_.now() - before, 2 * kSecond) << "nothing was in flight any more";
      expect_recovered(ending);
    }
  }
}

// Nothing comes back before everything is destroyed: that takes the device's patience, and what it
// could still touch is left alone.
TEST_P(LogOnDevice, WhatHangsForEverIsLeftBehind) {
  const bool uring = GetParam();
  const std::string said = in_child([&]() -> std::string {
    auto* const faulty = new Faulty;  // what hangs looks at it
    faulty->plan = nth_of(IoKind::write, 1, true, kHangs);
    auto device = faulty->open(path_, uring, DurableWrite::free);
    if (!device) return device.error().message();
    int told = 0;
    const auto body = make_body(1, 200'000);
    Offset offset;
    const Nanoseconds begin = host_.now();
    {
      const auto log = start(**device, {.append_deadline = 200 * kMillisecond});
      LogThread thread(*log, **device, host_);
      faulty->armed = true;
      const auto appended = log->append(body, [&](const AppendResult& result) {
        told += result.status == AppendStatus::indeterminate ? 1 : 100;
      });
      if (!appended) return "not appended";
      offset = *appended;
      const auto closed = thread.close();
      if (closed || closed.error().os_error != ETIMEDOUT) return "closed well";
    }
    if (told != 1) return "callbacks: " + std::to_string(told);
    if (host_.now() - begin > 3 * kSecond) return "closing took long";
    device->reset();  // by another thread than the log's
    if (host_.now() - begin > 10 * kSecond) return "destroying took long";
    if (open_and_lock(path_, Access::read_write, 0)) return "unlocked";
    if (uring) return "left behind";
    // The system call goes on, and finds what it was given.
    faulty->hanging->release();
    const std::uint64_t at = static_cast<std::uint64_t>(offset.value) % (kCapacity - 8192) + 8192;
    const std::string_view bytes(reinterpret_cast<const char*>(body.data()), body.size());
    for (int i = 0; i < 2000; ++i) {
      if (read_whole_file(path_).substr(at + kRecordHeaderBytes, body.size()) == bytes) {
        return "left behind";
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return "lost";
  });
  EXPECT_EQ(said, "left behind");
}

// --- io_uring: the ring itself ---------------------------------------------------------------

class LogOnRing : public LogOnDevice {};

INSTANTIATE_TEST_SUITE_P(Uring, LogOnRing, testing::Values(true),
                         [](const auto&) { return std::string("Uring"); });

TEST_P(LogOnRing, EndsInOrderWhenTheKernelRefusesToTakeRequests) {
  for (const int refusal : {-EBADF, -EPERM, -EAGAIN}) {
    Faulty faulty;
    faulty.plan = [&, after = 3](const RawCall&) mutable -> std::optional<std::int64_t> {
      if (after-- == 0) {
        faulty.script->submit_refusal = refusal;
        faulty.script->submit_always_refused = true;
      }
      return std::nullopt;
    };
    const Ending ending = live(faulty, DurableWrite::free);
    faulty.script->submit_always_refused = false;
    ASSERT_TRUE(ending.failure.has_value());
    EXPECT_EQ(ending.failure->os_error, -refusal);
    expect_ordered(ending);
    expect_recovered(ending);
  }
}

TEST_P(LogOnRing, EndsInOrderWhenItsThreadGetsNoRing) {
  Faulty faulty;
  auto device = faulty.open(path_, true, DurableWrite::free);
  ASSERT_TRUE(device);
  const auto log = start(**device, {});
  faulty.script->setup_results = std::deque<int>(1000, ENOMEM);
  Ending ending;
  LogThread thread(*log, **device, host_);
  work(*log, ending);
  const auto closed = thread.close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().os_error, ENOMEM);
  ending.failure = closed.error();
  expect_ordered(ending);
}

}  // namespace
}  // namespace seqwal::testing_support
