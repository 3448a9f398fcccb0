// The real devices when the system below them fails: which error comes out, what is repeated and
// what must not be.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backends/src/file.h"
#include "backends/src/threads_device.h"
#include "backends/src/uring_device.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/device.h"
#include "seqwal/transfer.h"
#include "tests/support/child.h"
#include "tests/support/faulty_io.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kBytes = std::uint64_t{1} << 20U;
constexpr Nanoseconds kSecondNs = 1'000'000'000;

Result<OpenedFile> open_raw(const std::string& path) {
  auto locked = open_and_lock(path, Access::read_write, 1000);
  if (!locked) return std::unexpected(locked.error());
  auto file = probe_file(*locked, path);
  if (file) file->limits.depth = 8;
  return file;
}

IoRequest request(IoKind kind, std::uint64_t position, std::span<const IoSegment> segments,
                  IoToken token = {}, bool durable = false) {
  return {.token = token,
          .kind = kind,
          .durable = durable,
          .position = {position},
          .segments = segments};
}

int run(Device& device, const IoRequest& one) {
  EXPECT_EQ(device.submit({&one, 1}), 1U);
  std::array<IoCompletion, 1> completion;
  while (device.reap(completion) == 0) device.wait(kNever);
  return completion[0].os_error;
}

// --- both devices, the same faults ----------------------------------------------------------

// Runs with io_uring (true) and with threads (false).
class DeviceFaults : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const std::string path = directory_ / "disk";
    write_file(path, kBytes);
    auto file = open_raw(path);
    ASSERT_TRUE(file) << file.error().message();
    const FaultPlan counted = [this](const RawCall& call) { return plan_and_count(call); };
    if (GetParam()) {
      script_->plan = counted;
      auto opened = UringDevice::open(file->file, file->limits, faulty_rings(script_));
      if (!opened) GTEST_SKIP() << no_ring(opened.error());
      device_ = std::move(opened->device);
    } else {
      io_ = std::make_unique<FaultyIo>(counted);
      auto opened = ThreadsDevice::open(file->file, file->limits, *io_);
      ASSERT_TRUE(opened);
      device_ = std::move(*opened);
    }
  }

  std::optional<std::int64_t> plan_and_count(const RawCall& call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
    return plan_ ? plan_(call) : std::nullopt;
  }
  // Every call answers that.
  void always(std::int64_t result) {
    plan_ = [result](const RawCall&) { return result; };
  }

  int write(std::uint64_t position, std::span<std::byte> bytes, bool durable = false) {
    const std::array segment{IoSegment{bytes.data(), bytes.size()}};
    return run(*device_, request(IoKind::write, position, segment, {}, durable));
  }
  int read(std::uint64_t position, std::span<std::byte> bytes) {
    const std::array segment{IoSegment{bytes.data(), bytes.size()}};
    return run(*device_, request(IoKind::read, position, segment));
  }
  int flush() { return run(*device_, request(IoKind::flush, 0, {})); }

  TempDir directory_;
  std::mutex mutex_;  // threads call the plan
  FaultPlan plan_;
  std::vector<RawCall> calls_;
  std::shared_ptr<RingScript> script_ = std::make_shared<RingScript>();
  std::unique_ptr<FaultyIo> io_;
  std::unique_ptr<Device> device_;
  AlignedMemory buffer_{8192};
};

INSTANTIATE_TEST_SUITE_P(Both, DeviceFaults, testing::Bool(), [](const auto& parameter) {
  return std::string(parameter.param ? "Uring" : "Threads");
});

TEST_P(DeviceFaults, ErrorsComeOutAsTheyAreAndAreNotRepeated) {
  for (const int os_error : {EIO, ENOSPC, EROFS, ENODEV, ECANCELED, ETIMEDOUT}) {
    always(-os_error);
    calls_.clear();
    EXPECT_EQ(write(0, buffer_.span()), os_error);
    EXPECT_EQ(write(0, buffer_.span(), true), os_error);
    EXPECT_EQ(read(0, buffer_.span()), os_error);
    EXPECT_EQ(flush(), os_error);
    EXPECT_EQ(calls_.size(), 4U) << os_error;
  }
}

TEST_P(DeviceFaults, AFailedFlushIsNeverRepeatedWhateverItSays) {
  for (const int os_error : {EINTR, EAGAIN}) {
    always(-os_error);
    calls_.clear();
    EXPECT_EQ(flush(), os_error);
    EXPECT_EQ(calls_.size(), 1U);
  }
}

