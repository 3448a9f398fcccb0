// I11: how much recovery reads, with evidence to be looked for. Without:
// conformance_bounds_test.cc.
//
// A healthy log, or one that died: the untrimmed log, two windows and 4 MiB. On any image, whatever
// it says: no block more often than three times, nothing behind the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"
#include "tests/support/log_world.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace seqwal {
namespace {

using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::make_body;
using testing_support::ManualHost;
using testing_support::MemoryDevice;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr RecoveryMode kModes[] = {RecoveryMode::standard, RecoveryMode::strict,
                                   RecoveryMode::prefix};

struct Reading {
  std::uint64_t records = 0;
  bool damaged = false;
  HeaderState headers;
  RecoveryReport report;
};

// To the end, whatever it holds. What is read is what the device was asked for.
Reading read_all(const std::vector<std::byte>& image, const RecoveryOptions& options,
                 const DeviceLimits& limits = MemoryDevice::default_limits(),
                 std::uint64_t failing_read = 0) {
  MemoryDevice device(image, limits);
  if (failing_read != 0) device.add_fault({.kind = IoKind::read, .nth = failing_read});
  ManualHost host;
  Reading reading;
  const auto recovery = Recovery::open(device, host, options);
  EXPECT_TRUE(recovery) << recovery.error().message();
  if (!recovery) return reading;
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) {
      EXPECT_EQ(record.error().code, ErrorCode::damaged) << record.error().message();
      reading.damaged = true;
      break;
    }
    if (!*record) break;
    ++reading.records;
  }
  reading.headers = (*recovery)->headers();
  reading.report = (*recovery)->report();
  EXPECT_EQ(reading.report.read_bytes, device.counts().read_bytes);
  return reading;
}

// A log without an end in sight: at every block a record of 100 bytes, and evidence behind it.
struct Blocks {
  std::int64_t count = 0;
  ShutdownType shutdown = ShutdownType::ungraceful;
  Offset watermark = kNoOffset;
  std::int64_t window_bytes = kBlockBytes;
  Offset begin{0};                 // of the first one
  std::int64_t trimmed_bytes = 0;  // of it and behind it
};

std::vector<std::byte> write_blocks(const Blocks& blocks,
                                    const std::function<void(BlockEvidence&)>& twist) {
  const std::uint64_t capacity =
      kHeaderAreaBytes + static_cast<std::uint64_t>(blocks.count) * kBlockBytes;
  const Geometry geometry(capacity);
  std::vector<std::byte> image(capacity);
  const auto at = [&](std::uint64_t position) { return std::span(image).subspan(position); };
  const Lineage lineage{.log_id = 7, .incarnation = 1};
  const WalHeader header{.version = FormatVersion::v0,
                         .capacity_bytes = capacity,
                         .trim = blocks.begin + (blocks.trimmed_bytes - 1),
                         .stamp = 1,
                         .window_bytes = blocks.window_bytes,
                         .shutdown = blocks.shutdown};
  const HeaderEvidence evidence{.lineage = lineage, .flags = 0, .watermark = blocks.watermark};
  encode_wal_header(header, at(0).first<kBlockBytes>(), evidence);
  encode_wal_header(header, at(kBlockBytes).first<kBlockBytes>(), evidence);

  constexpr std::uint32_t kBodyBytes = 100;
  constexpr std::uint32_t kRecordBytes = kRecordHeaderBytes + kBodyBytes;
  Offset previous_end = kNoOffset;
  for (std::int64_t i = 0; i < blocks.count; ++i) {
    const Offset offset = blocks.begin + i * kBlockBytes;
    const auto block = at(geometry.position(offset).value).first<kBlockBytes>();
    const auto body = make_body(static_cast<std::uint64_t>(i), kBodyBytes);
    std::ranges::copy(body, block.subspan(kRecordHeaderBytes).begin());
    encode_record_header({.kind = RecordKind::data,
                          .body_length_bytes = kBodyBytes,
                          .offset = offset,
                          .body_checksum = checksum(body)},
                         block.first<kRecordHeaderBytes>());
    BlockEvidence mine{.lineage = lineage,
                       .begin = offset,
                       .length_bytes = kBlockBytes,
                       .records_bytes = kRecordBytes,
                       .previous_end = previous_end,
                       .watermark = kNoOffset,
                       .trim = blocks.begin - 1};
    twist(mine);
    encode_block_evidence(mine, block.last<kBlockEvidenceBytes>());
    previous_end = offset + kRecordBytes;
  }
  return image;
}

void expect_within_three_times(const std::vector<std::byte>& image, const Reading& reading) {
  EXPECT_LE(reading.report.read_bytes, kHeaderAreaBytes + 3 * image.size());
}

