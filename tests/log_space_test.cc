// Space and window: full rings, wraps, jumps, trims, and what stays recoverable meanwhile.
#include <gtest/gtest.h>

#include <algorithm>

#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::recover_image;
using testing_support::Recovered;

// What a crash right now leaves recovers every acknowledged record above the trim offset.
void expect_nothing_lost(LogWorld& world) {
  const auto records = recover_image(world.device().durable_image());
  for (const Offset offset : world.acked()) {
    if (offset <= world.log().trimmed()) continue;
    const auto record = std::ranges::find(records, offset, &Recovered::offset);
    ASSERT_NE(record, records.end()) << "lost " << offset.value;
    EXPECT_EQ(record->body, world.appended().at(offset));
  }
  for (const Recovered& record : records) {
    EXPECT_GT(record.offset, world.log().trimmed());
    EXPECT_TRUE(world.appended().contains(record.offset)) << "foreign " << record.offset.value;
  }
}

// Appends until the ring is full; returns the offsets.
std::vector<Offset> fill(LogWorld& world, std::size_t body_bytes) {
  std::vector<Offset> offsets;
  while (true) {
    const auto offset = world.try_append(body_bytes);
    if (!offset && offset.error().code == ErrorCode::would_block) {
      world.run();
      continue;
    }
    if (!offset) {
      EXPECT_EQ(offset.error().code, ErrorCode::over_capacity);
      break;
    }
    offsets.push_back(*offset);
    world.run();
  }
  return offsets;
}

Offset trim_and_wait(LogWorld& world, Offset offset) {
  EXPECT_TRUE(world.trim(offset).has_value());
  world.run();
  EXPECT_FALSE(world.trims().empty());
  const auto& result = world.trims().back();
  EXPECT_TRUE(result.has_value()) << result.error().message();
  return result.value_or(kNoOffset);
}

// A log of 14 blocks starts at its third: fills the next ten with records of 1, 3, 3 and 3 blocks.
std::vector<Offset> fill_but_two_blocks(LogWorld& world) {
  std::vector<Offset> offsets;
  for (const std::size_t length : {4000U, 12000U, 12000U, 12000U}) {
    offsets.push_back(world.append(length));
    world.run();
  }
  return offsets;
}

// The smaller window of the two slots, as they stand on the device.
std::int64_t durable_window(LogWorld& world) {
  const std::span<const std::byte> image(world.device().image());
  return std::min(decode_wal_header(image.first(kBlockBytes)).header.window_bytes,
                  decode_wal_header(image.subspan(kBlockBytes, kBlockBytes)).header.window_bytes);
}

class LogSpace : public ::testing::TestWithParam<FormatVersion> {
 protected:
  [[nodiscard]] static LogWorldOptions options(std::uint64_t capacity_bytes) {
    LogWorldOptions options;
    options.capacity_bytes = capacity_bytes;
    options.version = GetParam();
    return options;
  }
};

TEST_P(LogSpace, AFullRingRefusesAndLosesNothing) {
  LogWorld world(options(65536));
  const auto offsets = fill(world, 3000);
  EXPECT_EQ(offsets.size(), 14U);  // 56 KiB of 4 KiB blocks
  EXPECT_EQ(world.try_append(1).error().code, ErrorCode::over_capacity);
  expect_nothing_lost(world);
}

TEST_P(LogSpace, TrimmingOneRecordOfAFullRingFreesItsBlock) {
  LogWorld world(options(65536));
  const auto offsets = fill(world, 3000);
  trim_and_wait(world, offsets[0]);
  EXPECT_TRUE(world.try_append(3000).has_value());
  EXPECT_EQ(world.try_append(3000).error().code, ErrorCode::over_capacity);
  world.run();
  expect_nothing_lost(world);
}

