// Opening and creating: every bad input gets its own error, and leaves everything as it was.
#include "seqwal/backends/open.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "backends/src/file.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/format.h"
#include "tests/support/child.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kCapacity = std::uint64_t{1} << 20U;

OpenOptions options_for(const std::string& path, Access access = Access::read_write,
                        std::uint32_t lock_wait_ms = 0) {
  OpenOptions options;
  options.path = path;
  options.access = access;
  options.lock_wait_ms = lock_wait_ms;
  return options;
}

// The error's code by name, or "opened".
std::string outcome(const std::string& path, Access access = Access::read_write,
                    std::uint32_t lock_wait_ms = 0) {
  const auto opened = open_device(options_for(path, access, lock_wait_ms));
  return opened ? "opened" : std::string(to_string(opened.error().code));
}
std::string create_outcome(const std::string& path, std::uint64_t capacity = kCapacity,
                           bool force = false) {
  const auto created = open_device_for_create(options_for(path), capacity, force);
  return created ? "created" : std::string(to_string(created.error().code));
}
std::string detail_of(const std::string& path) {
  const auto opened = open_device(options_for(path));
  return opened ? "" : opened.error().detail;
}

std::set<int> open_descriptors() {
  std::set<int> all;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    all.insert(std::stoi(entry.path().filename().string()));
  }
  std::erase_if(all, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });  // the listing's own
  return all;
}

int run(Device& device, const IoRequest& request) {
  EXPECT_EQ(device.submit({&request, 1}), 1U);
  std::array<IoCompletion, 1> completion;
  while (device.reap(completion) == 0) device.wait(kNever);
  return completion[0].os_error;
}
int transfer(Device& device, IoKind kind, std::uint64_t position, std::span<std::byte> bytes) {
  const std::array segment{IoSegment{bytes.data(), bytes.size()}};
  return run(
      device,
      {.token = {}, .kind = kind, .durable = true, .position = {position}, .segments = segment});
}

class Open : public testing::Test {
 protected:
  std::string file(std::size_t bytes = kCapacity) {
    const std::string path = directory_ / ("file" + std::to_string(++files_));
    write_file(path, bytes);
    return path;
  }
  // Returns nothing, and marks the test as skipped, where there are no loop devices.
  static std::optional<LoopDevice> loop(const std::string& backing) {
    auto attached = LoopDevice::attach(backing);
    if (attached) return std::move(*attached);
    [&] { GTEST_SKIP() << "no loop device: " << attached.error(); }();
    return std::nullopt;
  }
  static std::optional<Mount> mount(const std::string& at, const std::string& source,
                                    const std::string& type, const std::string& options) {
    auto mounted = Mount::at(at, source, type, options);
    if (mounted) return std::move(*mounted);
    [&] { GTEST_SKIP() << "no mount: " << mounted.error(); }();
    return std::nullopt;
  }

  TempDir directory_;
  int files_ = 0;
};

using Create = Open;
using Locking = Open;
using Forbidden = Open;

// --- what is opened -------------------------------------------------------------------------

TEST_F(Open, ARegularFile) {
  const std::string path = file();
  auto opened = open_device(options_for(path));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_FALSE(opened->block_device);
  EXPECT_TRUE(opened->direct);
  const DeviceLimits& limits = opened->device->limits();
  EXPECT_EQ(limits.size_bytes, kCapacity);
  EXPECT_TRUE(limits.size_is_exact);
  EXPECT_EQ(limits.depth, 32U);
  EXPECT_LE(limits.block_bytes, 4096U);
  EXPECT_LE(limits.buffer_alignment_bytes, 4096U);
}

TEST_F(Open, ABlockDevice) {
  const auto device = loop(file());
  if (!device) return;
  auto opened = open_device(options_for(device->path()));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(opened->block_device);
  EXPECT_TRUE(opened->direct);
  EXPECT_EQ(opened->device->limits().size_bytes, kCapacity);
  EXPECT_FALSE(opened->device->limits().size_is_exact);
  EXPECT_EQ(opened->device->limits().block_bytes, 512U);
}

