// The arithmetic of the ring over the whole 63-bit range, against the same in unsigned integers
// that cannot overflow.
#include "seqwal/geometry.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace seqwal {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kBlock = 4096;

std::uint64_t to_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::uint64_t round_up(std::uint64_t value) { return (value + kBlock - 1) / kBlock * kBlock; }
std::uint64_t saturated(std::uint64_t value) { return std::min(value, to_unsigned(kMax)); }

// Any offset; the ends of the range and block boundaries more often than their share.
std::int64_t arbitrary_offset() {
  const auto any = *rc::gen::inRange<std::int64_t>(0, kMax);
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      return any;
    case 1:
      return any / 4096 * 4096;
    case 2:
      return kMax - *rc::gen::inRange<std::int64_t>(0, 100'000);
    case 3:
      return *rc::gen::inRange<std::int64_t>(0, 1'000'000);
    default:
      return (std::int64_t{1} << *rc::gen::inRange(1U, 63U)) -
             *rc::gen::inRange<std::int64_t>(0, 2);
  }
}

std::uint64_t arbitrary_capacity() {
  const std::uint64_t most = kMaxCapacityBytes / kBlock;
  const auto blocks = *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(3, 100),
                                      rc::gen::inRange<std::uint64_t>(3, most + 1),
                                      rc::gen::element<std::uint64_t>(3, 4, most));
  return blocks * kBlock;
}

TEST(Geometry, OfAnExample) {
  const Geometry geometry(65536);
  EXPECT_EQ(geometry.capacity_bytes(), 65536U);
  EXPECT_EQ(geometry.section_bytes(), 57344);
  EXPECT_EQ(geometry.position(Offset{0}), DevicePosition{8192});
  EXPECT_EQ(geometry.position(Offset{57343}), DevicePosition{65535});
  EXPECT_EQ(geometry.position(Offset{57344}), DevicePosition{8192});
  EXPECT_EQ(geometry.position(Offset{65536}), DevicePosition{16384});
  EXPECT_EQ(geometry.cycle(Offset{57343}), 0);
  EXPECT_EQ(geometry.cycle(Offset{57344}), 1);
  EXPECT_EQ(geometry.left_in_cycle(Offset{57344}), 57344);
  EXPECT_EQ(geometry.left_in_cycle(Offset{57343}), 1);
  EXPECT_EQ(geometry.next_cycle(Offset{57343}), Offset{57344});
  EXPECT_EQ(geometry.next_cycle(Offset{57344}), Offset{114688});
  EXPECT_EQ(geometry.max_body_bytes(), 57320U);
  EXPECT_EQ(Geometry(kMinCapacityBytes).max_body_bytes(), 4072U);
  EXPECT_EQ(Geometry(std::uint64_t{1} << 40U).max_body_bytes(), 134217704U);
  EXPECT_EQ(Geometry((128U << 20U) + 8192).max_body_bytes(), 134217704U);
  EXPECT_EQ(Geometry((128U << 20U) + 8192 - 4096).max_body_bytes(), 134213608U);
}

// The reference's own examples of where a new log starts after reset: 65536 at a fresh one.
TEST(Geometry, ResetStartsBeyondAnythingTheDeviceCanHold) {
  const Geometry geometry(65536);
  EXPECT_EQ(geometry.reset_start(Offset{-1}), Offset{65536});
  EXPECT_EQ(geometry.reset_start(Offset{0}), Offset{65536});
  EXPECT_EQ(geometry.reset_start(Offset{1}), Offset{65536 + 4096});
  EXPECT_EQ(geometry.reset_start(Offset{65535}), Offset{131072});
  EXPECT_EQ(geometry.reset_start(Offset{kMax}), kMaxOffset);
}

TEST(Geometry, WhereBlockWritesEnd) {
  EXPECT_EQ(Geometry(65536).space_end(Offset{0}), Offset{57344});
  EXPECT_EQ(Geometry(65536).space_end(Offset{8192}), Offset{8192 + 57344});
}

TEST(Geometry, WhereRecoveryEndsWhateverTheBytesSay) {
  const Geometry geometry(65536);
  EXPECT_EQ(geometry.recovery_end(Offset{-1}), Offset{4096 + 57344});
  EXPECT_EQ(geometry.recovery_end(Offset{0}), Offset{4096 + 57344});
  EXPECT_EQ(geometry.recovery_end(Offset{4095}), Offset{4096 + 57344});
  EXPECT_EQ(geometry.recovery_end(Offset{4096}), Offset{8192 + 57344});
  EXPECT_EQ(geometry.recovery_end(Offset{kMax}), kMaxOffset);
  EXPECT_EQ(geometry.recovery_end(Offset{kMax - 4096}), kMaxOffset);
}

