// Version 0 tolerates holes: how far recovery goes on past the first one, what it takes for the
// jump at the end of a cycle, and where the trim offset lets it begin. docs/format.md, "Recovery".
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/scenario.h"

namespace seqwal::conformance {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::string name_of(const testing::TestParamInfo<Scenario>& info) { return info.param.name(); }

class Holes : public testing::TestWithParam<Scenario> {};
TEST_P(Holes, Conform) { expect_conformance(GetParam()); }

// --- the window -------------------------------------------------------------------------------

std::vector<Scenario> windows() {
  return {
      Scenario("NothingWasWritten"),
      Scenario("RecordsBackToBackInTheirOwnBlocks")
          .full_blocks(0, 4 * kB)
          .gives({0, kB, 2 * kB, 3 * kB, 4 * kB}),
      Scenario("ZeroFillSeparatesBlockWrites").records({0, kB, 2 * kB}).gives({0, kB, 2 * kB}),
      Scenario("MergedRecords")
          .records({0, 124, 248, kB, kB + 124})
          .gives({0, 124, 248, kB, kB + 124}),
      Scenario("OneBlockIsMissing")
          .records({0, kB, 3 * kB})
          .gives({0, kB, 3 * kB})
          .prefix({0, kB})
          .holes({{2 * kB, 3 * kB}}),
      Scenario("SeveralBlocksAreMissing")
          .records({0, 4 * kB, 7 * kB})
          .gives({0, 4 * kB, 7 * kB})
          .prefix({0})
          .holes({{kB, 4 * kB}, {5 * kB, 7 * kB}}),
      Scenario("TheFirstBlockIsMissing")
          .records({kB, 2 * kB})
          .gives({kB, 2 * kB})
          .prefix({})
          .holes({{0, kB}}),
      Scenario("StrictStopsAWindowAfterTheFirstHole")
          .window(2 * kB)
          .records({0, 2 * kB, 3 * kB, 4 * kB})
          .gives({0, 2 * kB, 3 * kB, 4 * kB})
          .strict({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("AHoleAsLongAsTheWindowEndsTheLog").window(2 * kB).records({0, 3 * kB}).gives({0}),
      Scenario("AHoleShorterThanTheWindowDoesNot")
          .window(2 * kB + 1)
          .records({0, 3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("StandardStopsAWindowAfterTheLastRecordBegan")
          .window(2 * kB)
          .records({0, 2 * kB})
          .full_blocks(3 * kB, 3 * kB)
          .records({5 * kB})
          .gives({0, 2 * kB, 3 * kB})
          .strict({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("StandardGoesOnWhileRecordsKeepComing")
          .window(2 * kB + 1)
          .records({0, 2 * kB, 4 * kB, 6 * kB, 8 * kB, 11 * kB})
          .gives({0, 2 * kB, 4 * kB, 6 * kB, 8 * kB})
          .strict({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}, {3 * kB, 4 * kB}, {5 * kB, 6 * kB}, {7 * kB, 8 * kB}}),
      Scenario("TheFirstHoleCountsNotTheLatest")
          .window(4 * kB)
          .records({0, 2 * kB, 4 * kB, 5 * kB})
          .gives({0, 2 * kB, 4 * kB, 5 * kB})
          .strict({0, 2 * kB, 4 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}, {3 * kB, 4 * kB}}),
      Scenario("WindowOfOneBlock").window(kB).records({0, 2 * kB}).gives({0}),
      Scenario("WindowOfOneBlockAndAByte")
          .window(kB + 1)
          .records({0, 2 * kB, 4 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("WindowOfOneByte").window(1).records({0, kB, 3 * kB}).gives({0, kB}),
      Scenario("WindowOfZeroStopsAtOnce").window(0).records({0, kB, 3 * kB}).gives({0, kB}),
      Scenario("NegativeWindowStopsAtOnce").window(-1).records({0, kB, 3 * kB}).gives({0, kB}),
      Scenario("MostNegativeWindowStopsAtOnce")
          .window(kMin)
          .records({0, kB, 3 * kB})
          .gives({0, kB}),
      Scenario("WindowOfZeroStillReadsOverFill")
          .window(0)
          .records({0, 124, kB})
          .full_blocks(2 * kB, 3 * kB)
          .gives({0, 124, kB, 2 * kB, 3 * kB}),
      Scenario("WindowLongerThanTheSection")
          .window(kMax)
          .records({0, 9 * kB, 15 * kB})
          .gives({0, 9 * kB, 15 * kB})
          .prefix({0})
          .holes({{kB, 9 * kB}, {10 * kB, 15 * kB}}),
      Scenario("WindowOfExactlyTheSection")
          .window(16 * kB)
          .records({15 * kB})
          .gives({15 * kB})
          .prefix({})
          .holes({{0, 15 * kB}}),
      Scenario("ADamagedHeaderInsideABlockWriteLosesTheRestOfItsBlock")
          .records({0})
          .damaged(124, naive::Damage::header_checksum)
          .records({248, kB})
          .gives({0, kB}),
      Scenario("ADamagedBodyInsideABlockWriteLosesTheRestOfItsBlock")
          .records({0})
          .damaged(124, naive::Damage::body)
          .records({248, kB})
          .gives({0, kB}),
      Scenario("ATornLongRecordIsPassedByItsLength")
          .window(2 * kB)
          .records({0})
          .torn(kB, 3 * kB, 5000)
          .records({5 * kB})
          .gives({0}),
      Scenario("ATornLongRecordWithinTheWindow")
          .window(8 * kB)
          .records({0})
          .torn(kB, 3 * kB, 5000)
          .records({5 * kB})
          .gives({0, 5 * kB})
          .prefix({0})
          .holes({{kB, 5 * kB}}),
      Scenario("AnUnalignedTornRecordIsNoHole")
          .window(0)
          .records({0})
          .torn(124, 2 * kB, 5000)
          .records({3 * kB})
          .gives({0, 3 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Window, Holes, testing::ValuesIn(windows()), name_of);

// --- the jump at the end of a cycle -----------------------------------------------------------

std::vector<Scenario> jumps() {
  return {
      Scenario("AJumpIsNoHole")
          .trim(12 * kB)
          .window(4 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB, 16 * kB}),
      Scenario("WhatWouldHaveFittedIsNoJumpForPrefix")
          .trim(12 * kB)
          .window(4 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB)
          .gives({13 * kB, 16 * kB})
          .prefix({13 * kB}),
      Scenario("WhatWouldHaveFittedExactlyIsNoJumpForPrefix")
          .trim(12 * kB)
          .window(4 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB, filling(2))
          .gives({13 * kB, 16 * kB})
          .prefix({13 * kB}),
      Scenario("OneByteMoreThanFitsIsAJump")
          .trim(12 * kB)
          .window(4 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB, filling(2) + 1)
          .gives({13 * kB, 16 * kB}),
      Scenario("AGapAsLongAsTheWindowIsNotCrossed")
          .trim(12 * kB)
          .window(2 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      Scenario("AGapShorterThanTheWindowIsCrossed")
          .trim(12 * kB)
          .window(2 * kB + 1)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB, 16 * kB}),
      Scenario("AGapOfOneBlock")
          .trim(12 * kB)
          .window(2 * kB)
          .full_blocks(12 * kB, 14 * kB)
          .record(16 * kB, filling(1) + 1)
          .gives({13 * kB, 14 * kB, 16 * kB}),
      Scenario("TheJumpIsMeasuredFromTheFirstAlignedBoundary")
          .trim(12 * kB)
          .window(4 * kB)
          .records({12 * kB, 13 * kB})
          .record(16 * kB, filling(2) + 1)
          .gives({13 * kB, 16 * kB}),
      Scenario("TheGapIsForgottenInTheNextCycle")
          .trim(12 * kB)
          .window(3 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .record(16 * kB, 2 * kB)
          .records({19 * kB, 20 * kB, 22 * kB})
          .gives({13 * kB, 16 * kB, 19 * kB, 20 * kB, 22 * kB})
          .prefix({13 * kB, 16 * kB, 19 * kB, 20 * kB})
          .holes({{21 * kB, 22 * kB}}),
      Scenario("AHoleBeforeTheJumpStaysAHole")
          .trim(8 * kB)
          .full_blocks(8 * kB, 9 * kB)
          .full_blocks(11 * kB, 13 * kB)
          .record(16 * kB, 3 * kB)
          .gives({9 * kB, 11 * kB, 12 * kB, 13 * kB, 16 * kB})
          .prefix({9 * kB})
          .holes({{10 * kB, 11 * kB}}),
      Scenario("AHoleIsForgottenWhereTheCycleEndsWithoutAGap")
          .trim(12 * kB)
          .window(4 * kB)
          .full_blocks(12 * kB, 12 * kB)
          .full_blocks(14 * kB, 20 * kB)
          .gives({14 * kB, 15 * kB, 16 * kB, 17 * kB, 18 * kB, 19 * kB, 20 * kB})
          .prefix({})
          .holes({{13 * kB, 14 * kB}}),
      Scenario("AHoleIsForgottenBehindAnExactEnd")
          .trim(11 * kB)
          .window(3 * kB)
          .full_blocks(11 * kB, 12 * kB)
          .full_blocks(14 * kB, 17 * kB)
          .records({19 * kB, 20 * kB})
          .gives({12 * kB, 14 * kB, 15 * kB, 16 * kB, 17 * kB, 19 * kB, 20 * kB})
          .strict({12 * kB, 14 * kB, 15 * kB})
          .prefix({12 * kB})
          .holes({{13 * kB, 14 * kB}, {18 * kB, 19 * kB}}),
      Scenario("StandardReachesTheNextCycleWhereStrictDoesNot")
          .trim(11 * kB)
          .window(3 * kB)
          .full_blocks(11 * kB, 11 * kB)
          .full_blocks(13 * kB, 14 * kB)
          .record(16 * kB, filling(2))
          .gives({13 * kB, 14 * kB, 16 * kB})
          .strict({13 * kB, 14 * kB})
          .prefix({})
          .holes({{12 * kB, 13 * kB}}),
      Scenario("TheStartOfTheNextCycleIsMissing")
          .trim(12 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .records({17 * kB})
          .gives({13 * kB, 17 * kB})
          .prefix({13 * kB})
          .holes({{16 * kB, 17 * kB}}),
      Scenario("TheStartOfTheNextCycleIsMissingBehindAnExactEnd")
          .trim(14 * kB)
          .full_blocks(14 * kB, 15 * kB)
          .records({17 * kB})
          .gives({15 * kB, 17 * kB})
          .prefix({15 * kB})
          .holes({{16 * kB, 17 * kB}}),
      Scenario("NoGapAtAnExactEnd")
          .trim(14 * kB)
          .window(0)
          .full_blocks(14 * kB, 18 * kB)
          .gives({15 * kB, 16 * kB, 17 * kB, 18 * kB}),
      Scenario("FillUpToTheEndOfTheCycleIsNoGap")
          .trim(14 * kB)
          .window(0)
          .records({14 * kB, 15 * kB, 16 * kB})
          .gives({15 * kB, 16 * kB}),
      Scenario("AStaleRecordInTheGapIsNotDelivered")
          .trim(28 * kB)
          .window(4 * kB)
          .full_blocks(14 * kB, 15 * kB)
          .full_blocks(28 * kB, 29 * kB)
          .record(32 * kB, 3 * kB)
          .gives({29 * kB, 32 * kB}),
      Scenario("OnlyStaleRecordsAfterTheGap")
          .trim(28 * kB)
          .full_blocks(16 * kB, 20 * kB)
          .full_blocks(28 * kB, 29 * kB)
          .gives({29 * kB}),
      Scenario("AJumpOverNearlyHalfTheSection")
          .trim(24 * kB - 1)
          .record(24 * kB)
          .record(32 * kB, filling(7) + 1)
          .gives({24 * kB, 32 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Jump, Holes, testing::ValuesIn(jumps()), name_of);

// --- the trim offset --------------------------------------------------------------------------

std::vector<Scenario> trims() {
  return {
      Scenario("TrimOfMinusOneTrimsNothing").trim(-1).records({0, kB}).gives({0, kB}),
      Scenario("TrimOfMinusTwoTrimsNothing").trim(-2).records({0, kB}).gives({0, kB}),
      Scenario("MostNegativeTrimTrimsNothing").trim(kMin).records({0, kB}).gives({0, kB}),
      Scenario("TrimOfZeroSkipsTheFirstRecord").trim(0).records({0, kB}).gives({kB}),
      Scenario("TrimAtARecord")
          .trim(2 * kB)
          .records({kB, 2 * kB, 3 * kB, 4 * kB})
          .gives({3 * kB, 4 * kB}),
      Scenario("TrimAtAMergedRecord")
          .trim(kB + 124)
          .records({kB, kB + 124, kB + 248, 2 * kB})
          .gives({kB + 248, 2 * kB}),
      Scenario("TrimAtTheLastRecordOfABlockWrite")
          .trim(kB + 124)
          .records({kB, kB + 124, 2 * kB})
          .gives({2 * kB}),
      Scenario("TrimJustBeforeABlockWrite")
          .trim(2 * kB - 1)
          .records({kB, 2 * kB, 3 * kB})
          .gives({2 * kB, 3 * kB}),
      Scenario("TrimInsideARecordGoesOnAtTheNextBoundary")
          .trim(kB + 50)
          .records({kB, kB + 124, 2 * kB})
          .gives({2 * kB}),
      Scenario("TrimInsideALongRecord")
          .trim(kB + 1)
          .record(kB, filling(3))
          .record(4 * kB)
          .gives({4 * kB})
          .prefix({})
          .holes({{2 * kB, 4 * kB}}),
      Scenario("TrimInsideALongRecordAtABoundary")
          .trim(2 * kB)
          .window(2 * kB)
          .record(kB, filling(3))
          .record(4 * kB)
          .gives({4 * kB})
          .prefix({})
          .holes({{3 * kB, 4 * kB}}),
      Scenario("AnInvalidRecordAtTheTrimOffsetIsNoHole")
          .trim(2 * kB)
          .window(kB)
          .records({3 * kB, 4 * kB})
          .gives({3 * kB, 4 * kB}),
      Scenario("TheBlockAfterAnInvalidTrimOffsetIsAHole")
          .trim(2 * kB)
          .window(kB + 1)
          .records({4 * kB, 5 * kB})
          .gives({4 * kB, 5 * kB})
          .strict({4 * kB})
          .prefix({})
          .holes({{3 * kB, 4 * kB}}),
      Scenario("ADamagedRecordAtTheTrimOffsetIsPassedByItsLength")
          .trim(kB)
          .window(0)
          .damaged(kB, naive::Damage::body, filling(2))
          .records({2 * kB, 3 * kB, 4 * kB})
          .gives({4 * kB}),
      Scenario("TheTrimmedRecordCountsAsTheLastValidOne")
          .trim(4 * kB)
          .window(2 * kB)
          .record(4 * kB, filling(2))
          .records({7 * kB, 8 * kB})
          .gives({7 * kB, 8 * kB})
          .strict({7 * kB})
          .prefix({})
          .holes({{6 * kB, 7 * kB}}),
      Scenario("TrimAtTheEndOfTheLog").trim(3 * kB - 1).records({kB, 2 * kB}),
      Scenario("TrimAtTheLastRecord").trim(2 * kB).records({kB, 2 * kB}),
      Scenario("TrimAtTheFirstFreeBlock").trim(3 * kB).records({kB, 2 * kB}),
      Scenario("TrimBeyondEverything").trim(1000 * kB).records({kB, 2 * kB}),
      Scenario("TrimAtTheEndOfACycle")
          .trim(16 * kB - 1)
          .full_blocks(15 * kB, 17 * kB)
          .gives({16 * kB, 17 * kB}),
      Scenario("TrimAtARecordThatFillsTheSection")
          .trim(16 * kB)
          .record(16 * kB, filling(16))
          .gives({}),
      Scenario("TrimInTheFillOfABlockWrite").trim(kB + 200).records({kB, 2 * kB}).gives({2 * kB}),
      Scenario("TrimTwentyFourBytesBeforeTheEndOfACycle")
          .trim(16 * kB - 24)
          .full_blocks(16 * kB, 17 * kB)
          .gives({16 * kB, 17 * kB}),
      Scenario("TrimOneByteBeforeTheEndOfACycle")
          .trim(16 * kB - 1)
          .full_blocks(16 * kB, 17 * kB)
          .gives({16 * kB, 17 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Trim, Holes, testing::ValuesIn(trims()), name_of);

// --- never further than once around the ring ---------------------------------------------------

std::vector<Scenario> rings() {
  return {
      Scenario("AFullRing")
          .full_blocks(0, 15 * kB)
          .gives({0, kB, 2 * kB, 3 * kB, 4 * kB, 5 * kB, 6 * kB, 7 * kB, 8 * kB, 9 * kB, 10 * kB,
                  11 * kB, 12 * kB, 13 * kB, 14 * kB, 15 * kB}),
      Scenario("OnceAroundEndsAtTheTrimmedRecordsBlock")
          .section_blocks(4)
          .trim(kB)
          .full_blocks(2 * kB, 5 * kB)
          .gives({2 * kB, 3 * kB, 4 * kB, 5 * kB}),
      Scenario("ARecordAtTheLimitIsNotDelivered")
          .section_blocks(4)
          .trim(kB)
          .full_blocks(3 * kB, 6 * kB)
          .gives({3 * kB, 4 * kB, 5 * kB})
          .prefix({})
          .holes({{2 * kB, 3 * kB}}),
      Scenario("ARecordAcrossTheLimitIsNotDelivered")
          .section_blocks(4)
          .trim(kB)
          .full_blocks(3 * kB, 4 * kB)
          .record(5 * kB, filling(2))
          .gives({3 * kB, 4 * kB})
          .prefix({})
          .holes({{2 * kB, 3 * kB}}),
      Scenario("ARecordUpToTheLimitIsDelivered")
          .section_blocks(4)
          .trim(kB)
          .full_blocks(2 * kB, 3 * kB)
          .record(4 * kB, filling(2))
          .gives({2 * kB, 3 * kB, 4 * kB}),
      Scenario("TheLimitOfATrimOffsetJustBeforeABoundary")
          .section_blocks(4)
          .trim(2 * kB - 1)
          .full_blocks(2 * kB, 5 * kB)
          .gives({2 * kB, 3 * kB, 4 * kB, 5 * kB}),
      Scenario("TheLimitOfATrimOffsetAtABoundary")
          .section_blocks(4)
          .trim(2 * kB)
          .full_blocks(3 * kB, 6 * kB)
          .gives({3 * kB, 4 * kB, 5 * kB, 6 * kB}),
      Scenario("TheLimitOfATrimOffsetOfMinusOneIsABlockPastTheCycle")
          .section_blocks(4)
          .full_blocks(1 * kB, 4 * kB)
          .gives({kB, 2 * kB, 3 * kB, 4 * kB})
          .strict({kB, 2 * kB, 3 * kB})
          .prefix({})
          .holes({{0, kB}}),
      Scenario("ASectionOfOneBlock")
          .section_blocks(1)
          .trim(9 * kB - 1)
          .record(9 * kB)
          .gives({9 * kB}),
      Scenario("ASectionOfOneBlockFilledExactly")
          .section_blocks(1)
          .trim(9 * kB - 1)
          .record(9 * kB, filling(1))
          .gives({9 * kB}),
      Scenario("ASectionOfOneBlockWithMergedRecords")
          .section_blocks(1)
          .trim(9 * kB)
          .records({9 * kB, 9 * kB + 124, 9 * kB + 248})
          .gives({9 * kB + 124, 9 * kB + 248}),
      Scenario("AGapOfNearlyTheWholeRing")
          .section_blocks(4)
          .trim(kB)
          .full_blocks(5 * kB, 5 * kB)
          .gives({5 * kB})
          .prefix({})
          .holes({{4 * kB, 5 * kB}}),
  };
}
INSTANTIATE_TEST_SUITE_P(Ring, Holes, testing::ValuesIn(rings()), name_of);

}  // namespace
}  // namespace seqwal::conformance