// The reference loses acknowledged neighbours here: recovery starts by parsing the trimmed record.
TEST_P(LogSpace, TrimInsideAMergedBlockWriteKeepsItsNeighboursWhenTheRingFills) {
  LogWorld world(options(65536));
  std::vector<Offset> merged;
  for (int i = 0; i < 12; ++i) merged.push_back(world.append(300));
  world.run();
  fill(world, 3000);
  for (const Offset offset : merged) {
    trim_and_wait(world, offset);
    fill(world, 3000);
    expect_nothing_lost(world);
  }
}

TEST_P(LogSpace, TrimAtTheLastRecordOfABlockWriteMovesToTheNextOne) {
  LogWorld world(options(65536));
  const Offset first = world.append(100);
  const Offset second = world.append(100);
  world.run();
  const Offset third = world.append(100);
  world.run();
  EXPECT_EQ(trim_and_wait(world, first), first);
  EXPECT_EQ(trim_and_wait(world, second), third - 1);
  EXPECT_EQ(trim_and_wait(world, third), third + 4095);
  EXPECT_EQ(world.log().trimmed(), third + 4095);
  EXPECT_TRUE(recover_image(world.device().image()).empty());
}

TEST_P(LogSpace, TrimRefusesWhatIsNotARecord) {
  LogWorld world(options(65536));
  const Offset first = world.append(100);
  world.run();
  const Offset second = world.append(100);
  world.run();
  const auto image = world.device().image();
  for (const Offset offset : {first + 1, first + 24, first + 124, second - 1}) {
    ASSERT_TRUE(world.trim(offset).has_value());
    world.run();
    ASSERT_FALSE(world.trims().back().has_value());
    EXPECT_EQ(world.trims().back().error().code, ErrorCode::not_a_record);
  }
  EXPECT_EQ(world.device().image(), image);
}

TEST_P(LogSpace, TrimRefusesWhatIsNotDurableAndWhatIsTrimmed) {
  LogWorld world(options(65536));
  const Offset first = world.append(100);
  EXPECT_EQ(world.log().trim(first).error().code, ErrorCode::not_durable);
  EXPECT_EQ(world.log().trim(Offset{INT64_MAX}).error().code, ErrorCode::not_durable);
  world.run();
  trim_and_wait(world, first);
  EXPECT_EQ(world.log().trim(first).error().code, ErrorCode::below_trim);
  EXPECT_EQ(world.log().trim(Offset{0}).error().code, ErrorCode::below_trim);
  EXPECT_EQ(world.log().trim(kNoOffset).error().code, ErrorCode::below_trim);
}

TEST_P(LogSpace, OfTrimsGivenTogetherOnlyTheOneBehindAnotherIsRefused) {
  LogWorld world(options(65536));
  std::vector<Offset> offsets;
  for (int i = 0; i < 10; ++i) {
    offsets.push_back(world.append(3000));
    world.run();
  }
  for (const int i : {1, 3, 2, 7}) ASSERT_TRUE(world.trim(offsets.at(static_cast<std::size_t>(i))));
  world.run();
  ASSERT_EQ(world.trims().size(), 4U);
  EXPECT_EQ(std::ranges::count_if(world.trims(), [](const auto& t) { return t.has_value(); }), 3);
  EXPECT_EQ(world.log().trimmed(), offsets[8] - 1);
}

TEST_P(LogSpace, TrimCountsOnlyOnceBothSlotsHoldIt) {
  LogWorld world(options(65536));
  const auto offsets = fill(world, 3000);
  world.device().set_order(CompletionOrder::held);
  ASSERT_TRUE(world.trim(offsets[3]).has_value());
  for (int read = 0; read < 2; ++read) {  // at the record, and behind it
    world.run();
    world.device().complete_all();
  }
  world.run();
  for (int slot = 0; slot < 2; ++slot) {
    EXPECT_TRUE(world.trims().empty());
    EXPECT_EQ(world.try_append(100).error().code, ErrorCode::over_capacity);
    ASSERT_EQ(world.device().pending().size(), 1U);
    EXPECT_LT(world.device().pending()[0].position.value, kHeaderAreaBytes);
    world.device().complete_all();
    world.run();
  }
  EXPECT_EQ(world.trims().size(), 1U);
  EXPECT_TRUE(world.try_append(100).has_value());
}

