// Version 1 is contiguous: no window, no holes, and a padding record where a cycle ends early.
// docs/format.md, "Recovery, version 1".
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/support/scenario.h"

namespace seqwal::conformance {
namespace {

using naive::Damage;

Scenario version1(const std::string& name) { return Scenario(name).version1(); }

std::string name_of(const testing::TestParamInfo<Scenario>& info) { return info.param.name(); }

class Version1 : public testing::TestWithParam<Scenario> {};
TEST_P(Version1, Conforms) { expect_conformance(GetParam()); }

std::vector<Scenario> contiguous() {
  return {
      version1("NothingWasWritten"),
      version1("BackToBack").full_blocks(0, 3 * kB).gives({0, kB, 2 * kB, 3 * kB}),
      version1("Merged").records({0, 124, 248, kB, kB + 124}).gives({0, 124, 248, kB, kB + 124}),
      version1("AHoleEndsIt").records({0, kB, 3 * kB, 4 * kB}).gives({0, kB}),
      version1("AHoleAtTheStartEndsIt").records({kB, 2 * kB}),
      version1("TheWindowMeansNothing").window(0).records({0, kB, 2 * kB}).gives({0, kB, 2 * kB}),
      version1("ALongWindowMeansNothing").window(1 << 30).records({0, 2 * kB}).gives({0}),
      version1("ADamagedHeaderAtABoundaryEndsIt")
          .records({0})
          .damaged(kB, Damage::header_checksum)
          .records({2 * kB})
          .gives({0}),
      version1("ADamagedBodyAtABoundaryEndsIt")
          .records({0})
          .damaged(kB, Damage::body)
          .records({2 * kB})
          .gives({0}),
      version1("AStaleRecordAtABoundaryEndsIt")
          .records({0})
          .damaged(kB, Damage::offset)
          .records({2 * kB})
          .gives({0}),
      version1("ATornRecordAtABoundaryEndsIt")
          .records({0})
          .torn(kB, 9000, 4096)
          .records({4 * kB})
          .gives({0}),
      // What evidence is for: without it, nobody can tell a torn last record from fill.
      version1("ATornHeaderInsideABlockWriteLooksLikeFill")
          .records({0})
          .torn(124, 200, 10)
          .records({kB})
          .gives({0, kB}),
      version1("ATornBodyInsideABlockWriteLooksLikeFill")
          .records({0})
          .torn(124, 200, 100)
          .records({kB})
          .gives({0, kB}),
      version1("ATornBodyInsideABlockWriteIsPassedByItsLength")
          .records({0})
          .torn(124, 2 * kB, 5000)
          .records({kB, 2 * kB, 3 * kB})
          .gives({0, 3 * kB}),
      version1("GarbageFill")
          .garbage(0, static_cast<std::uint64_t>(16 * kB))
          .records({0, kB, 2 * kB})
          .gives({0, kB, 2 * kB}),
      version1("ARecordUpToTheEndOfTheCycle")
          .trim(14 * kB)
          .full_blocks(14 * kB, 17 * kB)
          .gives({15 * kB, 16 * kB, 17 * kB}),
      version1("FillUpToTheEndOfTheCycle")
          .trim(14 * kB)
          .records({14 * kB, 15 * kB, 16 * kB})
          .gives({15 * kB, 16 * kB}),
      version1("AGapUpToTheEndOfTheCycleEndsIt")
          .trim(13 * kB)
          .full_blocks(13 * kB, 14 * kB)
          .record(16 * kB, filling(1) + 1)
          .gives({14 * kB}),
      version1("OneByteOverTheEndOfTheCycleEndsIt")
          .trim(14 * kB)
          .full_blocks(14 * kB, 14 * kB)
          .wrapped(15 * kB, filling(1) + 1)
          .records({17 * kB}),
      version1("AHeaderAcrossTheEndOfTheCycleLooksLikeFill")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 10)
          .wrapped(16 * kB - 10, 100)
          .records({16 * kB})
          .gives({16 * kB}),
      version1("TheWholeSection").record(0, filling(16)).gives({0}),
      version1("TheWholeSectionTwice").trim(16 * kB).record(16 * kB, filling(16)),
  };
}
INSTANTIATE_TEST_SUITE_P(Contiguous, Version1, testing::ValuesIn(contiguous()), name_of);

// Up to 14 blocks written, two left; the next record does not fit.
Scenario padded(const std::string& name) {
  return version1(name).trim(12 * kB).full_blocks(12 * kB, 13 * kB);
}

// A padding record of two blocks whose header is sound but for one field.
naive::Bytes crafted_padding(std::int64_t offset, std::uint64_t length, std::uint32_t body_crc) {
  naive::Bytes bytes = naive::encode_record(
      {.offset = offset, .body = naive::Bytes(length, 0), .padding = true}, 16 * naive::kBlock);
  bytes.resize(24);
  for (unsigned i = 0; i < 4; ++i) {
    bytes[16 + i] = static_cast<std::uint8_t>(body_crc >> (24 - 8 * i));
  }
  const std::uint32_t crc = naive::checksum(std::span(bytes).first(20));
  for (unsigned i = 0; i < 4; ++i) bytes[20 + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  return bytes;
}

std::vector<Scenario> paddings() {
  return {
      padded("PaddingLeadsToTheNextCycle")
          .padding(14 * kB, filling(2))
          .record(16 * kB, 3 * kB)
          .gives({13 * kB, 16 * kB}),
      padded("PaddingOfAllButABlock")
          .padding(15 * kB, filling(1))
          .full_blocks(14 * kB, 14 * kB)
          .record(16 * kB, 2 * kB)
          .gives({13 * kB, 14 * kB, 16 * kB}),
      padded("NothingBehindThePadding").padding(14 * kB, filling(2)).gives({13 * kB}),
      padded("TheContentOfThePaddingMeansNothing")
          .padding(14 * kB, filling(2))
          .padding(14 * kB, filling(2), Damage::body)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB, 16 * kB}),
      padded("PaddingWithAWrongMagic")
          .padding(14 * kB, filling(2), Damage::magic)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      padded("PaddingWithAWrongChecksum")
          .padding(14 * kB, filling(2), Damage::header_checksum)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      padded("PaddingOfAnEarlierCycle")
          .padding(14 * kB, filling(2), Damage::offset)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      padded("PaddingWithABodyChecksum")
          .bytes(14 * kB, crafted_padding(14 * kB, filling(2), 5))
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      padded("PaddingCraftedWellForComparison")
          .bytes(14 * kB, crafted_padding(14 * kB, filling(2), 0))
          .record(16 * kB, 3 * kB)
          .gives({13 * kB, 16 * kB}),
      padded("PaddingShorterThanTheRestOfTheCycle")
          .padding(14 * kB, filling(1))
          .full_blocks(15 * kB, 16 * kB)
          .gives({13 * kB}),
      padded("PaddingOneByteShort")
          .padding(14 * kB, filling(2) - 1)
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      padded("PaddingOneByteTooLong")
          .bytes(14 * kB, crafted_padding(14 * kB, filling(2) + 1, 0))
          .record(16 * kB, 3 * kB)
          .gives({13 * kB}),
      padded("PaddingIntoTheNextCycle")
          .bytes(14 * kB, crafted_padding(14 * kB, filling(3), 0))
          .full_blocks(16 * kB, 17 * kB)
          .gives({13 * kB}),
      padded("PaddingOfALengthOfZero")
          .bytes(14 * kB, crafted_padding(14 * kB, 0, 0))
          .full_blocks(15 * kB, 16 * kB)
          .gives({13 * kB}),
      version1("PaddingOfALengthOfZeroUpToTheEnd")
          .trim(15 * kB)
          .record(15 * kB, filling(1) - 24)
          .padding(16 * kB - 24, 0)
          .records({16 * kB})
          .gives({16 * kB}),
      version1("PaddingBehindARecordInItsBlock")
          .trim(14 * kB)
          .records({14 * kB})
          .padding(14 * kB + 124, filling(2) - 124)
          .records({15 * kB, 16 * kB})
          .gives({16 * kB}),
      version1("WrongPaddingBehindARecordInItsBlockLooksLikeFill")
          .trim(14 * kB)
          .records({14 * kB})
          .padding(14 * kB + 124, filling(2) - 124, Damage::header_checksum)
          .records({15 * kB, 16 * kB})
          .gives({15 * kB, 16 * kB}),
      version1("PaddingOfAWholeCycle").trim(16 * kB - 1).padding(16 * kB, filling(16)),
      version1("PaddingAtTheTrimOffset")
          .trim(14 * kB)
          .padding(14 * kB, filling(2))
          .records({16 * kB})
          .gives({16 * kB}),
      version1("TrimInsideThePadding")
          .trim(16 * kB - 1)
          .padding(14 * kB, filling(2))
          .records({16 * kB})
          .gives({16 * kB}),
      version1("TrimAtABoundaryInsideThePaddingEndsIt")
          .trim(15 * kB)
          .padding(14 * kB, filling(2))
          .records({16 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Padding, Version1, testing::ValuesIn(paddings()), name_of);

std::vector<Scenario> trims() {
  return {
      version1("TrimAtARecord")
          .trim(2 * kB)
          .records({kB, 2 * kB, 3 * kB, 4 * kB})
          .gives({3 * kB, 4 * kB}),
      version1("TrimAtAMergedRecord")
          .trim(kB + 124)
          .records({kB, kB + 124, kB + 248, 2 * kB})
          .gives({kB + 248, 2 * kB}),
      version1("TrimJustBeforeABlockWrite")
          .trim(2 * kB - 1)
          .records({2 * kB, 3 * kB})
          .gives({2 * kB, 3 * kB}),
      version1("TrimOfMinusOneTrimsNothing").trim(-1).records({0, kB}).gives({0, kB}),
      version1("TrimOfMinus4096TrimsNothing").trim(-kB).records({0, kB}).gives({0, kB}),
      version1("TrimOfZero").trim(0).records({0, kB}).gives({kB}),
      version1("TrimOfZeroWithoutARecordEndsIt").trim(0).records({kB, 2 * kB}),
      version1("TheTrimOffsetIsNoException").trim(2 * kB).records({kB, 3 * kB, 4 * kB}),
      version1("ADamagedRecordAtTheTrimOffsetEndsIt")
          .trim(2 * kB)
          .damaged(2 * kB, Damage::body)
          .records({3 * kB}),
      version1("AnUnalignedTrimOffsetWithoutARecord")
          .trim(2 * kB + 50)
          .records({2 * kB, 3 * kB, 4 * kB})
          .gives({3 * kB, 4 * kB}),
      version1("TrimInsideALongRecordEndsItAtTheNextBoundary")
          .trim(kB + 50)
          .record(kB, filling(2))
          .records({3 * kB}),
      version1("TrimAtTheLastRecord").trim(2 * kB).records({kB, 2 * kB}),
      version1("TrimBeyondEverything").trim(1000 * kB).records({kB, 2 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Trim, Version1, testing::ValuesIn(trims()), name_of);

std::vector<Scenario> rings() {
  return {
      version1("OnceAroundEndsAtTheTrimmedRecordsBlock")
          .section_blocks(4)
          .trim(kB)
          .full_blocks(kB, kB)
          .full_blocks(2 * kB, 4 * kB)
          .gives({2 * kB, 3 * kB, 4 * kB}),
      version1("ARecordAtTheLimitIsNotDelivered")
          .section_blocks(4)
          .trim(2 * kB - 1)
          .full_blocks(2 * kB, 5 * kB)
          .gives({2 * kB, 3 * kB, 4 * kB, 5 * kB}),
      version1("ARecordAcrossTheLimitIsNotDelivered")
          .section_blocks(4)
          .trim(2 * kB + 200)
          .full_blocks(3 * kB, 4 * kB)
          .record(5 * kB, filling(3))
          .gives({}),
      version1("APaddingUpToTheLimit")
          .section_blocks(4)
          .trim(4 * kB - 1)
          .full_blocks(4 * kB, 5 * kB)
          .padding(6 * kB, filling(2))
          .gives({4 * kB, 5 * kB}),
      version1("ASectionOfOneBlock")
          .section_blocks(1)
          .trim(9 * kB - 1)
          .record(9 * kB)
          .gives({9 * kB}),
  };
}
INSTANTIATE_TEST_SUITE_P(Ring, Version1, testing::ValuesIn(rings()), name_of);

// A torn record whose body holds a well-formed one exactly where it would lie.
std::vector<Scenario> inner_records() {
  const naive::Bytes inner = naive::arbitrary_bytes(200, 3);
  const naive::Bytes record =
      naive::encode_record({.offset = 2 * kB, .body = inner}, 16 * naive::kBlock);
  naive::Bytes body = naive::arbitrary_bytes(filling(3), 7);
  std::copy(record.begin(), record.end(), body.begin() + (kB - 24));
  naive::Bytes beheaded = naive::encode_record({.offset = kB, .body = body}, 16 * naive::kBlock);
  std::fill_n(beheaded.begin(), 512, std::uint8_t{0});
  return {
      version1("ATornRecordAtABoundaryIsNotScannedInside")
          .records({0})
          .bytes(kB, beheaded)
          .record_with(2 * kB, inner)
          .records({4 * kB})
          .gives({0}),
  };
}
INSTANTIATE_TEST_SUITE_P(InBodies, Version1, testing::ValuesIn(inner_records()), name_of);

}  // namespace
}  // namespace seqwal::conformance