TEST_P(DeviceFaults, InterruptedTransfersAreRepeatedSoOftenAndNoMore) {
  for (const int os_error : {EINTR, EAGAIN}) {
    always(-os_error);
    calls_.clear();
    EXPECT_EQ(write(4096, buffer_.span(), true), os_error);
    EXPECT_EQ(calls_.size(), std::size_t{Transfer::kMaxRetries} + 1);
    for (const RawCall& call : calls_) {
      EXPECT_EQ(call.position_bytes, 4096U);
      EXPECT_EQ(call.length_bytes, buffer_.size());
      EXPECT_TRUE(call.durable);
    }
  }
}

TEST_P(DeviceFaults, ZeroBytesFailAtOnce) {
  always(0);
  EXPECT_EQ(write(0, buffer_.span()), EIO);
  EXPECT_EQ(read(0, buffer_.span()), EIO);
  EXPECT_EQ(calls_.size(), 2U);
}

TEST_P(DeviceFaults, MoreThanWasAskedIsAnIoError) {
  always(static_cast<std::int64_t>(buffer_.size()) + 512);
  EXPECT_EQ(read(0, buffer_.span()), EIO);
}

TEST_P(DeviceFaults, EveryShortSizeIsFinished) {
  const std::uint32_t block = device_->limits().block_bytes;
  const AlignedMemory in(buffer_.size());
  for (std::size_t done = 1; done < buffer_.size(); done += 97) {
    // The first call of each transfer is short.
    plan_ = [&](const RawCall& call) -> std::optional<std::int64_t> {
      if (call.length_bytes < buffer_.size()) return std::nullopt;
      if (done < block && calls_.size() > 1) return std::nullopt;
      return static_cast<std::int64_t>(done);
    };
    std::ranges::fill(buffer_.span(), static_cast<std::byte>(done));
    buffer_.span().back() = static_cast<std::byte>(done + 1);
    calls_.clear();
    ASSERT_EQ(write(0, buffer_.span(), true), 0) << done;
    ASSERT_EQ(calls_.size(), 2U) << done;
    EXPECT_EQ(calls_[1].position_bytes, done / block * block) << done;
    EXPECT_EQ(calls_[1].length_bytes, buffer_.size() - done / block * block) << done;
    EXPECT_TRUE(calls_[1].durable) << done;
    calls_.clear();
    ASSERT_EQ(read(0, in.span()), 0) << done;
    ASSERT_TRUE(std::ranges::equal(in.span(), buffer_.span())) << done;
  }
}

// A system call moves that much and no more, again and again.
TEST_P(DeviceFaults, A64KiBTransferInPiecesOfEverySize) {
  constexpr std::size_t kBytesAll = std::size_t{64} << 10U;
  const std::uint32_t block = device_->limits().block_bytes;
  const AlignedMemory out(kBytesAll);
  const AlignedMemory in(kBytesAll);
  for (std::size_t piece = 512; piece <= kBytesAll; piece += 512) {
    plan_ = [&](const RawCall& call) -> std::optional<std::int64_t> {
      return static_cast<std::int64_t>(std::min<std::uint64_t>(piece, call.length_bytes));
    };
    for (std::size_t i = 0; i < kBytesAll; ++i) {
      out.span()[i] = static_cast<std::byte>(i / 512 + piece / 512 + i % 7);
    }
    calls_.clear();
    if (piece < block) {
      EXPECT_EQ(write(0, out.span(), true), EIO) << piece;
      EXPECT_EQ(calls_.size(), std::size_t{Transfer::kMaxRetries} + 1) << piece;
      continue;
    }
    ASSERT_EQ(write(0, out.span(), true), 0) << piece;
    // A piece is rounded down to whole blocks, so that the rest is aligned; the last one is not.
    const std::size_t step = piece / block * block;
    const std::size_t calls = piece >= kBytesAll ? 1 : 1 + (kBytesAll - piece + step - 1) / step;
    EXPECT_EQ(calls_.size(), calls) << piece;
    for (const RawCall& call : calls_) {
      ASSERT_EQ(call.position_bytes % block, 0U) << piece;
      ASSERT_TRUE(call.durable) << piece;
    }
    ASSERT_EQ(read(0, in.span()), 0) << piece;
    ASSERT_TRUE(std::ranges::equal(in.span(), out.span())) << piece;
  }
}

