// What MemoryDevice does beyond the Device contract: the controls that other tests rely on.
#include "tests/support/memory_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kSize = 65536;
constexpr std::size_t kBlock = 4096;

DeviceLimits cached_limits() {
  DeviceLimits limits = MemoryDevice::default_limits();
  limits.volatile_cache = true;
  limits.durable_write = DurableWrite::flush;
  return limits;
}

class MemoryDeviceTest : public testing::Test {
 protected:
  // Each write has a buffer of its own, filled with `value`.
  void write(Device& device, std::uint64_t position, int value, bool durable = false,
             std::size_t length = kBlock) {
    buffers_.emplace_back(length);
    std::ranges::fill(buffers_.back().span(), static_cast<std::byte>(value));
    const IoSegment segment{buffers_.back().data(), length};
    submit(device, {.token = {next_++, 0},
                    .kind = IoKind::write,
                    .durable = durable,
                    .position = {position},
                    .segments = {&segment, 1}});
  }
  void flush(Device& device) {
    submit(device, {.token = {next_++, 0},
                    .kind = IoKind::flush,
                    .durable = false,
                    .position = {},
                    .segments = {}});
  }
  static void submit(Device& device, const IoRequest& request) {
    ASSERT_EQ(device.submit({&request, 1}), 1U);
  }
  // The slots of what completed, in order, and the last error.
  std::vector<std::uint32_t> reap(Device& device) {
    std::vector<std::uint32_t> slots;
    std::array<IoCompletion, 8> some;
    for (std::size_t got = 0; (got = device.reap(some)) > 0;) {
      for (const IoCompletion& completion : std::span(some).first(got)) {
        slots.push_back(completion.token.slot);
        if (completion.os_error != 0) last_error_ = completion.os_error;
      }
    }
    return slots;
  }
  static int at(const std::vector<std::byte>& image, std::uint64_t position) {
    return static_cast<int>(image.at(position));
  }

  std::vector<AlignedMemory> buffers_;
  std::uint32_t next_ = 0;
  int last_error_ = 0;
};