TEST_F(Open, ThroughASymbolicLink) {
  const std::string path = file();
  fs::create_symlink(path, directory_ / "link");
  EXPECT_EQ(outcome(directory_ / "link"), "opened");
}

TEST_F(Open, NothingIsWritten) {
  const std::string path = directory_ / "text";
  write_file(path, std::string(8192, 'x'));
  const auto before = fs::last_write_time(path);
  EXPECT_EQ(outcome(path), "opened");
  EXPECT_EQ(outcome(path, Access::read_only), "opened");
  EXPECT_EQ(read_whole_file(path), std::string(8192, 'x'));
  EXPECT_EQ(fs::last_write_time(path), before);
}

TEST_F(Open, ReadOnlyRefusesToWrite) {
  const std::string path = file();
  auto opened = open_device(options_for(path, Access::read_only));
  ASSERT_TRUE(opened);
  const AlignedMemory buffer(4096);
  EXPECT_EQ(transfer(*opened->device, IoKind::write, 0, buffer.span()), EBADF);
  EXPECT_EQ(transfer(*opened->device, IoKind::read, 0, buffer.span()), 0);
}

TEST_F(Open, EveryDescriptorIsClosedOnExecAndAtTheEnd) {
  const std::string path = file();
  for (const DeviceKind kind : {DeviceKind::automatic, DeviceKind::threads}) {
    const auto before = open_descriptors();
    {
      OpenOptions options = options_for(path);
      options.kind = kind;
      auto opened = open_device(options);
      ASSERT_TRUE(opened);
      EXPECT_GT(open_descriptors().size(), before.size());
      for (const int fd : open_descriptors()) {
        if (!before.contains(fd)) {
          EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
        }
      }
    }
    EXPECT_EQ(open_descriptors(), before);
  }
}

TEST_F(Open, RefusalsLeaveNoDescriptorBehind) {
  const std::string held = file();
  const auto holder = open_device(options_for(held));
  const auto before = open_descriptors();
  for (const std::string& path : {held, directory_.path(), directory_ / "missing"}) {
    EXPECT_NE(outcome(path), "opened");
    EXPECT_NE(create_outcome(path, 4097), "created");
  }
  EXPECT_EQ(create_outcome(held), "in-use");
  EXPECT_EQ(open_descriptors(), before);
}

// --- what is refused ------------------------------------------------------------------------

TEST_F(Open, ADirectoryIsTheWrongType) {
  EXPECT_EQ(outcome(directory_.path()), "wrong-type");
  EXPECT_EQ(create_outcome(directory_.path()), "wrong-type");
  EXPECT_THAT(detail_of(directory_.path()),
              AllOf(HasSubstr("a directory"), HasSubstr(directory_.path())));
}

TEST_F(Open, APipeIsTheWrongTypeAndDoesNotBlock) {
  const std::string path = directory_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(outcome(path), "wrong-type");
  EXPECT_EQ(outcome(path, Access::read_only), "wrong-type");
  EXPECT_EQ(create_outcome(path), "wrong-type");
  EXPECT_THAT(detail_of(path), HasSubstr("a pipe"));
}

TEST_F(Open, ACharacterDeviceIsTheWrongType) {
  EXPECT_EQ(outcome("/dev/null"), "wrong-type");
  EXPECT_EQ(create_outcome("/dev/zero"), "wrong-type");
}

TEST_F(Open, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(outcome(directory_ / "missing"), "not-found");
  EXPECT_EQ(outcome(directory_ / "missing", Access::read_only), "not-found");
  EXPECT_EQ(outcome(directory_ / "no/such/directory"), "not-found");
  EXPECT_EQ(outcome(file() + "/below-a-file"), "not-found");
  EXPECT_EQ(outcome(""), "not-found");
  EXPECT_EQ(outcome(std::string(5000, 'n')), "not-found");
  EXPECT_THAT(detail_of(directory_ / "missing"), HasSubstr(directory_ / "missing"));
}

