// A kernel that really does not answer: the log lies on a file system that is frozen, so that every
// write waits inside the kernel until it is thawed.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/open.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "tests/support/child.h"
#include "tests/support/log_world.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{4} << 20U;
constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kSecond = 1000 * kMillisecond;
constexpr std::string_view kNotHere = "not here: ";

// Of a file system. Thaws it at the end, and by a process of its own if this one does not get
// there: what waits for a thaw cannot be killed.
class Freezer {
 public:
  explicit Freezer(const std::string& directory)
      : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), guard_(::fork()) {
    if (guard_ != 0) return;
    std::this_thread::sleep_for(std::chrono::seconds(40));
    thaw();
    ::_exit(0);
  }
  ~Freezer() {
    thaw();
    ::kill(guard_, SIGKILL);
    ::waitpid(guard_, nullptr, 0);
    ::close(fd_);
  }
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;

  [[nodiscard]] bool freeze() { return ::ioctl(fd_, FIFREEZE, 0) == 0; }
  void thaw() { ::ioctl(fd_, FITHAW, 0); }

 private:
  int fd_;
  pid_t guard_;
};

class FrozenDisk : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    write_file(directory_ / "backing", std::size_t{32} << 20U);
    auto loop = LoopDevice::attach(directory_ / "backing");
    if (!loop) GTEST_SKIP() << "no loop device: " << loop.error();
    loop_ = std::move(*loop);
    if (std::system(fmt::format("mkfs.ext4 -q {} >&2", loop_->path()).c_str()) != 0) {
      GTEST_SKIP() << "no mkfs.ext4";
    }
    auto mounted = Mount::at(directory_ / "mount", loop_->path(), "ext4", "");
    if (!mounted) GTEST_SKIP() << "cannot mount: " << mounted.error();
    mount_ = std::move(*mounted);
    options_.path = directory_ / "mount/log";
    options_.kind = GetParam();
    write_file(options_.path, kCapacity);
    auto opened = open_device(options_);
    if (!opened) GTEST_SKIP() << no_ring(opened.error());
    ASSERT_TRUE(create_log(*opened->device, host_, {.capacity_bytes = kCapacity}));
  }

  // Recovered and reset.
  [[nodiscard]] std::unique_ptr<Log> start(Device& device) {
    auto log = Log::open(device, host_, {.append_deadline = 200 * kMillisecond});
    if (!log || !(*log)->recover([](const RecoveredRecord&) { return true; })) return nullptr;
    return (*log)->reset() ? std::move(*log) : nullptr;
  }
  // The body of the one record that is on the disk in the end.
  [[nodiscard]] std::optional<std::vector<std::byte>> recovered() {
    auto opened = open_device(options_);
    if (!opened) return std::nullopt;
    auto log = Log::open(*opened->device, host_, {});
    std::vector<std::vector<std::byte>> bodies;
    if (!log || !(*log)->recover([&](const RecoveredRecord& record) {
          bodies.emplace_back(record.body.begin(), record.body.end());
          return true;
        })) {
      return std::nullopt;
    }
    return bodies.size() == 1 ? std::optional(bodies[0]) : std::nullopt;
  }

  TempDir directory_;
  std::optional<LoopDevice> loop_;
  std::optional<Mount> mount_;
  PosixHost host_;
  OpenOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Both, FrozenDisk, testing::Values(DeviceKind::uring, DeviceKind::threads),
                         [](const auto& parameter) {
                           return std::string(parameter.param == DeviceKind::uring ? "Uring"
                                                                                   : "Threads");
                         });

TEST_P(FrozenDisk, TheLogFailsAtItsDeadlineAndTakesWhatComesLate) {
  const auto body = make_body(1, 200'000);
  std::vector<AppendStatus> told;
  {
    auto opened = open_device(options_);
    ASSERT_TRUE(opened);
    Device& device = *opened->device;
    const auto log = start(device);
    ASSERT_NE(log, nullptr);
    const auto poll_for = [&](Nanoseconds time, const auto& done) {
      for (const Nanoseconds end = host_.now() + time; !done() && host_.now() < end;) {
        device.wait(std::min(log->poll(host_.now()), host_.now() + kMillisecond));
      }
      return done();
    };
    Freezer freezer(directory_ / "mount");
    if (!freezer.freeze()) GTEST_SKIP() << "cannot freeze";
    ASSERT_TRUE(
        log->append(body, [&](const AppendResult& result) { told.push_back(result.status); }));
    log->close();
    ASSERT_TRUE(poll_for(10 * kSecond, [&] { return log->finished(); }));
    EXPECT_EQ(told, std::vector{AppendStatus::indeterminate});
    ASSERT_TRUE(log->failure().has_value());
    EXPECT_EQ(log->failure()->os_error, ETIMEDOUT);
    freezer.thaw();
    (void)poll_for(kSecond / 2, [] { return false; });
  }  // the log leaks nothing, the device waits for nothing
  EXPECT_EQ(told.size(), 1U);
  EXPECT_EQ(recovered(), body) << "written after all";
}

// In a child, since what leaks stays for the rest of the process.
TEST_P(FrozenDisk, WhatTheKernelStillHasIsLeftAlone) {
  const auto body = make_body(2, 200'000);
  const std::string said = in_child([&]() -> std::string {
    Freezer freezer(directory_ / "mount");
    auto opened = open_device(options_);
    if (!opened) return "not opened";
    const Nanoseconds begin = host_.now();
    int told = 0;
    {
      const auto log = start(*opened->device);
      if (log == nullptr) return "not started";
      LogThread thread(*log, *opened->device, host_);
      if (!freezer.freeze()) return std::string(kNotHere) + "cannot freeze";
      if (!log->append(body, [&](const AppendResult&) { ++told; })) return "not appended";
      const auto closed = thread.close();
      if (closed || closed.error().os_error != ETIMEDOUT) return "closed well";
    }
    if (told != 1) return "callbacks: " + std::to_string(told);
    if (host_.now() - begin > 4 * kSecond) return "closing took long";
    opened->device.reset();
    if (host_.now() - begin > 12 * kSecond) return "destroying took long";
    if (open_device({.path = options_.path, .lock_wait_ms = 0})) return "unlocked";
    freezer.thaw();
    // Ending the process would end the write with it.
    const std::string_view bytes(reinterpret_cast<const char*>(body.data()), body.size());
    for (int i = 0; i < 2000; ++i) {
      if (read_whole_file(options_.path).find(bytes) != std::string::npos) return "left alone";
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return "lost";
  });
  if (said.starts_with(kNotHere)) GTEST_SKIP() << said;
  ASSERT_EQ(said, "left alone");
  EXPECT_EQ(recovered(), body) << "the kernel found in the leaked memory what it was given";
}

}  // namespace
}  // namespace seqwal::testing_support
