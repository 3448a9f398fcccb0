// Memory that is announced to a device: what io_uring makes of it, what becomes of it when that is
// refused, and what the log announces.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/src/file.h"
#include "backends/src/uring_device.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/device.h"
#include "seqwal/log.h"
#include "tests/support/faulty_io.h"
#include "tests/support/log_world.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kBytes = std::uint64_t{1} << 20U;
constexpr std::size_t kUnit = 4096;

class UringMemory : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_ / "disk";
    write_file(path, kBytes);
    auto locked = open_and_lock(path, Access::read_write, 1000);
    ASSERT_TRUE(locked) << locked.error().message();
    auto file = probe_file(*locked, path);
    ASSERT_TRUE(file) << file.error().message();
    file->limits.depth = 8;
    auto opened = UringDevice::open(file->file, file->limits, faulty_rings(script_));
    if (!opened) GTEST_SKIP() << no_ring(opened.error());
    device_ = std::move(opened->device);
    if (const int os_error = announce(memory_.span()); os_error != 0) {
      GTEST_SKIP() << no_locked_memory(os_error);
    }
    ASSERT_EQ(device_->use_memory({}), 0);
    script_->registrations = 0;
  }

  int announce(std::span<std::byte> region) {
    const std::array regions{region};
    return device_->use_memory(regions);
  }
  int transfer(IoKind kind, std::uint64_t position, std::span<const IoSegment> segments,
               bool durable = false) {
    const IoRequest one{.token = {},
                        .kind = kind,
                        .durable = durable,
                        .position = {position},
                        .segments = segments};
    EXPECT_EQ(device_->submit({&one, 1}), 1U);
    std::array<IoCompletion, 1> completion;
    while (device_->reap(completion) == 0) device_->wait(kNever);
    return completion[0].os_error;
  }
  int write(std::span<std::byte> bytes, bool durable = false) {
    const std::array segment{IoSegment{bytes.data(), bytes.size()}};
    return transfer(IoKind::write, 0, segment, durable);
  }
  int read(std::span<std::byte> bytes) {
    const std::array segment{IoSegment{bytes.data(), bytes.size()}};
    return transfer(IoKind::read, 0, segment);
  }
  // How many of the operations since the last call used a registered buffer.
  std::uint64_t fixed() {
    return script_->fixed_operations - std::exchange(fixed_before_, script_->fixed_operations);
  }

  TempDir directory_;
  AlignedMemory memory_{8 * kUnit};
  AlignedMemory other_{2 * kUnit};
  std::shared_ptr<RingScript> script_ = std::make_shared<RingScript>();
  std::unique_ptr<Device> device_;  // destroyed before the memory that it was told of
  std::uint64_t fixed_before_ = 0;
};

TEST_F(UringMemory, IsRegisteredAndUsedByWhatLiesInItWhole) {
  ASSERT_EQ(announce(memory_.span().subspan(kUnit, 4 * kUnit)), 0);
  EXPECT_EQ(script_->registrations, 1U);
  const auto piece = [&](std::size_t first, std::size_t count) {
    return memory_.span().subspan(first * kUnit, count * kUnit);
  };
  EXPECT_EQ(write(piece(1, 4)), 0);
  EXPECT_EQ(write(piece(4, 1), true), 0);
  EXPECT_EQ(read(piece(2, 2)), 0);
  EXPECT_EQ(fixed(), 3U);
  EXPECT_EQ(write(piece(0, 1)), 0) << "just before it";
  EXPECT_EQ(write(piece(0, 2)), 0) << "across its begin";
  EXPECT_EQ(write(piece(4, 2)), 0) << "across its end";
  EXPECT_EQ(write(piece(5, 1)), 0) << "just behind it";
  EXPECT_EQ(read(other_.span()), 0);
  const std::array two{IoSegment{piece(1, 1).data(), kUnit}, IoSegment{piece(3, 1).data(), kUnit}};
  EXPECT_EQ(transfer(IoKind::write, 0, two), 0);
  EXPECT_EQ(transfer(IoKind::flush, 0, {}), 0);
  EXPECT_EQ(fixed(), 0U);
}