TEST(EvidenceReads, OfALogThatDied) {
  for (const FormatVersion version : {FormatVersion::v0, FormatVersion::v1}) {
    LogWorldOptions options;
    options.capacity_bytes = 16 * kMiB;
    options.version = version;
    options.log.window_bytes = 256 << 10;
    LogWorld world(options);
    for (int i = 0; i < 64; ++i) {
      world.append(20'000);
      world.run();
    }
    const std::vector<std::byte> image = world.device().image();
    for (const RecoveryMode mode : kModes) {
      const Reading reading = read_all(image, {.mode = mode});
      EXPECT_EQ(reading.records, 64U);
      EXPECT_FALSE(reading.damaged);
      const WalHeader& header = reading.headers.header();
      const std::int64_t untrimmed = reading.report.end - header.trim;
      EXPECT_LE(
          reading.report.read_bytes,
          kHeaderAreaBytes + 4 * kMiB +
              static_cast<std::uint64_t>(round_up_to_block(untrimmed) + 2 * header.window_bytes));
    }
    world.kill();
  }
}

// Nobody says where fills end but the block write behind, which has to be asked each time.
TEST(EvidenceReads, OfALogWhoseFillsAreAllBroken) {
  for (const ShutdownType shutdown : {ShutdownType::ungraceful, ShutdownType::graceful}) {
    constexpr std::int64_t kBlocks = 4096;
    const auto image = write_blocks({.count = kBlocks, .shutdown = shutdown},
                                    [](BlockEvidence& mine) { --mine.records_bytes; });
    for (const RecoveryMode mode : kModes) {
      const Reading reading = read_all(image, {.mode = mode});
      EXPECT_EQ(reading.records, std::uint64_t{kBlocks});
      expect_within_three_times(image, reading);
    }
    const Reading frugal = read_all(
        image,
        {.mode = RecoveryMode::prefix, .read_ahead_bytes = kBlockBytes, .reads_in_flight = 1});
    EXPECT_EQ(frugal.records, std::uint64_t{kBlocks});
    expect_within_three_times(image, frugal);
  }
}

TEST(EvidenceReads, OfALogFullOfHoles) {
  constexpr std::int64_t kBlocks = 4096;
  std::vector<std::byte> image = write_blocks({.count = kBlocks}, [](BlockEvidence&) {});
  for (std::size_t block = 3; block < kBlocks; block += 2) {
    image[kHeaderAreaBytes + block * kBlockBytes] ^= std::byte{1};
  }
  for (const RecoveryMode mode : kModes) {
    for (const bool salvage : {false, true}) {
      expect_within_three_times(image, read_all(image, {.mode = mode, .salvage = salvage}));
    }
  }
}

// Up to where the first of them fails, a device may have read some of a long stretch.
TEST(EvidenceReads, WhatCannotBeReadIsCountedAsItWasRead) {
  const auto image =
      write_blocks({.count = 256}, [](BlockEvidence& mine) { --mine.records_bytes; });
  DeviceLimits limits = MemoryDevice::default_limits();
  limits.max_transfer_bytes = 2 * kBlockBytes;
  for (std::uint64_t nth = 3; nth < 200; ++nth) {  // after those of the headers
    SCOPED_TRACE(nth);
    (void)read_all(image, {.read_ahead_bytes = 8 * kBlockBytes}, limits, nth);
  }
}

TEST(EvidenceReads, ArbitraryDamage) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    const Blocks blocks{
        .count = static_cast<std::int64_t>(1 + random() % 300),
        .shutdown = random() % 2 == 0 ? ShutdownType::graceful : ShutdownType::ungraceful,
        .watermark = {static_cast<std::int64_t>(random() % kMiB) - 1},
        .window_bytes = static_cast<std::int64_t>(random() % 64 * kBlockBytes)};
    auto image = write_blocks(blocks, [&](BlockEvidence& mine) {
      if (random() % 4 == 0) mine.records_bytes -= static_cast<std::uint32_t>(random() % 2);
      if (random() % 16 == 0) mine.previous_end = mine.begin;
      if (random() % 16 == 0) mine.lineage.incarnation = 0;
    });
    for (std::uint64_t flips = random() % 64; flips > 0; --flips) {
      const std::size_t at = kHeaderAreaBytes + random() % (image.size() - kHeaderAreaBytes);
      image[at / 64 * 64] ^= std::byte{1};
    }
    for (const RecoveryMode mode : kModes) {
      expect_within_three_times(image, read_all(image, {.mode = mode, .salvage = true}));
    }
  }
}

// Behind a trim offset where nothing can be counted any more.
TEST(EvidenceReads, NothingAtTheEndOfAllOffsets) {
  Blocks blocks{
      .count = 1, .watermark = kMaxOffset, .begin = round_down_to_block(kMaxOffset) - kBlockBytes};
  EXPECT_EQ(read_all(write_blocks(blocks, [](BlockEvidence&) {}), {}).records, 1U);
  for (const std::int64_t behind : {0, 1, 2, 100, 4094, 4095, 4096}) {
    SCOPED_TRACE(behind);
    blocks.trimmed_bytes = kBlockBytes + behind;
    const auto image = write_blocks(blocks, [](BlockEvidence&) {});
    for (const RecoveryMode mode : kModes) {
      EXPECT_EQ(read_all(image, {.mode = mode, .salvage = true}).records, 0U);
    }
  }
}

}  // namespace
}  // namespace seqwal