TEST_P(DeviceFaults, AFaultOfOneIsNotOneOfOthers) {
  plan_ = [](const RawCall& call) -> std::optional<std::int64_t> {
    if (call.position_bytes == 8192) return -EIO;
    return std::nullopt;
  };
  std::vector<IoSegment> segments(4, IoSegment{buffer_.data(), 4096});
  std::vector<IoRequest> requests;
  requests.reserve(8);
  for (std::uint32_t i = 0; i < 4; ++i) {
    requests.push_back(request(IoKind::write, i * 4096U, {&segments[i], 1}, {i, 0}));
  }
  ASSERT_EQ(device_->submit(requests), 4U);
  for (int left = 4; left > 0;) {
    std::array<IoCompletion, 4> completions;
    const std::size_t got = device_->reap(completions);
    for (const IoCompletion& completion : std::span(completions).first(got)) {
      EXPECT_EQ(completion.os_error, completion.token.slot == 2 ? EIO : 0);
    }
    left -= static_cast<int>(got);
    if (left > 0) device_->wait(kNever);
  }
}

TEST_P(DeviceFaults, AFileThatShrankIsAnIoError) {
  ASSERT_EQ(::truncate((directory_ / "disk").c_str(), 4096), 0);
  EXPECT_EQ(read(8192, buffer_.span()), EIO);
  EXPECT_EQ(read(0, buffer_.span()), EIO);  // its second half
  EXPECT_EQ(read(0, buffer_.span().first(4096)), 0);
}

// --- io_uring only --------------------------------------------------------------------------

class UringFaults : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_ / "disk";
    write_file(path, kBytes);
    auto file = open_raw(path);
    ASSERT_TRUE(file) << file.error().message();
    auto opened = UringDevice::open(file->file, file->limits, faulty_rings(script_));
    if (!opened) GTEST_SKIP() << no_ring(opened.error());
    device_ = std::move(opened->device);
  }
  int write(std::uint64_t position) {
    const std::array segment{IoSegment{buffer_.data(), buffer_.size()}};
    return run(*device_, request(IoKind::write, position, segment));
  }

  TempDir directory_;
  PosixHost host_;
  std::shared_ptr<RingScript> script_ = std::make_shared<RingScript>();
  std::unique_ptr<Device> device_;
  AlignedMemory buffer_{4096};
};

TEST_F(UringFaults, ARefusedSetUpLeavesTheFileForAnotherDevice) {
  write_file(directory_ / "other", kBytes);
  auto file = open_raw(directory_ / "other");
  ASSERT_TRUE(file);
  script_->setup_results = {EPERM};
  const auto refused = UringDevice::open(file->file, file->limits, faulty_rings(script_));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().os_error, EPERM);
  auto threads = ThreadsDevice::open(file->file, file->limits);
  ASSERT_TRUE(threads);
  EXPECT_EQ(run(**threads, request(IoKind::flush, 0, {})), 0);
}

TEST_F(UringFaults, EachOwnerMakesOneRing) {
  EXPECT_EQ(script_->setups, 1U);
  EXPECT_EQ(write(0), 0);
  EXPECT_EQ(script_->setups, 1U);
  std::thread other([&] {
    EXPECT_EQ(write(0), 0);
    EXPECT_EQ(write(4096), 0);
  });
  other.join();
  EXPECT_EQ(script_->setups, 2U);
  EXPECT_EQ(write(0), 0);
  EXPECT_EQ(script_->setups, 3U);
}

TEST_F(UringFaults, WithoutARingRequestsFailAndWaitingStillWorks) {
  std::thread other([&] {
    script_->setup_results = std::deque<int>(100, ENOMEM);
    EXPECT_EQ(write(0), ENOMEM);
    const Nanoseconds deadline = host_.now() + kSecondNs / 50;
    while (host_.now() < deadline) device_->wait(deadline);
    device_->wake();
    device_->wait(kNever);
    std::atomic<bool> woken{false};
    std::thread waker([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      woken = true;
      device_->wake();
    });
    while (!woken) device_->wait(kNever);
    waker.join();
    script_->setup_results.clear();
    EXPECT_EQ(write(0), 0);  // as soon as it gets one
  });
  other.join();
}

TEST_F(UringFaults, WhatMayBeDeferredGoesWithTheWait) {
  script_->submit_results = std::deque<int>(100, 0);
  const std::array segment{IoSegment{buffer_.data(), buffer_.size()}};
  IoRequest later = request(IoKind::write, 0, segment, {1, 1});
  later.deferrable = true;
  ASSERT_EQ(device_->submit({&later, 1}), 1U);
  EXPECT_EQ(script_->submit_results.size(), 100U);
  device_->wait(kNever);
  EXPECT_EQ(script_->submit_results.size(), 99U);  // one call for both
  std::array<IoCompletion, 2> completions;
  while (device_->reap(completions) == 0) device_->wait(kNever);
  EXPECT_EQ(completions[0].token, later.token);
}