TEST_P(LogSpace, ARecordThatDoesNotFitJumpsToTheNextCycle) {
  LogWorld world(options(65536));
  const std::vector<Offset> offsets = fill_but_two_blocks(world);
  trim_and_wait(world, offsets[1]);
  const Offset jumped = world.append(12000);  // 2 blocks are left
  EXPECT_EQ(jumped, Geometry(65536).next_cycle(world.start()));
  world.run();
  expect_nothing_lost(world);
  EXPECT_EQ(recover_image(world.device().image()).size(), 3U);
  EXPECT_EQ(recover_image(world.device().image(), RecoveryMode::prefix).size(), 3U);
}

TEST_P(LogSpace, TrimBehindAJumpFreesTheGapToo) {
  LogWorld world(options(65536));
  const std::vector<Offset> offsets = fill_but_two_blocks(world);
  trim_and_wait(world, offsets[2]);
  const Offset jumped = world.append(12000);
  world.run();
  EXPECT_EQ(trim_and_wait(world, offsets[3]), jumped - 1);
  EXPECT_EQ(recover_image(world.device().image()).size(), 1U);
}

TEST_P(LogSpace, VersionOnePadsTheRestOfACycleAndVersionZeroLeavesIt) {
  LogWorld world(options(65536));
  std::ranges::fill(world.device().image(), std::byte{0xAA});  // what a former life left
  // (The headers are overwritten by the next trim, in both slots.)
  const std::vector<Offset> offsets = fill_but_two_blocks(world);
  trim_and_wait(world, offsets[1]);
  world.append(12000);
  world.run();
  const auto& image = world.device().image();
  const auto gap = std::span(image).last(2 * kBlockBytes);
  if (GetParam() == FormatVersion::v1) {
    const auto header =
        decode_record_header(gap.first<kRecordHeaderBytes>(), offsets[3] + 3 * kBlockBytes);
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->kind, RecordKind::padding);
    EXPECT_EQ(header->body_length_bytes, 2 * kBlockBytes - kRecordHeaderBytes);
    EXPECT_TRUE(std::ranges::all_of(gap.subspan(kRecordHeaderBytes),
                                    [](std::byte b) { return b == std::byte{0}; }));
  } else {
    EXPECT_TRUE(std::ranges::all_of(gap, [](std::byte b) { return b == std::byte{0xAA}; }));
  }
}

TEST_P(LogSpace, AFullyTrimmedRingAlwaysAcceptsAgain) {
  for (const std::uint64_t blocks : {1U, 2U, 3U, 5U, 14U}) {
    LogWorld world(options(kHeaderAreaBytes + blocks * kBlockBytes));
    const std::uint32_t longest = world.log().max_body_bytes();
    for (std::uint32_t step = 0; step < 60; ++step) {
      // More than half of the section, at every alignment, so that each one jumps.
      const std::uint32_t length = longest - step * 97 % (longest / 2 + 1);
      const auto offset = world.try_append(length);
      ASSERT_TRUE(offset.has_value()) << offset.error().message() << " after " << step;
      world.run();
      ASSERT_EQ(world.acked().back(), *offset);
      expect_nothing_lost(world);
      trim_and_wait(world, *offset);
      expect_nothing_lost(world);
    }
  }
}

