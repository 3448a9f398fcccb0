// A system that says no: rights, locks, full disks, closed pipes, a forbidden io_uring.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/process/bad_disk.h"
#include "tests/process/tool_test.h"
#include "tests/support/child.h"

namespace seqwal::process {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing_support::become_nobody;
using testing_support::forbid_system_calls;

class Surroundings : public ToolTest {};

bool without_io_uring() {
  return forbid_system_calls({SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register},
                             EPERM);
}

// --- rights -----------------------------------------------------------------------------------

TEST_F(Surroundings, NoPermission) {
  create("1MiB");
  append("a\n");
  ASSERT_EQ(::chmod(log().c_str(), 0600), 0);
  ASSERT_EQ(::chmod(dir().path().c_str(), 0755), 0);
  const RunOptions nobody{.in_child = become_nobody};
  const Outcome first = run("info", {}, nobody);
  if (first.impossible) GTEST_SKIP() << "not root: cannot become somebody without rights";
  expect_all_refused(3, "permission-denied", nobody);
  EXPECT_THAT(run_tool({"create", dir() / "other", "--capacity", "1MiB"}, nobody),
              ExitsSaying(3, "permission-denied"));
  EXPECT_FALSE(std::filesystem::exists(dir() / "other"));
}

TEST_F(Surroundings, WhoMayOnlyReadMayRecover) {
  create("1MiB");
  append("a\n");
  ASSERT_EQ(::chmod(log().c_str(), 0444), 0);
  ASSERT_EQ(::chmod(dir().path().c_str(), 0755), 0);
  const std::string path = log();
  const RunOptions nobody{
      .in_child = [&path] { return become_nobody() && ::access(path.c_str(), R_OK) == 0; }};
  const Outcome outcome = run("recover", {}, nobody);
  if (outcome.impossible) GTEST_SKIP() << "nobody cannot reach " << path;
  EXPECT_THAT(outcome, Exits(0));
  EXPECT_EQ(outcome.out, "a\n");
  EXPECT_THAT(run("verify", {}, nobody), Exits(0));
  EXPECT_THAT(run("info", {}, nobody), Exits(0));
  expect_refused(3, "permission-denied", "append", {"--reset"}, nobody);
}

// --- locks ------------------------------------------------------------------------------------

TEST_F(Surroundings, ALogInUseIsRefusedAfterSomeSeconds) {
  create("1MiB");
  RunningTool writer({"append", log(), "--acks"}, {});
  ASSERT_EQ(::write(writer.in(), "a\n", 2), 2);
  ASSERT_THAT(read_some(writer.out()), HasSubstr("\n"));
  // A log at rest tells its header how far it is durable.
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  const std::string before = read_whole_file(log());
  // All at once: each waits for the lock.
  std::vector<std::thread> threads;
  std::vector<Outcome> outcomes(4);
  const std::vector<Arguments> commands = {{"append", log(), "--reset"},
                                           {"recover", log()},
                                           {"info", log()},
                                           {"create", log(), "--capacity", "1MiB", "--force"}};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    threads.emplace_back([&, i] { outcomes[i] = run_tool(commands[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Outcome& outcome : outcomes) EXPECT_THAT(outcome, ExitsSaying(3, "in-use"));
  EXPECT_TRUE(read_whole_file(log()) == before);

  // The one that holds it goes on undisturbed.
  ASSERT_EQ(::write(writer.in(), "b\n", 2), 2);
  writer.close_in();
  EXPECT_EQ(writer.reap().exit_code, 0);
  EXPECT_EQ(recovered(), "a\nb\n");
}

TEST_F(Surroundings, ALockThatIsReleasedInTimeIsWaitedFor) {
  create("1MiB");
  const int fd = ::open(log().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  std::thread releaser([fd] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ::close(fd);
  });
  append("a\n");
  releaser.join();
  EXPECT_EQ(recovered(), "a\n");
}

TEST_F(Surroundings, AMountedDeviceIsInUse) {
  write_file(dir() / "backing", 16 * kMiB);
  auto loop = LoopDevice::attach(dir() / "backing");
  if (!loop) GTEST_SKIP() << "no loop device: " << loop.error();
  if (std::system(fmt::format("mkfs.ext4 -q {} >&2", loop->path()).c_str()) != 0) {
    GTEST_SKIP() << "no mkfs.ext4";
  }
  auto mounted = Mount::at(dir() / "mount", loop->path(), "ext4", "");
  if (!mounted) GTEST_SKIP() << "cannot mount: " << mounted.error();
  use(loop->path());
  EXPECT_THAT(run("create", {"--capacity", "1MiB", "--force"}), ExitsSaying(3, "in-use"));
}

// --- full disks -------------------------------------------------------------------------------

class FullDisk : public ToolTest, public testing::WithParamInterface<const char*> {};

TEST_P(FullDisk, CreateIsRefusedAndLeavesNothing) {
  std::optional<LoopDevice> loop;
  std::string source = "none";
  std::string options = "size=8m";
  if (GetParam() == std::string("ext4")) {
    write_file(dir() / "backing", 16 * kMiB);
    auto attached = LoopDevice::attach(dir() / "backing");
    if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
    loop.emplace(std::move(*attached));
    source = loop->path();
    options = "";
    if (std::system(fmt::format("mkfs.ext4 -q {} >&2", source).c_str()) != 0) {
      GTEST_SKIP() << "no mkfs.ext4";
    }
  }
  auto mounted = Mount::at(dir() / "mount", source, GetParam(), options);
  if (!mounted) GTEST_SKIP() << "cannot mount: " << mounted.error();
  use(dir() / "mount/log");

  EXPECT_THAT(run("create", {"--capacity", "64MiB"}), ExitsSaying(3, "no-space"));
  EXPECT_FALSE(std::filesystem::exists(log()));

  // What fits goes on working beside a disk that others fill.
  create("4MiB");
  const std::string filler = dir() / "mount/filler";
  [[maybe_unused]] const int ignored = std::system(
      fmt::format("dd if=/dev/zero of={} bs=64k status=none 2>/dev/null", filler).c_str());
  append("a\nb\n");
  EXPECT_EQ(recovered(), "a\nb\n");
  expect_refused(3, "already-exists", "create", {"--capacity", "64MiB"});
}

INSTANTIATE_TEST_SUITE_P(On, FullDisk, testing::Values("tmpfs", "ext4"),
                         [](const auto& test) { return std::string(test.param); });

// --- a disk that fails ------------------------------------------------------------------------

TEST_F(Surroundings, AWriteThatFailsEndsItWithWhatWasAcknowledged) {
  create("1MiB");
  append("old\n");
  // A reset starts a capacity behind the trim offset; each record here has a block of its own.
  const std::int64_t start = static_cast<std::int64_t>(kMiB);
  const auto second_block = static_cast<std::uint32_t>(start % (kMiB - 8192) + 8192 + 4096);
  const RunOptions options{.in_child = [=] { return fail_at(SYS_pwritev2, second_block); }};
  RunningTool writer({"append", log(), "--reset", "--acks", "--device", "threads"}, options);
  ASSERT_EQ(::write(writer.in(), "one\n", 4), 4);
  const std::string acknowledged = read_some(writer.out());
  if (acknowledged.empty()) {
    writer.close_in();
    ASSERT_TRUE(writer.reap().impossible);
    GTEST_SKIP() << "no seccomp filters";
  }
  EXPECT_EQ(acknowledged, fmt::format("{}\n", start));
  ASSERT_EQ(::write(writer.in(), "two\n", 4), 4);
  const std::string said = read_some(writer.err());
  EXPECT_THAT(said, HasSubstr("seqwal: log-failed: "));
  EXPECT_THAT(said, HasSubstr("1 records acknowledged, 1 in doubt, 0 rejected"));
  writer.close_in();
  EXPECT_EQ(writer.reap().exit_code, 3);
  EXPECT_EQ(recovered(), "one\n");
}

// --- where the output goes --------------------------------------------------------------------

TEST_F(Surroundings, AFullDiskBehindStdoutIsAnError) {
  create("1MiB");
  append("a\n");
  const RunOptions full{.output_path = "/dev/full"};
  for (const char* command : {"info", "recover", "verify"}) {
    expect_refused(3, "standard output", command, {}, full);
    expect_refused(3, "standard output", command, {"--json"}, full);
  }
  EXPECT_THAT(run("recover", {"--frames"}, full), ExitsSaying(3, "standard output"));
  EXPECT_THAT(run_tool({"--help"}, full), ExitsSaying(3, "standard output"));
  RunOptions acks = full;
  acks.input = "b\nc\n";
  EXPECT_THAT(run("append", {"--reset", "--acks"}, acks), ExitsSaying(3, "standard output"));
  EXPECT_THAT(run("append", {"--reset"}, acks), ExitsSaying(3, "standard output"));
}

TEST_F(Surroundings, AClosedPipeBehindStdoutIsAnError) {
  create("8MiB");
  append(std::string(1'000'000, 'x') + "\n" + std::string(3'000'000, 'y') + "\n");
  RunningTool tool({"recover", log()}, {});
  ASSERT_THAT(read_some(tool.out()), Not(IsEmpty()));
  tool.close_out();
  EXPECT_EQ(tool.reap().exit_code, 3);
}

TEST_F(Surroundings, AClosedStdoutIsAnErrorAndTheLogIsNotTakenForIt) {
  create("1MiB");
  const std::string before = read_whole_file(log());
  RunOptions closed{.output_closed = true};
  EXPECT_THAT(run("info", {}, closed), ExitsSaying(3, "standard output"));
  EXPECT_TRUE(read_whole_file(log()) == before);
  closed.input = "a\n";
  EXPECT_THAT(run("append", {}, closed), ExitsSaying(3, "standard output"));
  EXPECT_EQ(recovered(), "a\n");
}

// --- a terminal -------------------------------------------------------------------------------

TEST_F(Surroundings, WhatTakesLongerThanASecondShowsItOnATerminalOnly) {
  create("1MiB");
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) {
    GTEST_SKIP() << "no pseudo-terminals";
  }
  const std::string name = ::ptsname(terminal);
  const auto run_while_locked = [&](const RunOptions& options) {
    const int fd = ::open(log().c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
    std::thread releaser([fd] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
      ::close(fd);
    });
    const Outcome outcome = run("recover", {}, options);
    releaser.join();
    return outcome;
  };
  EXPECT_THAT(run_while_locked({.in_child =
                                    [&name] {
                                      const int fd = ::open(name.c_str(), O_RDWR | O_NOCTTY);
                                      return fd >= 0 && ::dup2(fd, STDERR_FILENO) == STDERR_FILENO;
                                    }}),
              Exits(0));
  std::string shown;
  static_cast<void>(drain(terminal, shown));
  ::close(terminal);
  EXPECT_THAT(shown, HasSubstr(fmt::format("waiting for {}: 1 s", log())));
  EXPECT_THAT(run_while_locked({}).err, IsEmpty());
}

// --- io_uring ---------------------------------------------------------------------------------

TEST_F(Surroundings, AForbiddenIoUringIsReplacedByThreadsWithTheReason) {
  create("1MiB");
  RunOptions forbidden{.input = "a\nb\n", .in_child = without_io_uring};
  const Outcome appended = run("append", {"--json"}, forbidden);
  if (appended.impossible) GTEST_SKIP() << "no seccomp filters";
  ASSERT_THAT(appended, Exits(0));
  const Json summary = objects(appended).back()["summary"];
  EXPECT_EQ(summary["device"], "threads");
  EXPECT_THAT(summary["device_reason"], HasSubstr("io_uring"));
  const Outcome recovered_there = run("recover", {}, forbidden);
  EXPECT_EQ(recovered_there.out, "a\nb\n");
  EXPECT_EQ(recovered(), "a\nb\n");
  EXPECT_THAT(run("info", {}, forbidden).out, HasSubstr("threads"));
  expect_refused(3, "io_uring", "append", {"--reset", "--device", "uring"}, forbidden);
}

TEST_F(Surroundings, WithoutLockedMemoryItGoesWithoutRegisteredMemoryAndSaysSo) {
  create("1MiB");
  ASSERT_EQ(::chmod(log().c_str(), 0666), 0);
  ASSERT_EQ(::chmod(dir().path().c_str(), 0755), 0);
  const rlimit little{.rlim_cur = 64 << 10, .rlim_max = 64 << 10};
  const RunOptions limited{.input = "a\nb\n", .in_child = [&] {
                             return ::setrlimit(RLIMIT_MEMLOCK, &little) == 0 && become_nobody() &&
                                    ::access(log().c_str(), R_OK | W_OK) == 0;
                           }};
  const Outcome appended = run("append", {"--json"}, limited);
  if (appended.impossible) GTEST_SKIP() << "cannot become somebody without rights here";
  ASSERT_THAT(appended, Exits(0));
  const Json summary = objects(appended).back()["summary"];
  if (summary["device"] == "threads") GTEST_SKIP() << summary["device_reason"];
  EXPECT_THAT(summary["device_reason"], HasSubstr("memory not registered"));
  EXPECT_THAT(summary["device_reason"], HasSubstr("ulimit -l"));
  EXPECT_EQ(recovered(), "a\nb\n");
}

TEST_F(Surroundings, AllowedIoUringIsUsed) {
  create("1MiB");
  const Json info = objects(run("info", {"--json"})).front();
  if (info["device"] == "threads") GTEST_SKIP() << info["device_reason"];
  EXPECT_EQ(info["device"], "uring");
}

}  // namespace
}  // namespace seqwal::process