TEST_F(UringMemory, EachOfSeveralRegionsIsFound) {
  const std::array regions{memory_.span().first(kUnit), memory_.span().last(kUnit), other_.span()};
  ASSERT_EQ(device_->use_memory(regions), 0);
  for (const std::span<std::byte> region : regions) {
    const auto tag = static_cast<std::byte>(fixed() + 1 + region.size() / kUnit);
    std::ranges::fill(region, tag);
    EXPECT_EQ(write(region), 0);
    const AlignedMemory back(region.size());
    EXPECT_EQ(read(back.span()), 0);
    EXPECT_TRUE(std::ranges::equal(region, back.span()));
    EXPECT_EQ(fixed(), 1U);
  }
}

TEST_F(UringMemory, WhereItIsRefusedTransfersGoOnWithout) {
  for (const int os_error : {ENOMEM, EPERM, EOPNOTSUPP}) {
    script_->register_refusal = -os_error;
    EXPECT_EQ(announce(memory_.span()), os_error);
    EXPECT_EQ(write(memory_.span().first(kUnit)), 0);
    EXPECT_EQ(fixed(), 0U);
  }
  script_->register_refusal = 0;
  EXPECT_EQ(announce(memory_.span()), 0);
  EXPECT_EQ(write(memory_.span().first(kUnit)), 0);
  EXPECT_EQ(fixed(), 1U);
}

// The kernel itself refuses this.
TEST_F(UringMemory, MemoryThatIsNoneIsRefused) {
  EXPECT_EQ(announce({std::bit_cast<std::byte*>(std::uintptr_t{kUnit}), kUnit}), EFAULT);
  EXPECT_EQ(write(memory_.span()), 0);
  EXPECT_EQ(fixed(), 0U);
}

TEST_F(UringMemory, ANewOwnerRegistersItAgain) {
  ASSERT_EQ(announce(memory_.span()), 0);
  std::thread other([&] {
    EXPECT_EQ(write(memory_.span()), 0);
    script_->register_refusal = -ENOMEM;
  });
  other.join();
  EXPECT_EQ(script_->registrations, 2U);
  EXPECT_EQ(fixed(), 1U);
  // And one to whom it is refused goes without.
  EXPECT_EQ(write(memory_.span()), 0);
  EXPECT_EQ(script_->registrations, 3U);
  EXPECT_EQ(fixed(), 0U);
}

TEST_F(UringMemory, AnnouncingWithRequestsInFlightIsACallersBug) {
  const IoRequest one{
      .token = {}, .kind = IoKind::flush, .durable = false, .position = {}, .segments = {}};
  EXPECT_DEATH(
      {
        static_cast<void>(device_->submit({&one, 1}));
        static_cast<void>(announce(memory_.span()));
      },
      "precondition");
}

// The kernel would go on using the pages that stood there when they were registered.
TEST_F(UringMemory, OnceTakenBackTheSameAddressesMayBeOtherMemory) {
  const auto map = [](void* where) {
    void* const at =
        ::mmap(where, kUnit, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | (where != nullptr ? MAP_FIXED : 0), -1, 0);
    EXPECT_NE(at, MAP_FAILED);
    return at;
  };
  void* const at = map(nullptr);
  const std::span<std::byte> bytes(static_cast<std::byte*>(at), kUnit);
  ASSERT_EQ(announce(bytes), 0);
  std::ranges::fill(bytes, std::byte{1});
  ASSERT_EQ(write(bytes), 0);
  ASSERT_EQ(fixed(), 1U);

  ASSERT_EQ(device_->use_memory({}), 0);
  map(at);
  std::ranges::fill(bytes, std::byte{2});
  EXPECT_EQ(write(bytes), 0);
  const AlignedMemory back(kUnit);
  EXPECT_EQ(read(back.span()), 0);
  EXPECT_TRUE(std::ranges::equal(back.span(), bytes));
  EXPECT_EQ(fixed(), 0U);
  ::munmap(at, kUnit);
}

// --- the log --------------------------------------------------------------------------------