TEST_F(Open, ALinkToNowhereIsNotFoundAndNotFollowedByCreate) {
  fs::create_symlink(directory_ / "nowhere", directory_ / "link");
  EXPECT_EQ(outcome(directory_ / "link"), "not-found");
  EXPECT_EQ(create_outcome(directory_ / "link"), "not-found");
  EXPECT_FALSE(fs::exists(directory_ / "nowhere"));
}

TEST_F(Open, WhoHasNoRightIsDenied) {
  const std::string path = file();
  fs::permissions(directory_.path(), fs::perms{0755});
  fs::permissions(path, fs::perms{0644});
  if (in_child([] { return std::string(become_nobody() ? "yes" : "no"); }) != "yes") {
    GTEST_SKIP() << "can't become nobody";
  }
  const auto as_nobody = [&](const std::function<std::string()>& body) {
    return in_child([&] { return become_nobody() ? body() : "still root"; });
  };
  EXPECT_EQ(as_nobody([&] { return outcome(path); }), "permission-denied");
  EXPECT_EQ(as_nobody([&] { return create_outcome(path); }), "permission-denied");
  EXPECT_EQ(as_nobody([&] { return create_outcome(directory_ / "new"); }), "permission-denied");
  EXPECT_FALSE(fs::exists(directory_ / "new"));
  if (as_nobody([&] { return std::string(::access(path.c_str(), R_OK) == 0 ? "yes" : "no"); }) ==
      "yes") {
    EXPECT_EQ(as_nobody([&] { return outcome(path, Access::read_only); }), "opened");
  }
  fs::permissions(path, fs::perms{0600});
  EXPECT_EQ(as_nobody([&] { return outcome(path, Access::read_only); }), "permission-denied");
}

TEST_F(Open, AReadOnlyFileSystemIsDenied) {
  const auto mounted = mount(directory_ / "ro", "none", "tmpfs", "size=1m");
  if (!mounted) return;
  write_file(directory_ / "ro/file", 65536);
  const std::string command = "mount -o remount,ro '" + directory_ / "ro" + "'";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no remount";
  EXPECT_EQ(outcome(directory_ / "ro/file"), "permission-denied");
  EXPECT_EQ(outcome(directory_ / "ro/file", Access::read_only), "opened");
  EXPECT_EQ(create_outcome(directory_ / "ro/new"), "permission-denied");
}

TEST_F(Open, AFileSystemWithoutDirectIoIsSaidSo) {
  const auto mounted = mount(directory_ / "ram", "none", "ramfs", "");
  if (!mounted) return;
  for (const DeviceKind kind : {DeviceKind::automatic, DeviceKind::threads}) {
    OpenOptions options = options_for(directory_ / "ram/file");
    options.kind = kind;
    auto created = open_device_for_create(options, kCapacity, true);
    ASSERT_TRUE(created) << created.error().message();
    EXPECT_FALSE(created->opened.direct);
    EXPECT_THAT(created->opened.kind_reason, HasSubstr("O_DIRECT"));
    Device& device = *created->opened.device;
    EXPECT_TRUE(device.limits().volatile_cache);
    EXPECT_EQ(device.limits().durable_write, DurableWrite::flush);
    EXPECT_EQ(device.limits().size_bytes, kCapacity);
    const AlignedMemory out(8192);
    const AlignedMemory in(8192);
    std::ranges::fill(out.span(), std::byte{0x3C});
    EXPECT_EQ(transfer(device, IoKind::write, 4096, out.span()), 0);
    EXPECT_EQ(transfer(device, IoKind::read, 4096, in.span()), 0);
    EXPECT_TRUE(std::ranges::equal(out.span(), in.span()));
  }
}

// --- locks ----------------------------------------------------------------------------------

struct Pair {
  Access first;
  Access second;
  std::string outcome;
};
const std::array kPairs = {
    Pair{Access::read_only, Access::read_only, "opened"},
    Pair{Access::read_only, Access::read_write, "in-use"},
    Pair{Access::read_write, Access::read_only, "in-use"},
    Pair{Access::read_write, Access::read_write, "in-use"},
};

