// A resume of a log whose writer leaves no evidence: laid out by the naive writer, gone on with by
// ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"
#include "tests/support/naive_log.h"

namespace seqwal {
namespace {

using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::read_image;
using testing_support::recover_image;
using Image = std::vector<std::byte>;

constexpr std::uint64_t kCapacity = 64 << 10;
constexpr std::int64_t kSection = kCapacity - kHeaderAreaBytes;

bool ignore(const RecoveredRecord&) { return true; }

std::size_t position(std::int64_t offset) {
  return Geometry(kCapacity).position(Offset{offset}).value;
}

class Adopt : public testing::TestWithParam<int> {
 protected:
  // Its buffers were never cleared.
  Adopt() {
    naive_.capacity = kCapacity;
    for (naive::Slot& slot : naive_.slots) slot.version = GetParam();
    naive_.fills.push_back({.offset = 0, .bytes = naive::arbitrary_bytes(kSection, 7)});
  }

  void put(std::int64_t offset, std::uint64_t length, naive::Damage damage = naive::Damage::none) {
    naive_.records.push_back(
        {.offset = offset,
         .body = naive::arbitrary_bytes(length, static_cast<std::uint64_t>(offset) + 1),
         .damage = damage});
  }
  // The rest of the cycle, from a boundary on: version 1 says so.
  void jump_from(std::int64_t offset) {
    if (GetParam() == 0) return;
    naive_.records.push_back(
        {.offset = offset,
         .body = naive::Bytes(static_cast<std::size_t>(kSection - offset % kSection - 24)),
         .padding = true});
  }
  void trim(std::int64_t offset) {
    for (naive::Slot& slot : naive_.slots) slot.trim = offset;
  }
  [[nodiscard]] Image image() const {
    const naive::Bytes bytes = naive::write_image(naive_);
    Image image(bytes.size());
    std::ranges::transform(bytes, image.begin(), [](auto byte) { return std::byte{byte}; });
    return image;
  }
  static std::unique_ptr<LogWorld> open(const Image& image) {
    auto world = std::make_unique<LogWorld>(image, LogWorldOptions{}, false);
    EXPECT_TRUE(world->log().recover(ignore, {.mode = RecoveryMode::prefix}).has_value());
    return world;
  }
  // Resumes it, appends a record, and looks whether all is there and testified.
  void expect_adopted(const Image& image) const {
    const auto kept = recover_image(image, RecoveryMode::prefix);
    ASSERT_FALSE(kept.empty());
    const auto world = open(image);
    const auto end = world->log().resume();
    ASSERT_TRUE(end.has_value()) << end.error().message();
    const Offset added = world->append(60);
    world->close();
    const Image after = world->device().image();
    for (const RecoveryMode mode : {RecoveryMode::prefix, RecoveryMode::standard}) {
      const auto all = recover_image(after, mode);
      ASSERT_EQ(all.size(), kept.size() + 1);
      EXPECT_TRUE(std::ranges::equal(kept, std::span(all).first(kept.size())));
      EXPECT_EQ(all.back().offset, added);
    }
    for (const auto& record : kept) {
      Image rotten = after;
      rotten[position(record.offset.value) + kRecordHeaderBytes] ^= std::byte{1};
      EXPECT_EQ(read_image(rotten).error().code, ErrorCode::damaged) << record.offset.value;
    }
  }
  void expect_refused(const Image& image) const {
    const auto world = open(image);
    EXPECT_EQ(world->log().resume().error().code, ErrorCode::unknown_tail);
    EXPECT_EQ(world->device().image(), image);
    EXPECT_TRUE(world->log().reset().has_value());
    world->close();
  }

  naive::Image naive_;
};

INSTANTIATE_TEST_SUITE_P(Versions, Adopt, testing::Values(0, 1));

TEST_P(Adopt, BlockWritesWithAnyFill) {
  put(0, 100);
  put(124, 200);     // in the same block write
  put(4096, 4096);   // of two blocks, 24 bytes into the second one
  put(12288, 4050);  // its fill has no room for evidence
  put(16384, 4072);  // it has none
  put(20480, 10);
  expect_adopted(image());
}

TEST_P(Adopt, AJump) {
  trim(kSection - 8193);
  put(kSection - 8192, 50);
  jump_from(kSection - 4096);
  put(kSection, 5000);
  expect_adopted(image());
}

TEST_P(Adopt, BehindATrimmedRecord) {
  trim(4096);
  put(4096, 100);
  put(4220, 100);
  put(8192, 100);
  expect_adopted(image());
}

TEST_P(Adopt, ATornLastRecord) {
  put(0, 100);
  put(4096, 100);
  put(4220, 100, naive::Damage::body);
  expect_adopted(image());
}

TEST_P(Adopt, ARecordBehindAHoleIsRefusedUnchanged) {
  put(0, 100);
  put(8192, 100);
  expect_refused(image());
}

// In its block it looks like fill, and what follows like what comes next.
TEST_P(Adopt, ARecordBehindABrokenOneIsRefusedUnchanged) {
  put(0, 100);
  put(124, 100, naive::Damage::body);
  put(4096, 100);
  expect_refused(image());
}

}  // namespace
}  // namespace seqwal
