#include "core/src/tail.h"

#include <gtest/gtest.h>

#include <expected>

namespace seqwal {
namespace {

constexpr std::uint64_t kCapacity = kHeaderAreaBytes + 100 * kBlockBytes;
const Geometry kGeometry(kCapacity);

ClaimLimits roomy() {
  return {.reference = {0},
          .space_end = {100 * kBlockBytes},
          .released_blocks = 0,
          .released_tickets = 0,
          .blocks = 8,
          .slots = 64};
}

// What plan_claim decides.
std::expected<ClaimPlan, Refusal> plan_of(const Tail& tail, const ClaimLimits& limits,
                                          const Geometry& geometry, std::uint32_t record_bytes) {
  ClaimPlan plan;
  const Refusal refusal = plan_claim(tail, limits, geometry, record_bytes, false, plan);
  if (refusal != Refusal::none) return std::unexpected(refusal);
  return plan;
}

Tail full_at(std::int64_t offset) {
  return {.offset = {offset}, .pages = Tail::kFull, .block = 0xFF, .ticket = 0};
}

TEST(Tail, PacksAndUnpacksOverTheWholeOffsetRange) {
  for (const std::int64_t reference : {std::int64_t{0}, std::int64_t{1} << 31,
                                       (std::int64_t{1} << 33) - 5, std::int64_t{1} << 62}) {
    for (const std::int64_t ahead : {std::int64_t{0}, std::int64_t{1}, Tail::kMaxSpanBytes - 1}) {
      const Tail tail{.offset = {reference + ahead}, .pages = 64, .block = 200, .ticket = 65535};
      EXPECT_EQ(Tail::unpack(tail.pack(), Offset{reference}), tail);
    }
  }
}

TEST(Tail, TheFirstRecordBeginsBlockZero) {
  const auto plan = plan_of(full_at(8192), roomy(), kGeometry, 100);
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->new_block);
  EXPECT_EQ(plan->offset, Offset{8192});
  EXPECT_EQ(plan->after.block, 0);
  EXPECT_EQ(plan->after.ticket, 1);
  EXPECT_EQ(plan->after.offset, Offset{8292});
  EXPECT_EQ(plan->after.block_start(), Offset{8192});
}

TEST(Tail, ARecordJoinsAnOpenBlockExactlyUpToTheSoftLimit) {
  const auto first = plan_of(full_at(0), roomy(), kGeometry, 100);
  ASSERT_TRUE(first.has_value());
  const auto exact = plan_of(first->after, roomy(), kGeometry, kSoftLimitBytes - 100);
  ASSERT_TRUE(exact.has_value());
  EXPECT_FALSE(exact->new_block);
  EXPECT_EQ(exact->after.used_bytes(), kSoftLimitBytes);
  const auto over = plan_of(first->after, roomy(), kGeometry, kSoftLimitBytes - 99);
  ASSERT_TRUE(over.has_value());
  EXPECT_TRUE(over->new_block);
  EXPECT_EQ(over->offset, Offset{4096});
  const auto next = plan_of(exact->after, roomy(), kGeometry, 1 + kRecordHeaderBytes);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->offset, Offset{kSoftLimitBytes});
  EXPECT_TRUE(next->new_block);
}

TEST(Tail, ARecordEndsExactlyAtTheEndOfTheCycleOrJumps) {
  const std::int64_t last = 99 * kBlockBytes;
  const auto exact = plan_of(full_at(last), roomy(), kGeometry, kBlockBytes);
  ASSERT_TRUE(exact.has_value());
  EXPECT_EQ(exact->offset, Offset{last});
  ClaimLimits more = roomy();
  more.space_end = {200 * kBlockBytes};
  const auto jump = plan_of(full_at(last), more, kGeometry, kBlockBytes + 1);
  ASSERT_TRUE(jump.has_value());
  EXPECT_EQ(jump->gap_begin, Offset{last});
  EXPECT_EQ(jump->offset, Offset{100 * kBlockBytes});
}