TEST_F(Locking, ManyReadersOrOneWriter) {
  const auto device = loop(file());
  for (const std::string& path : {file(), device ? device->path() : file()}) {
    for (const Pair& pair : kPairs) {
      const auto first = open_device(options_for(path, pair.first, 1000));
      ASSERT_TRUE(first) << first.error().message();
      EXPECT_EQ(outcome(path, pair.second), pair.outcome) << "same process, " << path;
      EXPECT_EQ(in_child([&] { return outcome(path, pair.second); }), pair.outcome)
          << "another process, " << path;
    }
    EXPECT_EQ(outcome(path, Access::read_write, 1000), "opened") << path;
  }
}

TEST_F(Locking, AnotherProcessHoldsIt) {
  const std::string path = file();
  std::unique_ptr<Device> kept;
  HeldChild holder([&] {
    auto opened = open_device(options_for(path));
    if (opened) kept = std::move(opened->device);
    return std::string(opened ? "holds" : "failed");
  });
  ASSERT_EQ(holder.said(), "holds");
  EXPECT_EQ(outcome(path), "in-use");
  EXPECT_THAT(detail_of(path), AllOf(HasSubstr("process"), HasSubstr(path)));
  EXPECT_EQ(create_outcome(path), "in-use");
}

TEST_F(Locking, EndsWithTheProcessEvenWithWritesInFlight) {
  const auto device = loop(file(std::size_t{16} << 20U));
  const AlignedMemory buffer(std::size_t{1} << 20U);
  for (const std::string& path : {file(std::size_t{16} << 20U), device ? device->path() : file()}) {
    for (const DeviceKind kind : {DeviceKind::automatic, DeviceKind::threads}) {
      std::unique_ptr<Device> kept;
      HeldChild holder([&] {
        OpenOptions options = options_for(path, Access::read_write, 5000);
        options.kind = kind;
        auto opened = open_device(options);
        if (!opened) return opened.error().message();
        kept = std::move(opened->device);
        for (std::uint64_t i = 0; i < 16; ++i) {
          const std::array segment{IoSegment{buffer.data(), buffer.size()}};
          const IoRequest request{.token = {},
                                  .kind = IoKind::write,
                                  .durable = true,
                                  .position = {i << 20U},
                                  .segments = segment};
          if (kept->submit({&request, 1}) != 1) return std::string("refused");
        }
        return std::string("writes");
      });
      ASSERT_EQ(holder.said(), "writes");
      EXPECT_EQ(outcome(path), "in-use");
      holder.kill();
      EXPECT_EQ(outcome(path, Access::read_write, 5000), "opened");
    }
  }
}

TEST_F(Locking, WaitsAsLongAsItWasToldAndNoLonger) {
  const std::string path = file();
  const auto holder = open_device(options_for(path));
  ASSERT_TRUE(holder);
  PosixHost host;
  const Nanoseconds start = host.now();
  EXPECT_EQ(outcome(path, Access::read_write, 150), "in-use");
  EXPECT_GE(host.now() - start, 150'000'000);
  EXPECT_LT(host.now() - start, 5'000'000'000);
}

TEST_F(Locking, IsTakenWhenItIsReleasedInTime) {
  const auto device = loop(file());
  for (const std::string& path : {file(), device ? device->path() : file()}) {
    auto holder = open_device(options_for(path, Access::read_write, 1000));
    ASSERT_TRUE(holder);
    std::thread releaser([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      holder->device.reset();
    });
    EXPECT_EQ(outcome(path, Access::read_write, 5000), "opened");
    releaser.join();
  }
}

TEST_F(Locking, AClosedFileCanBeOpenedAtOnce) {
  const std::string path = file();
  for (const DeviceKind kind : {DeviceKind::automatic, DeviceKind::threads}) {
    for (int i = 0; i < 50; ++i) {
      OpenOptions options = options_for(path);
      options.kind = kind;
      auto opened = open_device(options);
      ASSERT_TRUE(opened) << i << ": " << opened.error().message();
      const AlignedMemory buffer(4096);
      ASSERT_EQ(transfer(*opened->device, IoKind::write, 0, buffer.span()), 0);
    }
  }
}

TEST_F(Locking, AFileReplacedMeanwhileIsNotTheOneThatIsOpened) {
  const std::string path = file();
  auto holder = open_device(options_for(path));
  ASSERT_TRUE(holder);
  std::thread replacer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    write_file(directory_ / "new", std::string(8192, 'n'));
    fs::rename(directory_ / "new", path);
    holder->device.reset();
  });
  auto opened = open_device(options_for(path, Access::read_write, 5000));
  replacer.join();
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->device->limits().size_bytes, 8192U);
}

