// Disks that change under a running log, as the kernel makes them: shrunk, read-only, shut down. It
// fails in order, what was acknowledged is there afterwards. And writers that want the same log at
// once.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "tests/process/tool_test.h"

namespace seqwal::process {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kLogBytes = 4 * kMiB;
// The kernel holds the file of a ring for a while after its process: nothing can be unmounted then.
const std::vector<std::string> kWithoutRing = {"--device", "threads"};

// An ioctl on a device or directory; what went wrong, or nothing.
std::optional<std::string> control(const std::string& path, unsigned long request,
                                   void* argument = nullptr) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int result = fd < 0 ? -1 : ::ioctl(fd, request, argument);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (result < 0) return std::strerror(error);
  return std::nullopt;
}

class DiskTrouble : public ToolTest {
 protected:
  // A loop device over a file of this size. Nothing where there are none, and the test is skipped.
  void attach(std::uint64_t bytes) {
    write_file(backing(), bytes);
    auto attached = LoopDevice::attach(backing());
    if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
    loop_.emplace(std::move(*attached));
    use(loop_->path());
  }
  // An ext4 file system on it, and the log in there.
  void mount_ext4(std::uint64_t bytes) {
    attach(bytes);
    if (IsSkipped()) return;
    if (std::system(fmt::format("mkfs.ext4 -q {} >&2", loop_->path()).c_str()) != 0) {
      GTEST_SKIP() << "no mkfs.ext4";
    }
    mount_again();
  }
  void mount_again() {
    mounted_.reset();
    auto mounted = Mount::at(dir() / "mount", loop_->path(), "ext4", "");
    if (!mounted) GTEST_SKIP() << "cannot mount: " << mounted.error();
    mounted_.emplace(std::move(*mounted));
    use(dir() / "mount/log");
  }

  // A writer that has one record acknowledged, and waits for more.
  void start_writer() {
    writer_ = std::make_unique<RunningTool>(
        Arguments{"append", log(), "--acks", "--device", "threads"}, RunOptions{});
    send("first\n");
    ASSERT_EQ(read_some(writer_->out()), "0\n");
  }
  void send(const std::string& text) {
    ASSERT_EQ(::write(writer_->in(), text.data(), text.size()), std::ssize(text));
  }
  // The next record cannot be written.
  void expect_failure() {
    send("second\n");
    EXPECT_THAT(read_some(writer_->err()), HasSubstr("seqwal: log-failed: "));
    writer_->close_in();
    EXPECT_EQ(writer_->reap().exit_code, 3);
    writer_.reset();
  }
  // And the log goes on afterwards, when the disk is well.
  void expect_it_goes_on() {
    EXPECT_EQ(recovered(), "first\n");
    append("third\n");
    EXPECT_EQ(recovered(), "first\nthird\n");
  }

  [[nodiscard]] std::string backing() const { return dir() / "backing"; }
  [[nodiscard]] const std::string& loop() const { return loop_->path(); }

 private:
  std::optional<LoopDevice> loop_;
  std::optional<Mount> mounted_;
  std::unique_ptr<RunningTool> writer_;
};

TEST_F(DiskTrouble, ALoopDeviceThatShrinks) {
  ASSERT_NO_FATAL_FAILURE(attach(kLogBytes));
  if (IsSkipped()) return;
  create("4MiB", {"--force"});
  start_writer();
  // The first block of records is left, and nothing behind it.
  std::filesystem::resize_file(backing(), 3 * 4096);
  if (const auto wrong = control(loop(), LOOP_SET_CAPACITY)) GTEST_SKIP() << *wrong;
  expect_failure();
  expect_all_refused(3, "length-mismatch");

  std::filesystem::resize_file(backing(), kLogBytes);
  ASSERT_EQ(control(loop(), LOOP_SET_CAPACITY), std::nullopt);
  expect_it_goes_on();
}