TEST_F(MemoryDeviceTest, CompletesInOrderUnlessToldOtherwise) {
  MemoryDevice device(kSize);
  for (std::uint64_t i = 0; i < 4; ++i) write(device, i * kBlock, 1);
  EXPECT_EQ(device.pending().size(), 4U);
  EXPECT_EQ(reap(device), (std::vector<std::uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(device.counts().writes, 4U);
  EXPECT_EQ(device.counts().written_bytes, 4 * kBlock);
}

TEST_F(MemoryDeviceTest, ShufflesBySeed) {
  const auto order = [&](std::uint64_t seed) {
    MemoryDevice device(kSize);
    device.set_order(CompletionOrder::shuffled, seed);
    next_ = 0;
    for (std::uint64_t i = 0; i < 8; ++i) write(device, i * kBlock, 1);
    return reap(device);
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
  auto sorted = order(3);
  std::ranges::sort(sorted);
  EXPECT_EQ(sorted, (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(MemoryDeviceTest, HeldRequestsCompleteWhenTheTestSays) {
  MemoryDevice device(kSize);
  device.set_order(CompletionOrder::held);
  for (std::uint64_t i = 0; i < 4; ++i) write(device, i * kBlock, 7);
  EXPECT_TRUE(reap(device).empty());
  EXPECT_EQ(at(device.image(), 2 * kBlock), 0);
  EXPECT_EQ(device.pending().at(2).position.value, 2 * kBlock);
  EXPECT_EQ(device.pending().at(2).length_bytes, kBlock);
  device.complete(2);
  EXPECT_EQ(at(device.image(), 2 * kBlock), 7);
  EXPECT_EQ(reap(device), (std::vector<std::uint32_t>{2}));
  device.fail(0, EIO);
  EXPECT_EQ(reap(device), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(last_error_, EIO);
  EXPECT_EQ(at(device.image(), 0), 0);
  device.complete_all();
  EXPECT_EQ(reap(device), (std::vector<std::uint32_t>{1, 3}));
}

TEST_F(MemoryDeviceTest, WaitReturnsAtOnceAndCountsIdleOnes) {
  MemoryDevice device(kSize);
  device.wait(kNever);
  EXPECT_EQ(device.idle_waits(), 1U);
  write(device, 0, 1);
  device.wait(kNever);
  EXPECT_EQ(device.idle_waits(), 1U);
  EXPECT_EQ(reap(device).size(), 1U);
  device.set_order(CompletionOrder::held);
  write(device, 0, 1);
  device.wait(kNever);
  EXPECT_EQ(device.idle_waits(), 2U);
  device.complete_all();
  EXPECT_EQ(reap(device).size(), 1U);
}

TEST_F(MemoryDeviceTest, APowerLossKeepsDurableWritesAndWhatAFlushCovered) {
  MemoryDevice device(kSize, cached_limits());
  write(device, 0, 1);
  write(device, kBlock, 2, true);
  reap(device);
  EXPECT_EQ(at(device.image(), 0), 1);
  EXPECT_EQ(at(device.durable_image(), 0), 0);
  EXPECT_EQ(at(device.durable_image(), kBlock), 2);
  flush(device);
  EXPECT_EQ(at(device.durable_image(), 0), 0);
  reap(device);
  EXPECT_EQ(device.durable_image(), device.image());
}

TEST_F(MemoryDeviceTest, AFlushCoversOnlyWhatWasReapedBeforeIt) {
  MemoryDevice device(kSize, cached_limits());
  device.set_order(CompletionOrder::held);
  write(device, 0, 1);
  device.complete_all();
  reap(device);
  write(device, kBlock, 2);  // completes before the flush does, but is reaped after
  device.complete_all();
  flush(device);
  write(device, 2 * kBlock, 3);  // submitted after the flush, completes before it
  device.complete(1);
  device.complete_all();
  EXPECT_EQ(at(device.durable_image(), 0), 1);
  EXPECT_EQ(at(device.durable_image(), kBlock), 0);
  EXPECT_EQ(at(device.durable_image(), 2 * kBlock), 0);
  reap(device);
}

TEST_F(MemoryDeviceTest, AnOlderWriteFlushedLateDoesNotUndoADurableOne) {
  MemoryDevice device(kSize, cached_limits());
  write(device, 0, 1, false, 2 * kBlock);
  reap(device);
  write(device, 0, 2, true);
  reap(device);
  flush(device);
  reap(device);
  EXPECT_EQ(at(device.durable_image(), 0), 2);
  EXPECT_EQ(at(device.durable_image(), kBlock), 1);
}

TEST_F(MemoryDeviceTest, AFailedFlushLosesWhatItCoveredAndTheNextSucceeds) {
  MemoryDevice device(kSize, cached_limits());
  device.add_fault({.kind = IoKind::flush});
  write(device, 0, 1);
  reap(device);
  flush(device);
  reap(device);
  EXPECT_EQ(last_error_, EIO);
  last_error_ = 0;
  flush(device);
  reap(device);
  EXPECT_EQ(last_error_, 0);
  EXPECT_EQ(at(device.image(), 0), 1);
  EXPECT_EQ(at(device.durable_image(), 0), 0);
}

TEST_F(MemoryDeviceTest, FaultsStrikeTheNthAndMayPersist) {
  MemoryDevice device(kSize);
  device.add_fault({.kind = IoKind::write, .nth = 2, .os_error = ENOSPC, .landed_bytes = 512});
  for (int value = 1; value <= 3; ++value) {
    write(device, 0, value);
    reap(device);
    EXPECT_EQ(last_error_, value == 2 ? ENOSPC : 0);
    last_error_ = 0;
    EXPECT_EQ(at(device.image(), 0), value);
    EXPECT_EQ(at(device.image(), 512), value == 2 ? 1 : value);
  }
  device.add_fault({.kind = IoKind::write, .nth = 2, .persistent = true});
  for (int i = 1; i <= 4; ++i) {
    last_error_ = 0;
    write(device, 0, 9);
    reap(device);
    EXPECT_EQ(last_error_, i >= 2 ? EIO : 0);
  }
}

TEST_F(MemoryDeviceTest, TakesThePayloadWhenItIsToldTo) {
  for (const PayloadMoment moment : {PayloadMoment::at_submit, PayloadMoment::at_completion}) {
    MemoryDevice device(kSize);
    device.set_payload_moment(moment);
    write(device, 0, 1);
    std::ranges::fill(buffers_.back().span(), std::byte{2});
    reap(device);
    EXPECT_EQ(at(device.image(), 0), moment == PayloadMoment::at_submit ? 1 : 2);
  }
}

TEST_F(MemoryDeviceTest, StartsFromAnImage) {
  std::vector<std::byte> image(kSize);
  image.at(100) = std::byte{42};
  const MemoryDevice device(image, cached_limits());
  EXPECT_EQ(device.limits().size_bytes, kSize);
  EXPECT_EQ(at(device.image(), 100), 42);
  EXPECT_EQ(at(device.durable_image(), 100), 42);
}

TEST_F(MemoryDeviceTest, AnAbandonedOneTakesAndGivesNothing) {
  MemoryDevice device(kSize);
  write(device, 0, 1);
  device.abandon();
  EXPECT_TRUE(reap(device).empty());
  const IoRequest request{
      .token = {}, .kind = IoKind::flush, .durable = false, .position = {}, .segments = {}};
  EXPECT_EQ(device.submit({&request, 1}), 0U);
  EXPECT_EQ(at(device.image(), 0), 0);
}

using MemoryDeviceDeathTest = MemoryDeviceTest;

TEST_F(MemoryDeviceDeathTest, OverlapsInFlightAbort) {
  MemoryDevice device(kSize);
  write(device, 0, 1, false, 2 * kBlock);
  EXPECT_DEATH(write(device, kBlock, 2), "overlaps");
  reap(device);
  write(device, kBlock, 2);
  reap(device);
}

TEST_F(MemoryDeviceDeathTest, ABufferChangedInFlightAborts) {
  MemoryDevice device(kSize);
  device.set_check_buffers(true);
  write(device, 0, 1);
  buffers_.back().span().back() = std::byte{9};
  EXPECT_DEATH(reap(device), "changed");
  device.abandon();
}

TEST_F(MemoryDeviceDeathTest, DestructionWithRequestsInFlightAborts) {
  EXPECT_DEATH(
      {
        MemoryDevice device(kSize);
        write(device, 0, 1);
      },
      "in flight");
}

}  // namespace
}  // namespace seqwal::testing_support