TEST_F(UringFaults, WhatIsDeferredIsNotForgotten) {
  const std::array segment{IoSegment{buffer_.data(), buffer_.size()}};
  IoRequest later = request(IoKind::write, 0, segment);
  later.deferrable = true;
  const auto submissions_of = [&](auto&& call) {
    EXPECT_EQ(device_->submit({&later, 1}), 1U);
    script_->submit_results = std::deque<int>(100, 0);
    call();
    const std::size_t submissions = 100 - script_->submit_results.size();
    std::array<IoCompletion, 1> completion;
    while (device_->reap(completion) == 0) device_->wait(kNever);
    return submissions;
  };
  EXPECT_EQ(submissions_of([&] { static_cast<void>(device_->reap({})); }), 1U);
  EXPECT_EQ(submissions_of([&] { device_->wait(host_.now()); }), 1U);
  EXPECT_EQ(submissions_of([&] {
              device_->wake();
              device_->wait(kNever);
            }),
            1U);
}

TEST_F(UringFaults, ARefusedSubmissionIsTriedAgain) {
  for (const int refusal : {-EAGAIN, -EBUSY, -EINTR}) {
    script_->submit_results = std::deque<int>(20, refusal);
    EXPECT_EQ(write(0), 0);
    EXPECT_TRUE(script_->submit_results.empty());
  }
}

TEST_F(UringFaults, ASubmissionRefusedForGoodFailsWhatWasNotBegunAndNothingElse) {
  for (const int refusal : {-EAGAIN, -EBADF}) {
    script_->submit_always_refused = true;
    script_->submit_refusal = refusal;
    const Nanoseconds start = host_.now();
    EXPECT_EQ(write(0), -refusal);
    EXPECT_LT(host_.now() - start, 20 * kSecondNs);
    script_->submit_always_refused = false;
    EXPECT_EQ(write(0), 0);
  }
}

TEST_F(UringFaults, ARefusedWaitDoesNotSpin) {
  script_->submit_always_refused = true;
  script_->submit_refusal = -EBADF;
  const Nanoseconds start = host_.now();
  for (int i = 0; i < 20; ++i) device_->wait(kNever);
  EXPECT_GE(host_.now() - start, kSecondNs / 100);
  script_->submit_always_refused = false;
}

