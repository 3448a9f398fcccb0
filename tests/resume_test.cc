// Going on behind what was recovered, and damage told from the end of the log.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <vector>

#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace seqwal {
namespace {

using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::ManualHost;
using testing_support::MemoryDevice;
using testing_support::read_image;
using testing_support::recover_image;
using testing_support::Recovered;
using Image = std::vector<std::byte>;

bool ignore(const RecoveredRecord&) { return true; }

std::size_t position(Offset offset) { return Geometry(65536).position(offset).value; }

class Resume : public testing::TestWithParam<FormatVersion> {
 protected:
  LogWorldOptions options() const {
    LogWorldOptions options;
    options.version = GetParam();
    return options;
  }
  // A world on this image that has gone on behind what it holds.
  std::unique_ptr<LogWorld> resumed(const Image& image) const {
    auto world = std::make_unique<LogWorld>(image, options(), false);
    EXPECT_TRUE(world->log().recover(ignore, {.mode = RecoveryMode::prefix}).has_value());
    const auto end = world->log().resume();
    EXPECT_TRUE(end.has_value()) << end.error().message();
    return world;
  }
  // One block write of records of these lengths; where the first one begins.
  static Offset write(LogWorld& world, std::initializer_list<std::size_t> lengths) {
    Offset first = kNoOffset;
    for (const std::size_t length : lengths) {
      const Offset offset = world.append(length);
      if (first == kNoOffset) first = offset;
    }
    world.run();
    return first;
  }
  // The medium brings back a block of `old`: the image was sound, and is damaged now.
  static void expect_damaged_by(const Image& old, Offset block, Image image) {
    EXPECT_TRUE(read_image(image).has_value());
    const auto at = static_cast<std::ptrdiff_t>(position(block));
    std::copy_n(old.begin() + at, kBlockBytes, image.begin() + at);
    EXPECT_EQ(read_image(image).error().code, ErrorCode::damaged);
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, Resume, testing::Values(FormatVersion::v0, FormatVersion::v1));

TEST_P(Resume, KeepsWhatIsThereAndAppendsBehindIt) {
  LogWorld first(options());
  write(first, {100});
  first.append(5000);
  first.close();
  const auto kept = recover_image(first.device().image());
  ASSERT_EQ(kept.size(), 2U);
  const auto second = resumed(first.device().image());
  const Offset next = second->append(70);
  EXPECT_GT(next, kept.back().offset);
  second->close();
  const auto all = recover_image(second->device().image());
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0], kept[0]);
  EXPECT_EQ(all[1], kept[1]);
  EXPECT_EQ(all[2].offset, next);
}

// A and C survive, B between them does not; a new B of the same size must not bring C back.
TEST_P(Resume, WhatLayBehindAHoleNeverComesBack) {
  LogWorld first(options());
  std::vector<Offset> offsets;
  for (int i = 0; i < 3; ++i) offsets.push_back(write(first, {100}));
  Image image = first.device().image();
  first.kill();
  std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(position(offsets[1])), 4096,
              std::byte{0});
  // Nobody was told that B is durable: the evidence of C says so, and goes.
  std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(position(offsets[2])) + 4032, 64,
              std::byte{0});
  const auto second = resumed(image);
  EXPECT_EQ(second->append(100), offsets[1]);
  second->close();
  const auto left = recover_image(second->device().image());
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[1].offset, offsets[1]);
}

TEST_P(Resume, NeedsThePrefixOfAnUndamagedLog) {
  LogWorld first(options());
  first.close();
  LogWorld unread(first.device().image(), options(), false);
  if (GetParam() == FormatVersion::v0) {
    ASSERT_TRUE(unread.log().recover(ignore).has_value());
    EXPECT_EQ(unread.log().resume().error().code, ErrorCode::wrong_state);
  }
  ASSERT_TRUE(unread.log().recover(ignore, {.mode = RecoveryMode::prefix}).has_value());
  EXPECT_TRUE(unread.log().resume().has_value());
  EXPECT_EQ(unread.log().resume().error().code, ErrorCode::wrong_state);
  unread.close();
}