TEST_F(DiskTrouble, ABlockDeviceThatBecomesReadOnly) {
  ASSERT_NO_FATAL_FAILURE(attach(kLogBytes));
  if (IsSkipped()) return;
  create("4MiB", {"--force"});
  start_writer();
  int read_only = 1;
  if (const auto wrong = control(loop(), BLKROSET, &read_only)) GTEST_SKIP() << *wrong;
  expect_failure();
  EXPECT_EQ(recovered(), "first\n");
  EXPECT_THAT(run("append", {}, {.input = "third\n"}), Exits(3));

  read_only = 0;
  ASSERT_EQ(control(loop(), BLKROSET, &read_only), std::nullopt);
  expect_it_goes_on();
}

TEST_F(DiskTrouble, AFileSystemThatIsRemountedReadOnly) {
  ASSERT_NO_FATAL_FAILURE(mount_ext4(16 * kMiB));
  if (IsSkipped()) return;
  create("4MiB", kWithoutRing);
  append("first\n", kWithoutRing);
  const std::string directory = dir() / "mount";
  ASSERT_EQ(::mount("none", directory.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_EQ(recovered(), "first\n");
  EXPECT_THAT(run("verify"), Exits(0));
  for (const char* command : {"append", "reset"}) {
    expect_refused(3, "Read-only file system", command, {}, {.input = "second\n"});
  }
  ASSERT_EQ(::mount("none", directory.c_str(), nullptr, MS_REMOUNT, nullptr), 0);
  expect_it_goes_on();
}

// What ext4 does to itself when its disk is gone.
TEST_F(DiskTrouble, AFileSystemThatShutsDown) {
  ASSERT_NO_FATAL_FAILURE(mount_ext4(16 * kMiB));
  if (IsSkipped()) return;
  create("4MiB", kWithoutRing);
  start_writer();
  std::uint32_t without_flushing_its_journal = 2;
  constexpr unsigned long kShutDown = _IOR('X', 125, std::uint32_t);
  if (const auto wrong = control(dir() / "mount", kShutDown, &without_flushing_its_journal)) {
    GTEST_SKIP() << *wrong;
  }
  expect_failure();
  ASSERT_NO_FATAL_FAILURE(mount_again());
  if (IsSkipped()) return;
  expect_it_goes_on();
}

// Each waits for the one before to end, whether it ends well or is killed. All records that
// somebody was told of are there once, those of one writer in their order.
TEST_F(DiskTrouble, WritersThatFightForOneLog) {
  constexpr int kWriters = 4;
  constexpr int kRounds = 5;
  create("4MiB");
  std::set<std::string> told;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::unique_ptr<RunningTool>> writers;
    std::vector<std::string> records;
    for (int i = 0; i < kWriters; ++i) {
      writers.push_back(
          std::make_unique<RunningTool>(Arguments{"append", log(), "--acks"}, RunOptions{}));
      records.push_back(fmt::format("{} of round {}\n", i, round));
      const std::string& record = records.back();
      ASSERT_EQ(::write(writers.back()->in(), record.data(), record.size()), std::ssize(record));
    }
    // Whoever answers has the log; the others get it one after the other.
    std::vector<std::string> said(kWriters);
    for (int left = kWriters; left > 0;) {
      std::vector<pollfd> waiting;
      for (const auto& writer : writers) {
        if (writer) waiting.push_back({.fd = writer->out(), .events = POLLIN, .revents = 0});
      }
      ASSERT_GT(::poll(waiting.data(), waiting.size(), 60'000), 0) << "nobody gets the log";
      for (std::size_t i = 0; i < writers.size(); ++i) {
        if (!writers[i]) continue;
        static_cast<void>(drain(writers[i]->out(), said[i]));
        if (said[i].empty()) continue;
        told.insert(records[i]);
        if (i % 2 == 0) {
          writers[i]->kill();
        } else {
          writers[i]->close_in();
        }
        const Outcome outcome = writers[i]->reap();
        EXPECT_TRUE(outcome.signal == SIGKILL || outcome.exit_code == 0) << outcome.exit_code;
        writers[i].reset();
        --left;
      }
    }
  }
  const std::vector<std::string> found = lines_of(recovered());
  EXPECT_EQ(found.size(), std::size_t{kWriters} * kRounds);
  for (const std::string& line : found) EXPECT_TRUE(told.contains(line + "\n")) << line;
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
}

}  // namespace
}  // namespace seqwal::process