TEST_F(UringFaults, TheTokensOfManyRefusedRequestsAllComeBack) {
  script_->submit_always_refused = true;
  script_->submit_refusal = -EBADF;
  std::vector<IoRequest> requests;
  requests.reserve(8);
  for (std::uint32_t i = 0; i < 8; ++i) requests.push_back(request(IoKind::flush, 0, {}, {i, 0}));
  ASSERT_EQ(device_->submit(requests), 8U);
  std::array<IoCompletion, 8> completions;
  ASSERT_EQ(device_->reap(completions), 8U);
  std::vector<std::uint32_t> slots;
  for (const IoCompletion& completion : completions) {
    EXPECT_EQ(completion.os_error, EBADF);
    slots.push_back(completion.token.slot);
  }
  std::ranges::sort(slots);
  EXPECT_EQ(slots, (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  script_->submit_always_refused = false;
}

TEST_F(UringFaults, TakingOverWithRequestsInFlightIsACallersBug) {
  EXPECT_DEATH(
      {
        const IoRequest one = request(IoKind::flush, 0, {});
        static_cast<void>(device_->submit({&one, 1}));
        std::thread other([&] { static_cast<void>(device_->submit({&one, 1})); });
        other.join();
      },
      "precondition");
}

TEST(UringDeviceClose, LeaksWhatHangsAndKeepsTheLock) {
  const TempDir directory;
  const std::string path = directory / "disk";
  write_file(path, kBytes);
  // In a child, since what leaks stays for the rest of the process.
  const std::string said = in_child([&]() -> std::string {
    auto file = open_raw(path);
    auto script = std::make_shared<RingScript>();
    script->plan = [](const RawCall&) { return kHangs; };
    auto opened = UringDevice::open(file->file, file->limits, faulty_rings(script));
    if (!opened) return opened.error().message();
    const std::vector<IoRequest> requests(8, request(IoKind::flush, 0, {}));
    if (opened->device->submit(requests) != 8) return "refused";
    opened->device.reset();
    return open_and_lock(path, Access::read_write, 0) ? "unlocked" : "leaked and locked";
  });
  if (said.starts_with("unsupported")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "leaked and locked");
  EXPECT_TRUE(open_and_lock(path, Access::read_write, 1000));
}

// --- threads only ---------------------------------------------------------------------------

// A system call that does not come back before it is told to.
class HangingIo final : public RawIo {
 public:
  std::int64_t read(int, std::span<const iovec>, std::uint64_t) override { return hang(); }
  std::int64_t write(int, std::span<const iovec>, std::uint64_t, bool) override { return hang(); }
  std::int64_t flush(int) override { return hang(); }
  void release() { released_ = true; }
  void wait_until_called() const {
    while (!called_) std::this_thread::yield();
  }
  [[nodiscard]] bool returned() const { return returned_; }

 private:
  std::int64_t hang() {
    called_ = true;
    while (!released_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    returned_ = true;
    return -EIO;
  }
  std::atomic<bool> called_{false};
  std::atomic<bool> released_{false};
  std::atomic<bool> returned_{false};
};

constexpr std::string_view kNoFilter = "no filters here";

TEST(ThreadsDeviceStart, WithoutAnyThreadItIsRefused) {
  const TempDir directory;
  write_file(directory / "disk", kBytes);
  const std::string said = in_child([&]() -> std::string {
    auto file = open_raw(directory / "disk");
    if (!forbid_system_calls({SYS_clone3, SYS_clone}, EAGAIN)) return std::string(kNoFilter);
    const auto device = ThreadsDevice::open(file->file, file->limits);
    return device ? "opened" : std::string(to_string(device.error().code));
  });
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_EQ(said, "unsupported");
}

TEST(ThreadsDeviceStart, WithOneThreadThatOneDoesAllTheWork) {
  const TempDir directory;
  write_file(directory / "disk", kBytes);
  const std::string said = in_child([&]() -> std::string {
    auto file = open_raw(directory / "disk");
    auto device = ThreadsDevice::open(file->file, file->limits);
    if (!device) return device.error().message();
    if (!forbid_system_calls({SYS_clone3, SYS_clone}, EAGAIN)) return std::string(kNoFilter);
    const std::vector<IoRequest> requests(8, request(IoKind::flush, 0, {}));
    if ((*device)->submit(requests) != 8) return "refused";
    for (std::size_t left = 8; left > 0;) {
      std::array<IoCompletion, 8> completions;
      const std::size_t got = (*device)->reap(completions);
      for (const IoCompletion& completion : std::span(completions).first(got)) {
        if (completion.os_error != 0) return "failed";
      }
      left -= got;
      if (left > 0) (*device)->wait(kNever);
    }
    return "done";
  });
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_EQ(said, "done");
}

TEST(ThreadsDeviceClose, WaitsForWhatIsInFlight) {
  const TempDir directory;
  write_file(directory / "disk", kBytes);
  auto file = open_raw(directory / "disk");
  ASSERT_TRUE(file);
  HangingIo io;
  auto device = ThreadsDevice::open(file->file, file->limits, io);
  ASSERT_TRUE(device);
  const IoRequest one = request(IoKind::flush, 0, {});
  ASSERT_EQ((*device)->submit({&one, 1}), 1U);
  io.wait_until_called();
  std::thread releaser([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    io.release();
  });
  device->reset();
  EXPECT_TRUE(io.returned());
  releaser.join();
}

TEST(ThreadsDeviceClose, LeaksWhatHangsAndKeepsTheLock) {
  const TempDir directory;
  const std::string path = directory / "disk";
  write_file(path, kBytes);
  // In a child, since what leaks stays for the rest of the process.
  EXPECT_EQ(in_child([&]() -> std::string {
              auto file = open_raw(path);
              HangingIo io;
              auto device = ThreadsDevice::open(file->file, file->limits, io);
              const std::vector<IoRequest> requests(8, request(IoKind::flush, 0, {}));
              if ((*device)->submit(requests) != 8) return "refused";
              io.wait_until_called();
              device->reset();
              const bool locked = !open_and_lock(path, Access::read_write, 0);
              io.release();
              std::this_thread::sleep_for(std::chrono::milliseconds(50));
              return locked ? "leaked and locked" : "unlocked";
            }),
            "leaked and locked");
}

}  // namespace
}  // namespace seqwal::testing_support