// Creates a log, appends through its thread, reads it back. What the log had to say goes to
// `events`.
void run_log(Device& device, EventRecorder& events) {
  constexpr std::size_t kRecords = 50;
  PosixHost host;
  const LogOptions options{.blocks = 4, .slots = 64};
  ASSERT_TRUE(create_log(device, host, {.capacity_bytes = kBytes}));
  std::atomic<std::size_t> durable{0};
  {
    auto log = Log::open(device, host, options, &events);
    ASSERT_TRUE(log);
    ASSERT_TRUE((*log)->recover([](const RecoveredRecord&) { return true; }));
    ASSERT_TRUE((*log)->reset());
    LogThread thread(**log, device, host);
    for (std::size_t i = 0; i < kRecords; ++i) {
      const auto told = [&](const AppendResult& result) {
        if (result.status == AppendStatus::durable) ++durable;
      };
      ASSERT_TRUE((*log)->append_wait(make_body(i, 1 + i * 300), told));
    }
    ASSERT_TRUE(thread.close());
  }
  EXPECT_EQ(durable, kRecords);
  std::size_t found = 0;
  auto log = Log::open(device, host, options);
  ASSERT_TRUE(log);
  ASSERT_TRUE((*log)->recover([&](const RecoveredRecord& record) {
    const auto body = make_body(found, 1 + found * 300);
    EXPECT_TRUE(std::ranges::equal(record.body, body)) << found;
    ++found;
    return true;
  }));
  EXPECT_EQ(found, kRecords);
}

TEST_F(UringMemory, TheLogWritesFromIt) {
  EventRecorder events;
  run_log(*device_, events);
  EXPECT_EQ(script_->registrations, 1U);
  EXPECT_GT(fixed(), 0U);
  EXPECT_EQ(events.count(EventKind::memory_unprepared), 0U);
}

TEST_F(UringMemory, TheLogSaysOnceThatItGoesWithout) {
  script_->register_refusal = -ENOMEM;
  EventRecorder events;
  run_log(*device_, events);
  EXPECT_EQ(script_->registrations, 1U);
  EXPECT_EQ(fixed(), 0U);
  ASSERT_EQ(events.count(EventKind::memory_unprepared), 1U);
  const auto told = std::ranges::find(events.events, EventKind::memory_unprepared, &Event::kind);
  EXPECT_EQ(told->os_error, ENOMEM);
}

TEST(LogMemory, IsAnnouncedAtTheFirstPollAndTakenBackAtTheEnd) {
  LogWorld world({.log = {.blocks = 4, .slots = 64, .reservations = 2}});
  EXPECT_EQ(world.device().memory_calls(), 0U);
  world.poll();
  ASSERT_EQ(world.device().memory().size(), 1U);
  EXPECT_EQ(world.device().memory().front().size(), std::size_t{4 + 2} * 256 * 1024);
  const std::uint64_t headers = world.device().counts().writes;
  for (std::size_t i = 0; i < 10; ++i) {
    world.append(1 + i * 100);
    world.run();
  }
  EXPECT_EQ(world.device().writes_from_memory(), world.device().counts().writes - headers);
  EXPECT_EQ(world.device().memory_calls(), 1U);
  world.close();
  EXPECT_TRUE(world.device().memory().empty());
  EXPECT_EQ(world.device().memory_calls(), 2U);
}

TEST(LogMemory, IsTakenBackFromALogThatFailed) {
  LogWorld world({});
  world.device().add_fault({.kind = IoKind::write, .nth = 1});
  world.append(100);
  world.run();
  ASSERT_TRUE(world.log().failure().has_value());
  EXPECT_FALSE(world.device().memory().empty());
  world.close();
  EXPECT_TRUE(world.device().memory().empty());
}

TEST(LogMemory, IsTakenBackFromALogThatIsDestroyedBeforeItFinished) {
  MemoryDevice device(64 << 10);
  ManualHost host;
  ASSERT_TRUE(create_log(device, host, {.capacity_bytes = 64 << 10}));
  auto log = Log::open(device, host, {.blocks = 2, .slots = 16});
  ASSERT_TRUE(log);
  ASSERT_TRUE((*log)->recover([](const RecoveredRecord&) { return true; }));
  ASSERT_TRUE((*log)->reset());
  (void)(*log)->poll(host.now());
  ASSERT_FALSE(device.memory().empty());
  log->reset();
  EXPECT_TRUE(device.memory().empty());
}

}  // namespace
}  // namespace seqwal::testing_support