TEST_F(Locking, AMountedBlockDeviceIsInUse) {
  const std::string backing = file(std::size_t{4} << 20U);
  const auto device = loop(backing);
  if (!device) return;
  const std::string command = "mkfs.ext4 -q '" + device->path() + "'";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no mkfs.ext4";
  const auto mounted = mount(directory_ / "mounted", device->path(), "ext4", "");
  if (!mounted) return;
  EXPECT_EQ(outcome(device->path()), "in-use");
  EXPECT_EQ(create_outcome(device->path()), "in-use");
}

// --- create ---------------------------------------------------------------------------------

TEST_F(Create, MakesAFileWithItsLengthAndSpace) {
  const std::string path = directory_ / "new";
  auto created = open_device_for_create(options_for(path), kCapacity, false);
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_TRUE(created->created_file);
  EXPECT_EQ(created->opened.device->limits().size_bytes, kCapacity);
  EXPECT_EQ(outcome(path), "in-use");
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), kCapacity);
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, kCapacity);
  const AlignedMemory buffer(4096);
  EXPECT_EQ(transfer(*created->opened.device, IoKind::write, kCapacity - 4096, buffer.span()), 0);
}

TEST_F(Create, TakesAnEmptyOrZeroFile) {
  const std::string sparse = directory_ / "sparse";
  write_file(sparse, 0);
  fs::resize_file(sparse, kCapacity * 3);
  for (const std::string& path :
       {file(0), file(100), file(kCapacity), file(kCapacity * 2), sparse}) {
    auto created = open_device_for_create(options_for(path), kCapacity, false);
    ASSERT_TRUE(created) << created.error().message();
    EXPECT_FALSE(created->created_file);
    EXPECT_EQ(fs::file_size(path), kCapacity);
  }
}

TEST_F(Create, RefusesAFileThatHoldsAnything) {
  const std::string path = directory_ / "precious";
  for (const std::size_t at : {std::size_t{0}, std::size_t{5000}, std::size_t{2 * kCapacity - 1}}) {
    std::string content(2 * kCapacity, '\0');
    content.at(at) = 'p';
    write_file(path, content);
    EXPECT_EQ(create_outcome(path), "already-exists") << at;
    EXPECT_EQ(create_outcome(path, 4 * kCapacity), "already-exists") << at;
    EXPECT_EQ(read_whole_file(path), content);
  }
  // Behind a hole too.
  write_file(path, 0);
  fs::resize_file(path, kCapacity * 4);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, "p", 1, kCapacity * 3 + 77), 1);
  ::close(fd);
  EXPECT_EQ(create_outcome(path), "already-exists");
  EXPECT_EQ(fs::file_size(path), kCapacity * 4);
}

TEST_F(Create, WithForceTakesAnyFile) {
  const std::string path = directory_ / "worthless";
  for (const std::size_t size : {std::size_t{10}, std::size_t{2 * kCapacity}}) {
    write_file(path, std::string(size, 'w'));
    EXPECT_EQ(create_outcome(path, kCapacity, true), "created");
    EXPECT_EQ(fs::file_size(path), kCapacity);
  }
}