// AutoMQ's writer has rewritten the headers since.
TEST_P(Resume, ALogWhoseHeadersLostTheirEvidenceGetsItBack) {
  LogWorld first(options());
  write(first, {100});
  first.append(5000);
  first.close();
  Image image = first.device().image();
  for (const std::size_t slot : {0U, 4096U}) {
    std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(slot) + kWalHeaderBytes, 64,
                std::byte{0});
  }
  const auto kept = recover_image(image);
  const auto second = resumed(image);
  second->close();
  const Image after = second->device().image();
  EXPECT_EQ(recover_image(after), kept);
  const auto report = read_image(after);
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->evidence.has_value());
  EXPECT_GE(report->watermark, report->end);
}

// Only one sector of a header write reached the disk, and another one of its slot cannot be read:
// what its evidence says is not known to anybody, and the other slot counts.
TEST_P(Resume, EvidenceInAHeaderSlotThatCannotBeReadCountsForNothing) {
  LogWorld first(options());
  write(first, {100});
  const Offset last = write(first, {100});
  Image image = first.device().image();
  first.kill();
  image[position(last) + 50] ^= std::byte{1};
  auto slot = std::span(image).subspan(4096).first<kBlockBytes>();
  HeaderSlot newer = decode_wal_header(slot);
  newer.header.stamp += 2;
  newer.evidence->watermark = last + 1;
  encode_wal_header(newer.header, slot, newer.evidence);
  EXPECT_EQ(read_image(image).error().code, ErrorCode::damaged);

  MemoryDevice device(image);
  device.add_fault({.kind = IoKind::read, .nth = 2, .os_error = EIO});
  ManualHost host;
  auto recovery = Recovery::open(device, host, {});
  ASSERT_TRUE(recovery.has_value());
  ASSERT_TRUE((*recovery)->next().value().has_value());
  EXPECT_FALSE((*recovery)->next().value().has_value());
  EXPECT_TRUE((*recovery)->report().damage.empty());
}

// The medium brings back a block write that a resume has cut off: it is sound, and shorter than the
// one that took its place.
TEST_P(Resume, AShorterBlockWriteOfAnOlderTimelineIsDamage) {
  LogWorld first(options());
  write(first, {100});
  const Image kept = first.device().image();
  const Offset cut = write(first, {100});
  const Image old = first.device().image();
  first.kill();
  const auto second = resumed(kept);
  EXPECT_EQ(write(*second, {100, 200}), cut);
  second->append(100);
  second->close();
  expect_damaged_by(old, cut, second->device().image());
}

// The same at the trim offset, before which nothing tells the timeline: the old record is longer
// than the trimmed one, and the next one, which nobody trimmed, ends inside it.
TEST_P(Resume, ALongerTrimmedRecordOfAnOlderTimelineIsDamage) {
  LogWorld first(options());
  write(first, {100});
  const Image kept = first.device().image();
  const Offset cut = write(first, {300});
  const Image old = first.device().image();
  first.kill();
  const auto second = resumed(kept);
  EXPECT_EQ(write(*second, {100, 100}), cut);
  EXPECT_TRUE(second->trim(cut).has_value());
  second->close();
  expect_damaged_by(old, cut, second->device().image());
}

// The same behind a block write of the newer timeline, and only block writes further on say that
// something was durable there.
TEST_P(Resume, AnOldBlockWriteBelowTheWatermarkIsNoOrphan) {
  LogWorld first(options());
  write(first, {100});
  const Image kept = first.device().image();
  write(first, {100});
  const Offset cut = write(first, {100});
  const Image old = first.device().image();
  first.kill();
  const auto second = resumed(kept);
  write(*second, {100});
  EXPECT_EQ(write(*second, {200}), cut);
  write(*second, {100});
  write(*second, {100});
  const Image image = second->device().image();
  second->kill();
  expect_damaged_by(old, cut, image);
}