TEST(Geometry, AtTheVeryEndNothingOverflows) {
  for (const std::uint64_t capacity :
       {kMinCapacityBytes, std::uint64_t{65536}, kMaxCapacityBytes}) {
    const Geometry geometry(capacity);
    for (const std::int64_t offset : {kMax, kMax - 1, kMax - 4095, kMax - 4096, kMax - 8192}) {
      EXPECT_LE(geometry.next_cycle(Offset{offset}), kMaxOffset);
      EXPECT_LE(geometry.space_end(Offset{offset}), kMaxOffset);
      EXPECT_GE(geometry.space_end(Offset{offset}), Offset{kMax - 2 * 8192});
      EXPECT_LE(geometry.recovery_end(Offset{offset}), kMaxOffset);
      EXPECT_GE(geometry.recovery_end(Offset{offset}), Offset{offset});
      EXPECT_GE(geometry.reset_start(Offset{offset}), Offset{offset});
    }
  }
}

TEST(SaturatingAdd, StopsAtTheLastOffset) {
  EXPECT_EQ(saturating_add(Offset{kMax}, 0), kMaxOffset);
  EXPECT_EQ(saturating_add(Offset{kMax}, 1), kMaxOffset);
  EXPECT_EQ(saturating_add(Offset{kMax - 1}, 1), kMaxOffset);
  EXPECT_EQ(saturating_add(Offset{kMax - 2}, 1), Offset{kMax - 1});
  EXPECT_EQ(saturating_add(Offset{0}, kMax), kMaxOffset);
  EXPECT_EQ(saturating_add(Offset{-1}, kMax), Offset{kMax - 1});
  EXPECT_EQ(saturating_add(Offset{-1}, 0), Offset{-1});
}

RC_GTEST_PROP(Geometry, CoordinatesOfAnyOffset, ()) {
  const std::uint64_t capacity = arbitrary_capacity();
  const Offset offset{arbitrary_offset()};
  const Geometry geometry(capacity);
  const std::uint64_t section = capacity - 2 * kBlock;
  const std::uint64_t at = to_unsigned(offset.value);

  RC_ASSERT(geometry.capacity_bytes() == capacity);
  RC_ASSERT(to_unsigned(geometry.section_bytes()) == section);
  RC_ASSERT(to_unsigned(geometry.position_in_section(offset)) == at % section);
  RC_ASSERT(geometry.position(offset).value == at % section + 8192);
  RC_ASSERT(to_unsigned(geometry.cycle(offset)) == at / section);
  RC_ASSERT(to_unsigned(geometry.left_in_cycle(offset)) == section - at % section);
  RC_ASSERT(to_unsigned(geometry.next_cycle(offset).value) ==
            saturated((at / section + 1) * section));
}

RC_GTEST_PROP(Geometry, LimitsOfAnyTrimOffset, ()) {
  const std::uint64_t capacity = arbitrary_capacity();
  const Offset trim{*rc::gen::inRange(0, 10) == 0 ? -1 : arbitrary_offset()};
  const Geometry geometry(capacity);
  const std::uint64_t section = capacity - 2 * kBlock;
  const std::uint64_t after = to_unsigned(trim.value + (trim.value == kMax ? 0 : 1)) +
                              (trim.value == kMax ? 1 : 0);  // trim + 1

  const Offset keep{arbitrary_offset()};
  RC_ASSERT(to_unsigned(geometry.space_end(keep).value) ==
            saturated(to_unsigned(keep.value) + section));
  const std::uint64_t first = trim.value < 0 ? 0 : to_unsigned(trim.value);
  RC_ASSERT(to_unsigned(geometry.recovery_end(trim).value) ==
            saturated(round_up(first + 1) + section));
  RC_ASSERT(to_unsigned(geometry.reset_start(trim).value) ==
            saturated(round_up(after - 1 + capacity)));
}

RC_GTEST_PROP(Geometry, TheLongestBodyFillsTheSection, ()) {
  const std::uint64_t capacity = arbitrary_capacity();
  RC_ASSERT(Geometry(capacity).max_body_bytes() ==
            std::min<std::uint64_t>(capacity - 2 * kBlock - 24, 134217704));
}

RC_GTEST_PROP(Blocks, RoundingIsToTheNearestBoundary, ()) {
  const auto value = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 62U);
  RC_ASSERT(round_up_to_block(value) == round_up(value));
  RC_ASSERT(round_down_to_block(value) == value / kBlock * kBlock);
  const Offset offset{static_cast<std::int64_t>(value)};
  RC_ASSERT(is_block_aligned(offset) == (value % kBlock == 0));
  RC_ASSERT(to_unsigned(round_up_to_block(offset).value) == round_up(value));
  RC_ASSERT(to_unsigned(round_down_to_block(offset).value) == value / kBlock * kBlock);
}

}  // namespace
}  // namespace seqwal