TEST_P(LogSpace, ALogOfThreeBlocksWorks) {
  LogWorld world(options(kMinCapacityBytes));
  for (int i = 0; i < 20; ++i) {
    const Offset a = world.append(10);
    const Offset b = world.append(20);
    world.run();
    EXPECT_EQ(world.try_append(10).error().code, ErrorCode::over_capacity);
    expect_nothing_lost(world);
    trim_and_wait(world, a);
    EXPECT_EQ(world.try_append(10).error().code, ErrorCode::over_capacity);
    expect_nothing_lost(world);
    trim_and_wait(world, b);
  }
}

TEST_P(LogSpace, AJumpGapLongerThanTheWindowIsCoveredByTheWindow) {
  LogWorldOptions small = options(2 << 20);
  small.log.window_bytes = 8192;
  small.log.window_step_bytes = 4096;
  LogWorld world(small);
  std::vector<Offset> offsets;
  while (Geometry(2 << 20).left_in_cycle(world.start()) > 0 && offsets.size() < 4) {
    offsets.push_back(world.append(400 << 10));
    world.run();
  }
  trim_and_wait(world, offsets[2]);
  // About 440 KiB are left in the cycle, a gap far beyond the window it started with.
  const Offset jumped = world.append(1 << 20);
  world.device().set_order(CompletionOrder::held);
  while (world.acked().size() < 5) {
    world.run();
    expect_nothing_lost(world);
    world.device().complete_all();
  }
  expect_nothing_lost(world);
  const auto strict = recover_image(world.device().image(), RecoveryMode::strict);
  ASSERT_FALSE(strict.empty());
  EXPECT_EQ(strict.back().offset, jumped);
  world.device().set_order(CompletionOrder::in_order);
}

TEST_P(LogSpace, TheWindowNeverExceedsTheDurableHeaders) {
  LogWorldOptions small = options(1 << 20);
  small.log.window_bytes = 4096;
  small.log.window_step_bytes = 8192;
  LogWorld world(small);
  world.device().set_order(CompletionOrder::held);
  for (int i = 0; i < 30; ++i) {
    world.append(3000);
    world.run();
    const auto pending = world.device().pending();
    const auto header = durable_window(world);
    for (const auto& io : pending) {
      if (io.position.value < kHeaderAreaBytes) continue;
      const std::uint64_t start = Geometry(1 << 20).position(world.start()).value;
      const auto end = static_cast<std::int64_t>(io.position.value + io.length_bytes - start);
      const std::int64_t from = round_up_to_block(world.log().durable()) - world.start();
      EXPECT_LE(end - from, header);
    }
    if (i % 3 == 2) world.device().complete(static_cast<std::size_t>(i) % pending.size());
  }
  world.device().complete_all();
  EXPECT_GT(world.events.count(EventKind::window_grown), 0U);
  world.device().set_order(CompletionOrder::in_order);
}

TEST_P(LogSpace, ManyCyclesOfMixedSizesRecoverAfterEveryStep) {
  LogWorld world(options(65536));
  std::uint64_t random = 12345;
  std::vector<Offset> live;
  for (int i = 0; i < 600; ++i) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    const std::size_t length = 1 + (random >> 33U) % (i % 7 == 0 ? 20000 : 900);
    const auto offset = world.try_append(length);
    if (offset) {
      live.push_back(*offset);
      if ((random >> 20U) % 3 == 0) world.run();
    } else if (offset.error().code == ErrorCode::over_capacity) {
      world.run();
      const std::size_t index = (random >> 40U) % live.size();
      trim_and_wait(world, live[index]);
      live.erase(live.begin(), live.begin() + static_cast<std::ptrdiff_t>(index) + 1);
    } else {
      world.run();
    }
    if (i % 5 == 0) expect_nothing_lost(world);
  }
  world.run();
  expect_nothing_lost(world);
}

INSTANTIATE_TEST_SUITE_P(Versions, LogSpace,
                         ::testing::Values(FormatVersion::v0, FormatVersion::v1),
                         [](const auto& version) {
                           return version.param == FormatVersion::v0 ? "v0" : "v1";
                         });

}  // namespace
}  // namespace seqwal
