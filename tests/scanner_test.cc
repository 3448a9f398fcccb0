// Scanner: how far it reads ahead, and which errors count.
#include "core/src/scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "seqwal/recovery.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace seqwal {
namespace {

using testing_support::ManualHost;
using testing_support::MemoryDevice;

constexpr std::int64_t kBlocks = 64;
constexpr std::uint64_t kCapacity = kHeaderAreaBytes + kBlocks * kBlockBytes;
constexpr std::uint32_t kReads = 8;

Offset block(std::int64_t index) { return {index * kBlockBytes}; }

// Reads of one block each, at most eight in flight, over a ring that was written once.
class ScannerTest : public testing::Test {
 protected:
  // A byte of this block; true if it can be read.
  bool reads(std::int64_t index) {
    const auto bytes = scanner_.view(block(index) + 1, 1);
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes && *bytes;
  }
  [[nodiscard]] std::uint64_t issued() const { return device_.counts().reads; }

  MemoryDevice device_{kCapacity};
  Scanner scanner_{device_,        Geometry(kCapacity), block(0),
                   block(kBlocks), kReads* kBlockBytes, kReads};
};

TEST_F(ScannerTest, ReadAheadGrowsByOneRequestWithEachThatWasOfUse) {
  for (std::int64_t index = 0; index < kBlocks; ++index) {
    EXPECT_TRUE(reads(index));
    const std::int64_t ahead = std::min<std::int64_t>(index, kReads - 1);
    EXPECT_EQ(issued(), std::min(kBlocks, index + 1 + ahead)) << index;
  }
}

TEST_F(ScannerTest, AJumpBeyondWhatWasReadAheadBeginsAnew) {
  for (std::int64_t index = 0; index < 16; ++index) EXPECT_TRUE(reads(index));
  const std::uint64_t before = issued();
  EXPECT_TRUE(reads(40));
  EXPECT_EQ(issued(), before + 1);
  EXPECT_TRUE(reads(41));
  EXPECT_EQ(issued(), before + 3);
}

TEST_F(ScannerTest, AJumpOverWhatWasReadAheadBeginsAnewBehindIt) {
  for (std::int64_t index = 0; index < 16; ++index) EXPECT_TRUE(reads(index));
  const std::uint64_t before = issued();
  EXPECT_EQ(before, 23U);
  EXPECT_TRUE(reads(22));
  EXPECT_EQ(issued(), before);
  EXPECT_TRUE(reads(23));
  EXPECT_EQ(issued(), before + 2);
}

TEST_F(ScannerTest, NothingIsReadAheadOfTheBound) {
  scanner_.bound_read_ahead(block(2));
  for (std::int64_t index = 0; index < 10; ++index) {
    EXPECT_TRUE(reads(index));
    EXPECT_EQ(issued(),
              std::max<std::int64_t>(index + 1, std::min<std::int64_t>(2 * index + 1, 2)));
  }
}

TEST_F(ScannerTest, AnErrorOfAReadThatNobodyNeedsIsNone) {
  device_.add_fault({.kind = IoKind::read, .nth = 3, .os_error = ENODEV});
  EXPECT_TRUE(reads(0));
  EXPECT_TRUE(reads(1));
  EXPECT_EQ(issued(), 3U);
  EXPECT_TRUE(reads(3));
  EXPECT_TRUE(scanner_.unreadable().empty());
}

TEST_F(ScannerTest, AnErrorCountsOnceItsBytesAreNeeded) {
  device_.add_fault({.kind = IoKind::read, .nth = 3, .os_error = ENODEV});
  EXPECT_TRUE(reads(0));
  EXPECT_TRUE(reads(1));
  const auto bytes = scanner_.view(block(2), 1);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::io_error);
  EXPECT_EQ(bytes.error().os_error, ENODEV);
  EXPECT_EQ(bytes.error().offset, block(2));
}

// Passes everything on, and notes how much was in flight at once.
class Gauge final : public Device {
 public:
  explicit Gauge(Device& device) : device_(device) {}

  const DeviceLimits& limits() const override { return device_.limits(); }
  std::size_t submit(std::span<const IoRequest> requests) override {
    const std::size_t count = device_.submit(requests);
    in_flight_ += count;
    most_in_flight_ = std::max(most_in_flight_, in_flight_);
    return count;
  }
  std::size_t reap(std::span<IoCompletion> completions) override {
    const std::size_t count = device_.reap(completions);
    in_flight_ -= count;
    return count;
  }
  void wait(Nanoseconds deadline) override { device_.wait(deadline); }
  void wake() override { device_.wake(); }

  [[nodiscard]] std::size_t most_in_flight() const { return most_in_flight_; }

 private:
  Device& device_;
  std::size_t in_flight_ = 0;
  std::size_t most_in_flight_ = 0;
};

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

RecoveryReport recover_new_log(MemoryDevice& memory, Device& device, FormatVersion version,
                               std::int64_t window_bytes) {
  ManualHost host;
  const CreateOptions create{.capacity_bytes = memory.limits().size_bytes,
                             .version = version,
                             .window_bytes = window_bytes};
  EXPECT_TRUE(create_log(memory, host, create));
  const auto recovery = Recovery::open(device, host, {});
  EXPECT_TRUE(recovery);
  if (!recovery) return {};
  const auto record = (*recovery)->next();
  EXPECT_TRUE(record && !*record);
  return (*recovery)->report();
}

TEST(ReadAhead, KeepsEightRequestsInFlightUnlessToldOtherwise) {
  MemoryDevice memory(kHeaderAreaBytes + 24 * kMiB);
  Gauge device(memory);
  // Everything is looked at: what lies in the window may have been written out of order.
  const RecoveryReport report =
      recover_new_log(memory, device, FormatVersion::v0, static_cast<std::int64_t>(24 * kMiB));
  EXPECT_GE(report.read_bytes, 24 * kMiB);
  EXPECT_EQ(device.most_in_flight(), 8U);
}

TEST(ReadAhead, OfALogThatEndsAtOnceIsOneRequest) {
  MemoryDevice memory(kHeaderAreaBytes + 24 * kMiB);
  Gauge device(memory);
  const RecoveryReport report =
      recover_new_log(memory, device, FormatVersion::v1, static_cast<std::int64_t>(24 * kMiB));
  EXPECT_LE(report.read_bytes, kHeaderAreaBytes + kMiB);
}

}  // namespace
}  // namespace seqwal