// The same, and where records stand now there was a jump to the next cycle.
TEST_P(Resume, AJumpOfAnOlderTimelineIsDamage) {
  for (const bool goes_on : {false, true}) {
    LogWorld first(options());
    const Geometry geometry(65536);
    Offset end = first.start();
    while (geometry.left_in_cycle(end) > 4096) {
      end = round_up_to_block(write(first, {4000}) + 4024);
    }
    const Image kept = first.device().image();
    write(first, {5000});
    const Image old = first.device().image();
    first.kill();
    const auto second = resumed(kept);
    EXPECT_EQ(write(*second, {100}), end);
    if (goes_on) second->append(5000);
    second->close();
    expect_damaged_by(old, end, second->device().image());
  }
}

// The same, and the block write behind the jump is too full to say where the one before it ended.
TEST_P(Resume, AJumpOfAnOlderTimelineIsDamageThoughNothingBehindItTells) {
  LogWorld first(options());
  const Geometry geometry(65536);
  Offset last;
  Offset end = first.start();
  while (geometry.left_in_cycle(end) > 8192) {
    last = write(first, {4000});
    end = round_up_to_block(last + 4024);
  }
  EXPECT_TRUE(first.trim(last).has_value());
  first.run();
  const Image kept = first.device().image();
  write(first, {9000});
  const Image old = first.device().image();
  first.kill();
  const auto second = resumed(kept);
  EXPECT_EQ(write(*second, {100}), end);
  EXPECT_EQ(write(*second, {20480 - 24 - 10}), geometry.next_cycle(end));
  second->close();
  expect_damaged_by(old, end, second->device().image());
}

TEST_P(Resume, RotInTheLastRecordOfAClosedLogIsDamage) {
  LogWorld first(options());
  write(first, {100});
  const Offset last = first.append(100);
  first.close();
  Image image = first.device().image();
  image[position(last) + 50] ^= std::byte{1};
  EXPECT_EQ(read_image(image).error().code, ErrorCode::damaged);
  const auto salvaged = read_image(image, {.salvage = true});
  ASSERT_TRUE(salvaged.has_value());
  EXPECT_EQ(salvaged->records, 1U);
  ASSERT_EQ(salvaged->damage.size(), 1U);
  EXPECT_EQ(salvaged->damage[0].begin, last);
}

// What is left of the block is too short for evidence, and the end of a block write is zero.
TEST_P(Resume, ZeroesInPlaceOfTheLastRecordOfABlockAreDamage) {
  LogWorld first(options());
  write(first, {4096 - 24 - 30, 5});
  first.close();
  Image image = first.device().image();
  EXPECT_TRUE(read_image(image).has_value());
  const auto end = static_cast<std::ptrdiff_t>(position(first.start())) + kBlockBytes;
  std::fill(image.begin() + end - 30, image.begin() + end, std::byte{0});
  EXPECT_EQ(read_image(image).error().code, ErrorCode::damaged);
}

TEST_P(Resume, ATornLastRecordOfALogThatDiedIsItsEnd) {
  LogWorld first(options());
  write(first, {100});
  const Offset last = write(first, {100});
  Image image = first.device().image();
  first.kill();
  image[position(last) + 50] ^= std::byte{1};
  const auto report = read_image(image, {.mode = RecoveryMode::prefix});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->records, 1U);
  EXPECT_TRUE(report->damage.empty());
}

TEST_P(Resume, AnIdleSecondPutsTheWatermarkIntoTheHeader) {
  LogWorld first(options());
  const Offset last = write(first, {100});
  first.host.advance(1'000'000'000);
  first.run();
  first.host.advance(1'000'000'000);
  first.run();
  Image image = first.device().image();
  first.kill();
  image[position(last) + 50] ^= std::byte{1};
  EXPECT_EQ(read_image(image).error().code, ErrorCode::damaged);
}

}  // namespace
}  // namespace seqwal
