// Offsets near the limits of what can be counted, and how much recovery may read.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/naive_log.h"
#include "tests/support/recovery_check.h"
#include "tests/support/scenario.h"

namespace seqwal::conformance {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr naive::Mode kModes[] = {naive::Mode::standard, naive::Mode::strict, naive::Mode::prefix};

std::string name_of(const testing::TestParamInfo<Scenario>& info) { return info.param.name(); }

class Bounds : public testing::TestWithParam<Scenario> {};
TEST_P(Bounds, Conform) { expect_conformance(GetParam()); }

// The same story around each of these offsets: a trimmed record, a hole, a jump, the next cycle.
std::vector<Scenario> around(const std::string& where, std::int64_t offset) {
  const std::int64_t cycle = offset / (16 * kB) * (16 * kB);  // begins at or below the offset
  const std::int64_t before = cycle - 16 * kB;
  return {
      Scenario(where + "Records")
          .trim(cycle - 2 * kB)
          .records({cycle - 2 * kB, cycle - kB, cycle, cycle + kB, cycle + kB + 124})
          .gives({cycle - kB, cycle, cycle + kB, cycle + kB + 124}),
      Scenario(where + "Hole")
          .trim(cycle - 2 * kB)
          .window(4 * kB)
          .records({cycle - kB, cycle, cycle + 2 * kB, cycle + 6 * kB})
          .gives({cycle - kB, cycle, cycle + 2 * kB})
          .prefix({cycle - kB, cycle})
          .holes({{cycle + kB, cycle + 2 * kB}}),
      Scenario(where + "Jump")
          .trim(cycle - 3 * kB)
          .window(3 * kB)
          .records({cycle - 3 * kB})
          .record(cycle, filling(2) + 1)
          .records({cycle + 3 * kB})
          .gives({cycle, cycle + 3 * kB}),
      Scenario(where + "Stale")
          .trim(cycle - 2 * kB)
          .records({before + kB, before + 2 * kB, cycle - kB, cycle})
          .gives({cycle - kB, cycle}),
      Scenario(where + "Version1")
          .version1()
          .trim(cycle - 3 * kB)
          .records({cycle - 3 * kB})
          .padding(cycle - 2 * kB, filling(2))
          .records({cycle, cycle + kB, cycle + 3 * kB})
          .gives({cycle, cycle + kB}),
      Scenario(where + "AsLongAsTheSection")
          .trim(cycle - 1)
          .record(cycle, filling(16))
          .gives({cycle}),
      Scenario(where + "WindowLongerThanAnything")
          .trim(cycle - 1)
          .window(kMax)
          .records({cycle + 15 * kB})
          .gives({cycle + 15 * kB})
          .prefix({})
          .holes({{cycle, cycle + 15 * kB}}),
  };
}

std::vector<Scenario> great_offsets() {
  std::vector<Scenario> all;
  const auto add = [&](const std::string& where, std::int64_t offset) {
    for (Scenario& scenario : around(where, offset)) all.push_back(std::move(scenario));
  };
  add("At2To31", std::int64_t{1} << 31U);
  add("At2To32", std::int64_t{1} << 32U);
  add("At2To50", std::int64_t{1} << 50U);
  add("At2To62", std::int64_t{1} << 62U);
  add("ACycleBefore2To63", kMax - 16 * kB);
  return all;
}
INSTANTIATE_TEST_SUITE_P(GreatOffsets, Bounds, testing::ValuesIn(great_offsets()), name_of);

// The last block boundary is at 2^63 - 4096. What begins there or goes beyond is not specified, but
// no header may make the arithmetic overflow.
std::vector<Scenario> last_offsets() {
  const std::int64_t last_cycle = kMax - 16 * kB + 1;
  const std::int64_t last_block = kMax - kB + 1;
  const std::int64_t end = last_block;
  return {
      Scenario("RecordsUpToTheLastBlock")
          .trim(end - 3 * kB)
          .records({end - 3 * kB, end - 2 * kB, end - kB})
          .gives({end - 2 * kB, end - kB}),
      Scenario("ARecordUpToTheLastBoundary")
          .trim(end - kB - 1)
          .record(end - kB, filling(1))
          .gives({end - kB}),
      Scenario("NothingInTheLastCycle").trim(last_cycle - 1),
      Scenario("TrimBeforeTheLastBlock").trim(last_block - 1),
      Scenario("TrimInTheLastBlock").trim(last_block),
      Scenario("TrimTwentyFourBytesBeforeTheLast").trim(kMax - 24),
      Scenario("TrimOneBeforeTheLast").trim(kMax - 1),
      Scenario("TrimAtTheLastOffset").trim(kMax),
      Scenario("TrimAtTheLastOffsetInVersion1").version1().trim(kMax),
      Scenario("AHoleInTheLastCycle")
          .trim(last_cycle - 1)
          .window(kMax)
          .records({last_cycle, end - kB})
          .gives({last_cycle, end - kB})
          .prefix({last_cycle})
          .holes({{last_cycle + kB, end - kB}}),
      Scenario("ADeclaredLengthBeyondTheLastOffset")
          .trim(end - 2 * kB)
          .records({end - 2 * kB})
          .declares(end - kB, 134217704),
      Scenario("Version1UpToTheLastBlock")
          .version1()
          .trim(end - 2 * kB)
          .records({end - 2 * kB, end - kB})
          .gives({end - kB}),
      Scenario("Version1PaddingAtTheVeryEnd")
          .version1()
          .trim(end - 2 * kB)
          .records({end - 2 * kB})
          .padding(end - kB, filling(2)),
  };
}
INSTANTIATE_TEST_SUITE_P(LastOffsets, Bounds, testing::ValuesIn(last_offsets()), name_of);

// --- how much is read -------------------------------------------------------------------------

constexpr std::int64_t kMiB = std::int64_t{1} << 20U;

Scenario large(const std::string& name) { return Scenario(name).section_blocks(12 * kMiB / kB); }

constexpr std::pair<std::uint32_t, std::uint32_t> kReadAhead[] = {
    {4096, 1}, {1U << 20U, 4}, {4U << 20U, 4}, {64U << 20U, 32}};

// Reading is bounded by what is untrimmed and by the window, not by the device.
void expect_bounded(const Scenario& scenario) {
  const naive::Bytes image = naive::write_image(scenario.image());
  for (const naive::Mode mode : kModes) {
    for (const auto& [read_ahead_bytes, reads_in_flight] : kReadAhead) {
      const Outcome outcome = recover(image, {.mode = to_log(mode),
                                              .read_ahead_bytes = read_ahead_bytes,
                                              .reads_in_flight = reads_in_flight});
      ASSERT_FALSE(outcome.error) << to_string(*outcome.error);
      EXPECT_EQ(offsets(outcome.records), scenario.expected(mode)) << name(mode);
      EXPECT_FALSE(read_too_much(outcome, image.size()))
          << name(mode) << " with " << read_ahead_bytes << " bytes of read-ahead and "
          << reads_in_flight << " reads in flight: " << outcome.report.read_bytes;
      EXPECT_FALSE(outcome.miscounted_reads);
    }
  }
}

TEST(ReadBytes, OfAnEmptyLog) { expect_bounded(large("Empty").window(64 << 10)); }

TEST(ReadBytes, OfAnEmptyLogInVersion1) { expect_bounded(large("Empty").version1()); }

TEST(ReadBytes, OfAShortLogInAWideRing) {
  expect_bounded(large("Short").window(64 << 10).records({0, kB, 2 * kB}).gives({0, kB, 2 * kB}));
}

TEST(ReadBytes, OfATrimmedLog) {
  expect_bounded(large("Trimmed")
                     .window(64 << 10)
                     .trim(10 * kMiB)
                     .records({0, kB, 10 * kMiB, 10 * kMiB + kB})
                     .gives({10 * kMiB + kB}));
}

TEST(ReadBytes, OfALogWithHoles) {
  expect_bounded(large("Holes")
                     .window(64 << 10)
                     .records({0, 2 * kB, 10 * kB})
                     .gives({0, 2 * kB, 10 * kB})
                     .prefix({0}));
}

TEST(ReadBytes, OfAnEmptyVersion1LogWithoutAWindow) {
  expect_bounded(large("Version1").version1().window(0).records({0, kB}).gives({0, kB}));
}

TEST(ReadBytes, OfAWindowOfZero) {
  expect_bounded(large("Zero").window(0).records({0, kB}).gives({0, kB}));
}

TEST(ReadBytes, OfALogAcrossTheEndOfTheRing) {
  const std::int64_t end = 12 * kMiB;
  expect_bounded(large("Wrapped")
                     .window(256 << 10)
                     .trim(end - 2 * kB)
                     .records({end - 2 * kB, end - kB, end, end + kB})
                     .gives({end - kB, end, end + kB}));
}

TEST(ReadBytes, OfALongRecord) {
  expect_bounded(large("Long").window(kMiB).record(0, 6 * kMiB).records({8 * kMiB}).gives({0}));
}

TEST(ReadBytes, OfATornLongRecordThatTheWindowCovers) {
  expect_bounded(
      large("Torn").window(6 * kMiB).records({0}).torn(kB, 5 * kMiB, 3 * kMiB).gives({0}));
}

TEST(ReadBytes, OfAFullRing) {
  Scenario scenario = Scenario("Full").trim(3 * kB).full_blocks(3 * kB, 18 * kB);
  std::vector<std::int64_t> all;
  for (std::int64_t offset = 4 * kB; offset <= 18 * kB; offset += kB) all.push_back(offset);
  scenario.gives(all);
  expect_bounded(scenario);
}

// 128 MiB of record and a section that is longer still. Slow, so only in a long run.
TEST(LongestRecord, IsDeliveredAndOneByteMoreIsNot) {
  if (std::getenv("SEQWAL_LONG") == nullptr) GTEST_SKIP() << "only with SEQWAL_LONG=1";
  for (const std::uint64_t more : {0U, 1U}) {
    Scenario scenario = Scenario("Longest").section_blocks(129 * kMiB / kB);
    scenario.record_with(0, naive::Bytes(naive::kLongestBody + more, 7)).records({128 * kMiB});
    const naive::Bytes image = naive::write_image(scenario.image());
    const Outcome outcome = recover(image, {.mode = RecoveryMode::strict});
    ASSERT_FALSE(outcome.error) << to_string(*outcome.error);
    const std::vector<std::int64_t> expected =
        more == 0 ? std::vector<std::int64_t>{0, 128 * kMiB} : std::vector<std::int64_t>{};
    EXPECT_EQ(offsets(outcome.records), expected);
  }
}

// With a window of 6 MiB, standard recovery goes on for 4 MiB, not 6, beyond the last record.
TEST(StandardMode, GoesOnAtMostFourMebibytesBeyondTheLastRecord) {
  const std::int64_t last = 6 * kMiB;
  Scenario reached = Scenario("Reached").section_blocks(16 * kMiB / kB).window(6 * kMiB);
  reached.records({0, last, last + 4 * kMiB - kB}).gives({0, last, last + 4 * kMiB - kB});
  reached.strict({0, last}).prefix({0});
  reached.holes({{kB, last}, {last + kB, last + 4 * kMiB - kB}});
  expect_conformance(reached);

  Scenario missed = Scenario("Missed").section_blocks(16 * kMiB / kB).window(6 * kMiB);
  missed.records({0, last, last + 4 * kMiB}).gives({0, last}).prefix({0}).holes({{kB, last}});
  expect_conformance(missed);
}

}  // namespace
}  // namespace seqwal::conformance
