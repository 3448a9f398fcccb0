// What makes a record valid, at every boundary, and where reading goes on when it isn't.
// docs/format.md, "Reading a record at offset o".
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/scenario.h"

namespace seqwal::conformance {
namespace {

using naive::Damage;

std::string name_of(const testing::TestParamInfo<Scenario>& info) { return info.param.name(); }

class Records : public testing::TestWithParam<Scenario> {};
TEST_P(Records, Conform) { expect_conformance(GetParam()); }

// --- lengths ----------------------------------------------------------------------------------

std::vector<Scenario> lengths() {
  return {
      Scenario("OneByte").record(0, 1).record(kB, 1).gives({0, kB}),
      Scenario("OneByteMerged").record(0, 1).record(25, 1).record(50, 1).gives({0, 25, 50}),
      Scenario("ExactlyOneBlock").record(0, 4072).record(kB).gives({0, kB}),
      Scenario("OneByteLessThanABlock").record(0, 4071).record(kB).gives({0, kB}),
      Scenario("OneByteMoreThanABlock").record(0, 4073).record(2 * kB).gives({0, 2 * kB}),
      Scenario("OneByteMoreThanABlockMerged").record(0, 4073).record(kB + 1).gives({0, kB + 1}),
      Scenario("AHeaderAcrossABlockBoundary").record(0, 4062).record(4086).gives({0, 4086}),
      Scenario("AHeaderUpToABlockBoundary").record(0, 4048).record(4072).gives({0, 4072}),
      Scenario("SeveralBlocks").record(0, 5 * kB).record(6 * kB).gives({0, 6 * kB}),
      Scenario("TheWholeSection").record(0, filling(16)).gives({0}),
      Scenario("OneByteLessThanTheSection").record(0, filling(16) - 1).gives({0}),
      Scenario("OneByteMoreThanTheSection")
          .trim(16 * kB - 1)
          .wrapped(16 * kB, filling(16) + 1)
          .gives({}),
      Scenario("AZeroLengthIsAnInvalidHeader")
          .damaged(0, Damage::zero_length)
          .record(kB)
          .gives({kB})
          .prefix({})
          .holes({{0, kB}}),
      Scenario("AZeroLengthInsideABlockWrite")
          .record(0)
          .damaged(124, Damage::zero_length)
          .records({248, kB})
          .gives({0, kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Length, Records, testing::ValuesIn(lengths()), name_of);

// A sound header whose length leads beyond the section has an invalid body, and reading goes on
// behind it; a length that the format does not know makes the header invalid.
std::vector<Scenario> declared_lengths() {
  return {
      Scenario("UpToTheEndOfTheSection")
          .records({0})
          .declares(kB, filling(15))
          .records({2 * kB})
          .gives({0}),
      Scenario("OneByteBeyondTheSection")
          .records({0})
          .declares(kB, filling(15) + 1)
          .records({2 * kB})
          .gives({0}),
      Scenario("TheLongestOfAll").records({0}).declares(kB, 134217704).records({2 * kB}).gives({0}),
      Scenario("LongerThanTheFormatKnows")
          .records({0})
          .declares(kB, 134217705)
          .records({2 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("LargestSigned")
          .records({0})
          .declares(kB, 0x7FFFFFFF)
          .records({2 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("NegativeWhenSigned")
          .records({0})
          .declares(kB, 0x80000000)
          .records({2 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("AllOnes")
          .records({0})
          .declares(kB, 0xFFFFFFFF)
          .records({2 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("EndingOnABoundarySkipsTheBlockThere")
          .records({0})
          .declares(kB, filling(2))
          .records({3 * kB, 4 * kB})
          .gives({0, 4 * kB})
          .prefix({0})
          .holes({{kB, 4 * kB}}),
      Scenario("EndingOneByteBeforeABoundary")
          .records({0})
          .declares(kB, filling(2) - 1)
          .records({3 * kB, 4 * kB})
          .gives({0, 3 * kB, 4 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("EndingOneByteAfterABoundary")
          .records({0})
          .declares(kB, filling(2) + 1)
          .records({3 * kB, 4 * kB})
          .gives({0, 4 * kB})
          .prefix({0})
          .holes({{kB, 4 * kB}}),
      Scenario("EndingOnABoundaryFromTheMiddleOfABlock")
          .records({0})
          .declares(124, kB - 124 - 24)
          .records({kB, 2 * kB})
          .gives({0, 2 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(DeclaredLength, Records, testing::ValuesIn(declared_lengths()), name_of);

// --- the end of the cycle ---------------------------------------------------------------------

std::vector<Scenario> cycle_ends() {
  return {
      Scenario("ARecordUpToTheEnd")
          .trim(14 * kB)
          .records({14 * kB})
          .record(15 * kB, filling(1))
          .records({16 * kB})
          .gives({15 * kB, 16 * kB}),
      Scenario("AMergedRecordUpToTheEnd")
          .trim(15 * kB)
          .record(15 * kB, 1000)
          .record(15 * kB + 1024, filling(1) - 1024)
          .records({16 * kB})
          .gives({15 * kB + 1024, 16 * kB}),
      Scenario("ARecordUpToOneByteBeforeTheEnd")
          .trim(14 * kB)
          .records({14 * kB})
          .record(15 * kB, filling(1) - 1)
          .records({16 * kB})
          .gives({15 * kB, 16 * kB}),
      // Its end lies behind the boundary at the start of the next cycle, so that is passed over
      // too.
      Scenario("OneByteOverTheEnd")
          .trim(14 * kB)
          .records({14 * kB})
          .wrapped(15 * kB, filling(1) + 1)
          .records({17 * kB})
          .gives({17 * kB})
          .prefix({})
          .holes({{16 * kB, 17 * kB}}),
      Scenario("OneByteOverTheEndWithARecordThere")
          .trim(14 * kB)
          .records({14 * kB})
          .wrapped(15 * kB, filling(1) + 1)
          .records({16 * kB, 17 * kB})
          .gives({17 * kB})
          .prefix({})
          .holes({{16 * kB, 17 * kB}}),
      Scenario("ABodyAcrossTheEnd")
          .trim(14 * kB)
          .records({14 * kB})
          .wrapped(15 * kB, filling(2))
          .records({18 * kB})
          .gives({18 * kB})
          .prefix({})
          .holes({{16 * kB, 18 * kB}}),
      Scenario("AHeaderAcrossTheEnd")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 10)
          .wrapped(16 * kB - 10, 100)
          .records({17 * kB})
          .gives({17 * kB})
          .prefix({})
          .holes({{16 * kB, 17 * kB}}),
      Scenario("AHeaderAcrossTheEndLosesNothing")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 10)
          .wrapped(16 * kB - 10, 100)
          .records({16 * kB})
          .gives({16 * kB}),
      Scenario("AHeaderUpToTheEndAndTheBodyBehindIt")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 24)
          .wrapped(16 * kB - 24, 100)
          .records({16 * kB, 17 * kB})
          .gives({17 * kB}),
      Scenario("AHeaderOneByteBeforeTheEndAndTheBodyBehindIt")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 25)
          .wrapped(16 * kB - 25, 100)
          .records({16 * kB, 17 * kB})
          .gives({17 * kB}),
      Scenario("LessThanAHeaderLeft")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 23)
          .records({16 * kB})
          .gives({16 * kB}),
      Scenario("TheSmallestRecordUpToTheEnd")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 25)
          .record(16 * kB - 25, 1)
          .records({16 * kB})
          .gives({16 * kB - 25, 16 * kB}),
      Scenario("NoRoomForTheSmallestRecord")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 24)
          .records({16 * kB})
          .gives({16 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(CycleEnd, Records, testing::ValuesIn(cycle_ends()), name_of);

// --- damage -----------------------------------------------------------------------------------

// One damaged record of two blocks between sound ones; an invalid header leads to the next block,
// which holds the second half of the record, an invalid body leads past the whole of it.
Scenario with_damage(const std::string& name, Damage damage) {
  return Scenario(name)
      .records({0})
      .damaged(kB, damage, filling(2) - 1)
      .records({3 * kB})
      .gives({0, 3 * kB})
      .prefix({0})
      .holes({{kB, 3 * kB}});
}

std::vector<Scenario> damages() {
  return {
      with_damage("Magic", Damage::magic),
      with_damage("HeaderChecksum", Damage::header_checksum),
      with_damage("OffsetOfAnEarlierCycle", Damage::offset),
      with_damage("Body", Damage::body),
      Scenario("ABodyOfTwoWholeBlocksHidesTheNextOne")
          .records({0})
          .damaged(kB, Damage::body, filling(2))
          .records({3 * kB, 4 * kB})
          .gives({0, 4 * kB})
          .prefix({0})
          .holes({{kB, 4 * kB}}),
      Scenario("AStaleRecordOfAnEarlierCycle")
          .trim(16 * kB - 1)
          .full_blocks(0, 3 * kB)
          .records({16 * kB, 18 * kB})
          .gives({16 * kB, 18 * kB})
          .prefix({16 * kB})
          .holes({{17 * kB, 18 * kB}}),
      Scenario("AStaleRecordInsideABlockWrite")
          .trim(16 * kB - 1)
          .records({0, 124})
          .records({16 * kB, 17 * kB})
          .gives({16 * kB, 17 * kB}),
      Scenario("ARecordOfALaterCycle")
          .records({0, 17 * kB, 2 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("ARecordAtAWrongBoundary")
          .records({0})
          .bytes(kB, naive::encode_record({.offset = 2 * kB, .body = naive::arbitrary_bytes(50, 1)},
                                          16 * 4096))
          .records({3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("TornBeforeItsFirstByte")
          .records({0})
          .torn(kB, 5000, 0)
          .records({3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("TornInsideItsHeader")
          .records({0})
          .torn(kB, 5000, 23)
          .records({3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("TornBehindItsHeader")
          .records({0})
          .torn(kB, 5000, 24)
          .records({3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("TornAtASector")
          .records({0})
          .torn(kB, 5000, 512)
          .records({3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("TornBeforeItsLastByte")
          .records({0})
          .torn(kB, 5000, 5023)
          .records({3 * kB})
          .gives({0, 3 * kB})
          .prefix({0})
          .holes({{kB, 3 * kB}}),
      Scenario("TheLastRecordTorn").records({0, kB}).torn(2 * kB, 9000, 4096).gives({0, kB}),
      Scenario("TheLastMergedRecordTorn")
          .records({0, kB})
          .torn(kB + 124, 9000, 3000)
          .gives({0, kB}),
      Scenario("GarbageFill")
          .garbage(0, static_cast<std::uint64_t>(16 * kB))
          .records({0, kB, 2 * kB})
          .gives({0, kB, 2 * kB}),
      Scenario("GarbageBetween")
          .records({0, kB, 3 * kB})
          .garbage(2 * kB, 4096)
          .gives({0, kB, 3 * kB})
          .prefix({0, kB})
          .holes({{2 * kB, 3 * kB}}),
      Scenario("GarbageOnly").garbage(0, static_cast<std::uint64_t>(16 * kB)),
      Scenario("BlocksThatBeginWithTheMagic")
          .records({0, 2 * kB})
          .bytes(kB, {0x87, 0x65, 0x43, 0x21, 0, 0, 0, 1})
          .bytes(124, {0x87, 0x65, 0x43, 0x21})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("AVersion1PaddingRecordMeansNothing")
          .trim(12 * kB)
          .full_blocks(12 * kB, 13 * kB)
          .padding(14 * kB, filling(2))
          .record(16 * kB, 3 * kB)
          .gives({13 * kB, 16 * kB}),
      Scenario("APaddingRecordIsNotPassedByItsLength")
          .records({0})
          .padding(kB, filling(3))
          .records({2 * kB})
          .gives({0, 2 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}}),
      Scenario("APaddingRecordInsideABlockWrite")
          .records({0})
          .padding(124, filling(2))
          .records({kB, 2 * kB})
          .gives({0, kB, 2 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Damage, Records, testing::ValuesIn(damages()), name_of);

// --- records inside bodies --------------------------------------------------------------------

// The body of a record at `outer` that holds a well-formed record exactly where `inner` would lie.
naive::Bytes body_around(std::int64_t outer, std::int64_t inner, const naive::Bytes& inner_body) {
  naive::Bytes body = naive::arbitrary_bytes(filling(3), 7);
  const naive::Bytes record =
      naive::encode_record({.offset = inner, .body = inner_body}, 16 * naive::kBlock);
  std::copy(record.begin(), record.end(), body.begin() + (inner - outer - 24));
  return body;
}

std::vector<Scenario> inner_records() {
  const naive::Bytes inner = naive::arbitrary_bytes(200, 3);
  const naive::Bytes outer = body_around(kB, 2 * kB, inner);
  const naive::Bytes misplaced = body_around(kB, 2 * kB + 512, inner);
  const naive::Bytes whole =
      naive::encode_record({.offset = kB, .body = outer}, 16 * naive::kBlock);
  // The outer record as it would lie there, but for its first bytes.
  naive::Bytes beheaded = whole;
  std::fill_n(beheaded.begin(), 512, std::uint8_t{0});
  naive::Bytes other = naive::encode_record({.offset = kB, .body = misplaced}, 16 * naive::kBlock);
  std::fill_n(other.begin(), 512, std::uint8_t{0});
  return {
      Scenario("AreOfNoConcernWhileTheOuterOneIsWhole")
          .records({0})
          .record_with(kB, outer)
          .records({4 * kB})
          .gives({0, kB, 4 * kB}),
      // The documented exception: the header is gone, so its inside is scanned. (The inner record
      // is laid once more over the same bytes, for the test to know it.)
      Scenario("AreDeliveredWhenTheOuterHeaderIsGone")
          .records({0})
          .bytes(kB, beheaded)
          .record_with(2 * kB, inner)
          .records({4 * kB})
          .gives({0, 2 * kB, 4 * kB})
          .prefix({0})
          .holes({{kB, 2 * kB}, {3 * kB, 4 * kB}}),
      Scenario("AreNotFoundAtAnyOtherOffset")
          .records({0})
          .bytes(kB, other)
          .records({4 * kB})
          .gives({0, 4 * kB})
          .prefix({0})
          .holes({{kB, 4 * kB}}),
      Scenario("AreNotScannedWhenOnlyTheOuterBodyIsTorn")
          .records({0})
          .bytes(kB, whole)
          .bytes(3 * kB, naive::Bytes(100, 0))
          .records({5 * kB})
          .gives({0, 5 * kB})
          .prefix({0})
          .holes({{kB, 5 * kB}}),
  };
}
INSTANTIATE_TEST_SUITE_P(InBodies, Records, testing::ValuesIn(inner_records()), name_of);

}  // namespace
}  // namespace seqwal::conformance