TEST_F(Create, RefusesABadCapacityAndTouchesNothing) {
  const std::uint64_t too_large = std::uint64_t{1} << 61U;
  for (const std::uint64_t capacity :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096}, kMinCapacityBytes - kBlockBytes,
        kCapacity + 512, kCapacity - 1, too_large, kMaxCapacityBytes, ~std::uint64_t{0}}) {
    EXPECT_EQ(create_outcome(directory_ / "new", capacity), "bad-capacity") << capacity;
    EXPECT_FALSE(fs::exists(directory_ / "new")) << capacity;
    const std::string path = file(100);
    EXPECT_EQ(create_outcome(path, capacity, true), "bad-capacity") << capacity;
    EXPECT_EQ(fs::file_size(path), 100U) << capacity;
  }
  EXPECT_EQ(create_outcome(directory_ / "new", kMinCapacityBytes), "created");
}

TEST_F(Create, NeedsItsDirectory) {
  EXPECT_EQ(create_outcome(directory_ / "no/such/log"), "not-found");
  EXPECT_EQ(create_outcome(""), "not-found");
}

TEST_F(Create, OnABlockDeviceNeedsEnoughOfIt) {
  const auto device = loop(file());
  if (!device) return;
  EXPECT_EQ(create_outcome(device->path(), kCapacity + 4096), "bad-capacity");
  auto created = open_device_for_create(options_for(device->path(), Access::read_write, 1000),
                                        kCapacity - 4096, false);
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_FALSE(created->created_file);
  EXPECT_TRUE(created->opened.block_device);
  EXPECT_EQ(created->opened.device->limits().size_bytes, kCapacity);
}

TEST_F(Create, OfAFileInUseChangesNothing) {
  const std::string path = file(8192);
  const auto holder = open_device(options_for(path));
  EXPECT_EQ(create_outcome(path, kCapacity, true), "in-use");
  EXPECT_EQ(fs::file_size(path), 8192U);
}

// On a file system with less space than was asked for.
void expect_no_space_leaves_all_as_it_was(const std::string& directory) {
  EXPECT_EQ(create_outcome(directory + "/new", kCapacity * 16), "no-space");
  EXPECT_FALSE(fs::exists(directory + "/new"));
  write_file(directory + "/zero", 20000);
  EXPECT_EQ(create_outcome(directory + "/zero", kCapacity * 16), "no-space");
  EXPECT_EQ(read_whole_file(directory + "/zero"), std::string(20000, '\0'));
  write_file(directory + "/data", std::string(20000, 'd'));
  EXPECT_EQ(create_outcome(directory + "/data", kCapacity * 16, true), "no-space");
  EXPECT_EQ(read_whole_file(directory + "/data"), std::string(20000, 'd'));
  // And the space that was taken meanwhile is free again.
  EXPECT_EQ(create_outcome(directory + "/small", 65536), "created");
}

TEST_F(Create, WithoutSpaceOnTmpfs) {
  const auto mounted = mount(directory_ / "full", "none", "tmpfs", "size=2m");
  if (mounted) expect_no_space_leaves_all_as_it_was(directory_ / "full");
}

TEST_F(Create, WithoutSpaceOnExt4) {
  const auto device = loop(file(std::size_t{4} << 20U));
  if (!device) return;
  const std::string command = "mkfs.ext4 -q '" + device->path() + "'";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no mkfs.ext4";
  const auto mounted = mount(directory_ / "full", device->path(), "ext4", "");
  if (mounted) expect_no_space_leaves_all_as_it_was(directory_ / "full");
}

// --- io_uring forbidden ---------------------------------------------------------------------

constexpr const char* kNoFilter = "can't set a filter";

// What opening says in a child where `calls` fail with `os_error`: "uring|threads: REASON" or the
// error.
std::string opened_where_forbidden(const OpenOptions& options, const std::vector<long>& calls,
                                   int os_error) {
  return in_child([&]() -> std::string {
    if (!forbid_system_calls(calls, os_error)) return kNoFilter;
    auto opened = open_device(options);
    if (!opened) return opened.error().message();
    const AlignedMemory buffer(4096);
    if (transfer(*opened->device, IoKind::write, 0, buffer.span()) != 0) return "write failed";
    if (transfer(*opened->device, IoKind::read, 0, buffer.span()) != 0) return "read failed";
    return (opened->kind == DeviceKind::uring ? "uring: " : "threads: ") + opened->kind_reason;
  });
}