TEST(Tail, SpaceIsCountedToTheEndOfTheBlock) {
  ClaimLimits limits = roomy();
  limits.space_end = {2 * kBlockBytes};
  EXPECT_TRUE(plan_of(full_at(kBlockBytes), limits, kGeometry, kBlockBytes).has_value());
  const auto over = plan_of(full_at(kBlockBytes), limits, kGeometry, kBlockBytes + 1);
  ASSERT_FALSE(over.has_value());
  EXPECT_EQ(over.error(), Refusal::over_capacity);
}

TEST(Tail, AJumpIsLetThroughWhereEverythingBeforeItIsTrimmed) {
  const std::int64_t at = 60 * kBlockBytes;
  ClaimLimits drained = roomy();
  drained.space_end = {at + 100 * kBlockBytes};
  EXPECT_TRUE(plan_of(full_at(at), drained, kGeometry, 100 * kBlockBytes).has_value());
  ClaimLimits almost = drained;
  almost.space_end = drained.space_end - kBlockBytes;
  EXPECT_EQ(plan_of(full_at(at), almost, kGeometry, 100 * kBlockBytes).error(),
            Refusal::over_capacity);
}

TEST(Tail, SlotsBlocksAndSpanAreLimits) {
  ClaimLimits limits = roomy();
  Tail tail = full_at(0);
  tail.ticket = 64;
  EXPECT_EQ(plan_of(tail, limits, kGeometry, 100).error(), Refusal::would_block);
  limits.released_tickets = 1;
  EXPECT_TRUE(plan_of(tail, limits, kGeometry, 100).has_value());
  tail.ticket = static_cast<std::uint16_t>(65536 + 64);  // the count of tickets has wrapped
  limits.released_tickets = 65536 + 1;
  EXPECT_TRUE(plan_of(tail, limits, kGeometry, 100).has_value());

  Tail blocks = full_at(0);
  blocks.block = 7;
  EXPECT_EQ(plan_of(blocks, roomy(), kGeometry, 100).error(), Refusal::would_block);
  blocks.block = 6;
  EXPECT_TRUE(plan_of(blocks, roomy(), kGeometry, 100).has_value());

  const Geometry huge(std::uint64_t{1} << 40U);
  ClaimLimits far = roomy();
  far.space_end = {std::int64_t{1} << 39};
  const Tail ahead{.offset = {Tail::kMaxSpanBytes - 4096}, .pages = Tail::kFull};
  EXPECT_TRUE(plan_of(ahead, far, huge, 4095).has_value());
  EXPECT_EQ(plan_of(ahead, far, huge, 4096).error(), Refusal::would_block);
}

TEST(Tail, OffsetsEndBeforeTheyCouldOverflow) {
  ClaimLimits limits = roomy();
  const std::int64_t late = round_down_to_block(kMaxOffset.value - 200 * std::int64_t{kBlockBytes});
  limits.reference = {late};
  limits.space_end = kMaxOffset;
  EXPECT_EQ(plan_of(full_at(late), limits, kGeometry, 100).error(), Refusal::offset_exhausted);
}

TEST(Tail, AStoppedTailRefuses) {
  Tail tail = full_at(0);
  tail.pages = Tail::kStopped;
  EXPECT_EQ(plan_of(tail, roomy(), kGeometry, 100).error(), Refusal::stopped);
}

TEST(Tail, ARecordAboveTheSoftLimitLeavesNoOpenBlock) {
  const auto plan = plan_of(full_at(0), roomy(), kGeometry, kSoftLimitBytes + 1);
  ASSERT_TRUE(plan.has_value());
  EXPECT_FALSE(plan->after.open());
  EXPECT_EQ(plan->after.offset, Offset{kSoftLimitBytes + 1});
  EXPECT_EQ(plan_of(plan->after, roomy(), kGeometry, 100)->offset,
            Offset{kSoftLimitBytes + kBlockBytes});
}

}  // namespace
}  // namespace seqwal
