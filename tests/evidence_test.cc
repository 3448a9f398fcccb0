// The bytes of evidence, and what is taken for some.
#include "seqwal/evidence.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <span>

#include "seqwal/format.h"

namespace seqwal {
namespace {

constexpr BlockEvidence kBlock{.lineage = {.log_id = 0x1122334455667788, .incarnation = 7},
                               .begin = Offset{8192},
                               .length_bytes = 4096,
                               .records_bytes = 100,
                               .previous_end = Offset{8000},
                               .watermark = Offset{4096},
                               .trim = Offset{-1}};
constexpr HeaderEvidence kHeader{.lineage = {.log_id = 9, .incarnation = 3},
                                 .flags = HeaderEvidence::kResumed,
                                 .watermark = Offset{12345}};

using Bytes = std::array<std::byte, 64>;

Bytes encoded(const BlockEvidence& evidence) {
  Bytes bytes{};
  encode_block_evidence(evidence, bytes);
  return bytes;
}

TEST(BlockEvidence, StandsWhereTheFormatSays) {
  const Bytes bytes = encoded(kBlock);
  constexpr std::array<unsigned, 32> kFirst = {
      0x53, 0x51, 0x45, 0x56, 0, 0, 0,    7, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
      0,    0,    0,    0,    0, 0, 0x20, 0, 0,    0,    0x10, 0,    0,    0,    0,    100};
  for (std::size_t i = 0; i < kFirst.size(); ++i) {
    EXPECT_EQ(std::to_integer<unsigned>(bytes.at(i)), kFirst.at(i)) << i;
  }
  EXPECT_EQ(decode_block_evidence(bytes), kBlock);
}

TEST(BlockEvidence, AnyFlippedBitMakesItNone) {
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Bytes bytes = encoded(kBlock);
    bytes.at(bit / 8) ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(decode_block_evidence(bytes).has_value()) << bit;
  }
}

TEST(BlockEvidence, WhatNoWriterSaysIsNone) {
  const auto refused = [](auto change) {
    BlockEvidence evidence = kBlock;
    change(evidence);
    return !decode_block_evidence(encoded(evidence)).has_value();
  };
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.begin = Offset{8193}; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.begin = Offset{-4096}; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.begin = Offset{kMaxOffset.value / 4096 * 4096}; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.length_bytes = 0; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.length_bytes = 4095; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.records_bytes = 4096 - 63; }));
  EXPECT_FALSE(refused([](BlockEvidence& e) { e.records_bytes = 4096 - 64; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.previous_end = Offset{-2}; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.watermark = Offset{-2}; }));
  EXPECT_TRUE(refused([](BlockEvidence& e) { e.trim = Offset{-2}; }));
}

TEST(HeaderEvidence, BelongsToTheHeaderBeforeIt) {
  const WalHeader header{.capacity_bytes = 65536, .stamp = 5, .window_bytes = 8192};
  std::array<std::byte, kBlockBytes> slot{};
  encode_wal_header(header, slot, kHeader);
  EXPECT_EQ(decode_wal_header(slot).evidence, kHeader);
  // A writer that knows nothing of it writes the header anew, and carries the rest along.
  std::array<std::byte, kBlockBytes> other{};
  WalHeader newer = header;
  newer.stamp = 6;
  encode_wal_header(newer, other);
  std::copy_n(other.begin(), kWalHeaderBytes, slot.begin());
  const HeaderSlot found = decode_wal_header(slot);
  EXPECT_EQ(found.state, SlotState::valid);
  EXPECT_FALSE(found.evidence.has_value());
}

void fix_checksum(Bytes& bytes) {
  const std::uint32_t sum = checksum(std::span(bytes).first(60));
  for (unsigned i = 0; i < 4; ++i) bytes.at(60 + i) = static_cast<std::byte>(sum >> (24 - 8 * i));
}

TEST(BlockEvidence, WhatIsZeroStaysZero) {
  for (std::size_t at = 56; at < 60; ++at) {
    Bytes bytes{};
    encode_block_evidence(kBlock, bytes);
    bytes.at(at) = std::byte{1};
    fix_checksum(bytes);
    EXPECT_FALSE(decode_block_evidence(bytes).has_value()) << at;
  }
}

TEST(HeaderEvidence, WhatIsZeroStaysZero) {
  for (std::size_t at = 40; at < 60; ++at) {
    Bytes bytes{};
    encode_header_evidence(kHeader, 5, 77, bytes);
    bytes.at(at) = std::byte{1};
    fix_checksum(bytes);
    EXPECT_FALSE(decode_header_evidence(bytes, 5, 77).has_value()) << at;
  }
}

TEST(HeaderEvidence, IsThatOfOneStampAndOneChecksum) {
  Bytes bytes{};
  encode_header_evidence(kHeader, 5, 77, bytes);
  EXPECT_FALSE(decode_header_evidence(bytes, 6, 77).has_value());
  EXPECT_FALSE(decode_header_evidence(bytes, 5, 78).has_value());
}

TEST(HeaderEvidence, AWatermarkBeforeEverythingIsNone) {
  Bytes bytes{};
  HeaderEvidence evidence = kHeader;
  evidence.watermark = Offset{-2};
  encode_header_evidence(evidence, 5, 77, bytes);
  EXPECT_FALSE(decode_header_evidence(bytes, 5, 77).has_value());
}

TEST(HeaderEvidence, AnyFlippedBitMakesItNone) {
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Bytes bytes{};
    encode_header_evidence(kHeader, 5, 77, bytes);
    ASSERT_EQ(decode_header_evidence(bytes, 5, 77), kHeader);
    bytes.at(bit / 8) ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(decode_header_evidence(bytes, 5, 77).has_value()) << bit;
  }
}

}  // namespace
}  // namespace seqwal