TEST_F(Forbidden, SetUpFallsBackToThreadsAndSaysWhy) {
  const std::string path = file();
  const std::string said = opened_where_forbidden(options_for(path), {SYS_io_uring_setup}, EPERM);
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_EQ(said,
            "threads: io_uring_setup: Operation not permitted (kernel.io_uring_disabled or a "
            "seccomp filter)");
  EXPECT_THAT(opened_where_forbidden(options_for(path), {SYS_io_uring_setup}, ENOSYS),
              AllOf(HasSubstr("threads: io_uring_setup"), HasSubstr("not implemented")));
  EXPECT_THAT(opened_where_forbidden(options_for(path), {SYS_io_uring_setup}, ENOMEM),
              AllOf(HasSubstr("threads: io_uring_setup"), HasSubstr("ulimit -l")));
}

TEST_F(Forbidden, EnterIsFoundOutBeforeAnythingDependsOnIt) {
  const std::string said = opened_where_forbidden(options_for(file()), {SYS_io_uring_enter}, EPERM);
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_THAT(said, HasSubstr("threads: io_uring_enter: Operation not permitted"));
}

TEST_F(Forbidden, RegistrationIsGoneWithoutAndSaidSo) {
  const std::string said =
      opened_where_forbidden(options_for(file()), {SYS_io_uring_register}, EPERM);
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_THAT(said, AllOf(HasSubstr("uring: "), HasSubstr("not registered"),
                          HasSubstr("Operation not permitted")));
}

TEST_F(Forbidden, WhenAskedForByNameIsAnError) {
  const std::string path = file();
  OpenOptions options = options_for(path);
  options.kind = DeviceKind::uring;
  const std::string said = opened_where_forbidden(options, {SYS_io_uring_setup}, EPERM);
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_THAT(said, AllOf(HasSubstr("unsupported: io_uring_setup: Operation not permitted"),
                          HasSubstr(path), HasSubstr("thread-pool")));
}

TEST_F(Forbidden, CreateTakesItsChangesBack) {
  const std::string path = directory_ / "new";
  const std::string old = file(100);
  const std::string said = in_child([&]() -> std::string {
    if (!forbid_system_calls({SYS_io_uring_setup}, EPERM)) return kNoFilter;
    OpenOptions options = options_for(path);
    options.kind = DeviceKind::uring;
    auto created = open_device_for_create(options, kCapacity, false);
    options.path = old;
    auto changed = open_device_for_create(options, kCapacity, false);
    if (created || changed) return "created";
    return std::string(to_string(created.error().code)) + ", " +
           std::string(to_string(changed.error().code));
  });
  if (said == kNoFilter) GTEST_SKIP() << said;
  EXPECT_EQ(said, "unsupported, unsupported");
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(fs::file_size(old), 100U);
}

// Asked of the kernel without our code: tests of io_uring are skipped where it is not used.
TEST_F(Open, UsesIoUringWhereTheKernelHasIt) {
  io_uring_params parameters{};
  const auto ring = static_cast<int>(::syscall(SYS_io_uring_setup, 4, &parameters));
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  const bool has = ring >= 0 && (parameters.features & kNeeded) == kNeeded &&
                   ::syscall(SYS_io_uring_enter, ring, 0, 0, 0, nullptr, 0) == 0;
  if (ring >= 0) ::close(ring);
  auto opened = open_device(options_for(file()));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->kind, has ? DeviceKind::uring : DeviceKind::threads) << opened->kind_reason;
  EXPECT_EQ(opened->kind_reason.empty(), has);
}

TEST_F(Open, LimitsFollowTheCache) {
  const std::string path = file();
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  const CacheTraits traits = read_cache_traits(status.st_dev);
  auto opened = open_device(options_for(path));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->device->limits().volatile_cache, traits.volatile_cache);
  DurableWrite expected = traits.fua ? DurableWrite::fua : DurableWrite::flush;
  if (!traits.volatile_cache) expected = DurableWrite::free;
  EXPECT_EQ(opened->device->limits().durable_write, expected);
}

}  // namespace
}  // namespace seqwal::testing_support
