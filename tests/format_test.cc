// The exact bytes of headers, written down by hand, and decoding of any bytes at all.
#include "seqwal/format.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/naive_log.h"

namespace seqwal {
namespace {

using Bytes = std::vector<std::byte>;
using Block = std::array<std::byte, kBlockBytes>;
using RecordBytes = std::array<std::byte, kRecordHeaderBytes>;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// "12 34 ab" as bytes.
Bytes from_hex(std::string_view text) {
  Bytes bytes;
  unsigned value = 0;
  int digits = 0;
  for (const char c : text) {
    if (c == ' ') continue;
    value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (++digits % 2 == 0) {
      bytes.push_back(static_cast<std::byte>(value));
      value = 0;
    }
  }
  return bytes;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

naive::Bytes plain(std::span<const std::byte> bytes) {
  naive::Bytes result;
  for (const std::byte byte : bytes) result.push_back(std::to_integer<std::uint8_t>(byte));
  return result;
}

// --- checksum ---------------------------------------------------------------------------------

TEST(Checksum, IsCrc32WithoutTheTopBit) {
  EXPECT_EQ(checksum(bytes_of("123456789")), 0xCBF43926U & 0x7FFFFFFFU);
  EXPECT_EQ(checksum({}), 0U);
  EXPECT_EQ(checksum(bytes_of("a")), 0xE8B7BE43U & 0x7FFFFFFFU);
  EXPECT_EQ(checksum(bytes_of("abc")), 0x352441C2U);
  EXPECT_EQ(checksum(bytes_of("The quick brown fox jumps over the lazy dog")), 0x414FA339U);
  EXPECT_EQ(checksum(Bytes(32, std::byte{0})), 0x190A55ADU);
  EXPECT_EQ(checksum(Bytes(32, std::byte{0xFF})), 0xFF6CAB0BU & 0x7FFFFFFFU);
}

RC_GTEST_PROP(Checksum, IsTheNaiveOne, (const std::vector<std::uint8_t>& bytes)) {
  RC_ASSERT(checksum(std::as_bytes(std::span(bytes))) == naive::checksum(bytes));
}

TEST(Checksum, IsTheNaiveOneWhereverItBeginsAndEnds) {
  const naive::Bytes bytes = naive::arbitrary_bytes(1, 1200);
  for (std::size_t begin = 0; begin < 64; ++begin) {
    for (std::size_t length = 0; begin + length <= bytes.size(); length += 1 + length / 64) {
      const auto part = std::span(bytes).subspan(begin, length);
      ASSERT_EQ(checksum(std::as_bytes(part)), naive::checksum(part)) << begin << ' ' << length;
    }
  }
}

RC_GTEST_PROP(Checksum, OfPiecesIsThatOfTheWhole,
              (const std::vector<std::vector<std::uint8_t>>& parts)) {
  std::vector<std::uint8_t> whole;
  std::vector<std::span<const std::byte>> pieces;
  for (const auto& part : parts) {
    whole.insert(whole.end(), part.begin(), part.end());
    pieces.push_back(std::as_bytes(std::span(part)));
  }
  RC_ASSERT(checksum_of_pieces(pieces) == naive::checksum(whole));
}

TEST(Checksum, IsTheNaiveOneOfLongInputsToo) {
  for (const std::uint64_t length : {255U, 256U, 4095U, 4096U, 4097U, 70'000U, 300'001U}) {
    const naive::Bytes bytes = naive::arbitrary_bytes(length, length);
    EXPECT_EQ(checksum(std::as_bytes(std::span(bytes))), naive::checksum(bytes)) << length;
  }
}

// --- WAL header -------------------------------------------------------------------------------

struct WalSample {
  WalHeader header;
  std::string_view hex;  // all 56 bytes
};

const std::vector<WalSample>& wal_samples() {
  static const std::vector<WalSample> samples = {
      {{.version = FormatVersion::v0,
        .capacity_bytes = 65536,
        .trim = {-1},
        .stamp = 1,
        .window_bytes = 1048576,
        .shutdown = ShutdownType::ungraceful,
        .node_id = 0,
        .epoch = 0},
       "12345678 0000000000010000 ffffffffffffffff 0000000000000001 "
       "0000000000100000 00000001 00000000 0000000000000000 5e3bb480"},
      {{.version = FormatVersion::v1,
        .capacity_bytes = std::uint64_t{1} << 40U,
        .trim = {0x0123456789ABCDEF},
        .stamp = -2,
        .window_bytes = -1,
        .shutdown = ShutdownType::graceful,
        .node_id = -3,
        .epoch = kMax},
       "01234567 0000010000000000 0123456789abcdef fffffffffffffffe "
       "ffffffffffffffff 00000000 fffffffd 7fffffffffffffff 786510e7"},
      {{.version = FormatVersion::v0,
        .capacity_bytes = 12288,
        .trim = {0},
        .stamp = kMin,
        .window_bytes = 0,
        .shutdown = ShutdownType::ungraceful,
        .node_id = 10,
        .epoch = 100},
       "12345678 0000000000003000 0000000000000000 8000000000000000 "
       "0000000000000000 00000001 0000000a 0000000000000064 2cdb853e"},
  };
  return samples;
}

TEST(WalHeaderCodec, WritesTheseBytes) {
  for (const WalSample& sample : wal_samples()) {
    Block block;
    block.fill(std::byte{0xEE});
    encode_wal_header(sample.header, block);
    const Bytes expected = from_hex(sample.hex);
    ASSERT_EQ(expected.size(), kWalHeaderBytes);
    EXPECT_TRUE(std::ranges::equal(std::span(block).first(kWalHeaderBytes), expected))
        << sample.hex;
    EXPECT_TRUE(std::ranges::all_of(std::span(block).subspan(kWalHeaderBytes),
                                    [](std::byte byte) { return byte == std::byte{0}; }));
  }
}

TEST(WalHeaderCodec, ReadsTheseBytes) {
  for (const WalSample& sample : wal_samples()) {
    const HeaderSlot slot = decode_wal_header(from_hex(sample.hex));
    EXPECT_EQ(slot.state, SlotState::valid) << sample.hex;
    EXPECT_TRUE(slot.header == sample.header) << sample.hex;
  }
}

TEST(WalHeaderCodec, TellsTheStateOfASlot) {
  const Bytes good = from_hex(wal_samples().front().hex);
  EXPECT_EQ(decode_wal_header(good).state, SlotState::valid);
  EXPECT_EQ(decode_wal_header(Bytes(kWalHeaderBytes)).state, SlotState::blank);
  EXPECT_EQ(decode_wal_header(Bytes(kBlockBytes)).state, SlotState::blank);
  EXPECT_EQ(decode_wal_header(Bytes(kBlockBytes, std::byte{0xFF})).state, SlotState::foreign);
  Bytes blank_with_tail(kBlockBytes);
  blank_with_tail[kWalHeaderBytes] = std::byte{1};
  EXPECT_EQ(decode_wal_header(blank_with_tail).state, SlotState::blank);
  Bytes one_bit(kWalHeaderBytes);
  one_bit[kWalHeaderBytes - 1] = std::byte{1};
  EXPECT_EQ(decode_wal_header(one_bit).state, SlotState::foreign);
  // A header whose magic is torn away, or that has nothing but its magic.
  Bytes torn = good;
  std::fill_n(torn.begin(), 4, std::byte{0});
  EXPECT_EQ(decode_wal_header(torn).state, SlotState::foreign);
  Bytes magic_only(kWalHeaderBytes);
  std::copy_n(good.begin(), 4, magic_only.begin());
  EXPECT_EQ(decode_wal_header(magic_only).state, SlotState::damaged);
}

TEST(WalHeaderCodec, AnyFlippedBitMakesItInvalid) {
  const Bytes good = from_hex(wal_samples().back().hex);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_EQ(decode_wal_header(bad).state, bit < 32 ? SlotState::foreign : SlotState::damaged)
        << bit;
  }
}

// Version 0 and version 1 magics are one flipped nibble run apart; a checksum tells them apart.
TEST(WalHeaderCodec, TheOtherVersionsMagicIsDamage) {
  Bytes bytes = from_hex(wal_samples().front().hex);
  const Bytes other = from_hex("01 23 45 67");
  std::ranges::copy(other, bytes.begin());
  EXPECT_EQ(decode_wal_header(bytes).state, SlotState::damaged);
}

HeaderSlot decoded(const naive::Slot& slot) {
  const naive::Bytes bytes = naive::encode_slot(slot, 0);
  return decode_wal_header(std::as_bytes(std::span(bytes)));
}

TEST(WalHeaderCodec, CapacitiesOfNonsenseAreDamage) {
  for (const std::uint64_t capacity :
       {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{8192}, std::uint64_t{12287},
        std::uint64_t{12289}, std::uint64_t{16383}, std::uint64_t{1} << 63U,
        kMaxCapacityBytes + 4096, ~std::uint64_t{0}, ~std::uint64_t{4095}}) {
    EXPECT_EQ(decoded({.capacity = capacity}).state, SlotState::damaged) << capacity;
  }
  for (const std::uint64_t capacity :
       {std::uint64_t{12288}, std::uint64_t{16384}, std::uint64_t{1} << 40U, kMaxCapacityBytes}) {
    EXPECT_EQ(decoded({.capacity = capacity}).state, SlotState::valid) << capacity;
  }
}

TEST(WalHeaderCodec, NegativeTrimsAreNone) {
  for (const std::int64_t trim : {std::int64_t{-1}, std::int64_t{-2}, std::int64_t{-4096}, kMin}) {
    EXPECT_EQ(decoded({.capacity = 65536, .trim = trim}).header.trim, kNoOffset) << trim;
  }
  EXPECT_EQ(decoded({.capacity = 65536, .trim = 0}).header.trim, Offset{0});
}

TEST(WalHeaderCodec, OnlyZeroIsGraceful) {
  EXPECT_EQ(decoded({.capacity = 65536, .shutdown = 0}).header.shutdown, ShutdownType::graceful);
  for (const std::uint32_t type : {1U, 2U, 7U, 0x100U, 0xFFFFFFFFU}) {
    EXPECT_EQ(decoded({.capacity = 65536, .shutdown = type}).header.shutdown,
              ShutdownType::ungraceful);
  }
}

TEST(WalHeaderCodec, WindowsAreGivenAsWritten) {
  for (const std::int64_t window : {kMin, std::int64_t{-1}, std::int64_t{0}, kMax}) {
    EXPECT_EQ(decoded({.capacity = 65536, .window = window}).header.window_bytes, window);
  }
}

WalHeader arbitrary_header() {
  WalHeader header;
  header.version = *rc::gen::element(FormatVersion::v0, FormatVersion::v1);
  header.capacity_bytes = *rc::gen::inRange<std::uint64_t>(3, std::uint64_t{1} << 40U) * 4096;
  header.trim = {*rc::gen::inRange<std::int64_t>(-1, std::int64_t{1} << 62U)};
  header.stamp = *rc::gen::arbitrary<std::int64_t>();
  header.window_bytes = *rc::gen::arbitrary<std::int64_t>();
  header.shutdown = *rc::gen::element(ShutdownType::graceful, ShutdownType::ungraceful);
  header.node_id = *rc::gen::arbitrary<std::int32_t>();
  header.epoch = *rc::gen::arbitrary<std::int64_t>();
  return header;
}

RC_GTEST_PROP(WalHeaderCodec, ReadsWhatItWrote, ()) {
  const WalHeader header = arbitrary_header();
  Block block;
  encode_wal_header(header, block);
  const HeaderSlot slot = decode_wal_header(block);
  RC_ASSERT(slot.state == SlotState::valid);
  RC_ASSERT(slot.header == header);
}

RC_GTEST_PROP(WalHeaderCodec, WritesWhatTheNaiveWriterWrites, ()) {
  const WalHeader header = arbitrary_header();
  Block block;
  encode_wal_header(header, block);
  const naive::Slot slot{.version = header.version == FormatVersion::v1 ? 1 : 0,
                         .capacity = header.capacity_bytes,
                         .trim = header.trim.value,
                         .stamp = header.stamp,
                         .window = header.window_bytes,
                         .shutdown = header.shutdown == ShutdownType::graceful ? 0U : 1U,
                         .node = header.node_id,
                         .epoch = header.epoch};
  RC_ASSERT(plain(block) == naive::encode_slot(slot, 0));
}

// Any bytes give a state; those that begin like a header and have a sound checksum too. A sensible
// capacity is given to some: random ones never are one.
RC_GTEST_PROP(WalHeaderCodec, DecodesAnyBytes, ()) {
  auto bytes = *rc::gen::container<std::vector<std::uint8_t>>(kWalHeaderBytes,
                                                              rc::gen::arbitrary<std::uint8_t>());
  const int shape = *rc::gen::element(0, 1, 2, 3);
  if (shape > 0) {
    using Magic = std::array<std::uint8_t, 4>;
    std::ranges::copy(
        *rc::gen::element(Magic{0x12, 0x34, 0x56, 0x78}, Magic{0x01, 0x23, 0x45, 0x67}),
        bytes.begin());
  }
  if (shape > 2) {
    const std::array<std::uint8_t, 8> capacity{
        0, 0, 0, 0, 0, *rc::gen::arbitrary<std::uint8_t>(), 0x70, 0};
    std::ranges::copy(capacity, bytes.begin() + 4);
  }
  if (shape > 1) {
    const std::uint32_t sum = naive::checksum(std::span(bytes).first(52));
    for (unsigned i = 0; i < 4; ++i) {
      bytes[52 + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    }
  }
  const HeaderSlot slot = decode_wal_header(std::as_bytes(std::span(bytes)));
  const auto naive_slot = naive::decode_slot(bytes);
  RC_ASSERT((slot.state == SlotState::valid) == naive_slot.has_value());
  if (naive_slot) {
    RC_ASSERT(slot.header.capacity_bytes == naive_slot->capacity);
    RC_ASSERT(slot.header.trim.value == naive_slot->trim);
    RC_ASSERT(slot.header.stamp == naive_slot->stamp);
    RC_ASSERT(slot.header.version ==
              (naive_slot->version == 1 ? FormatVersion::v1 : FormatVersion::v0));
    RC_ASSERT(slot.header.window_bytes == naive_slot->window);
    RC_ASSERT((slot.header.shutdown == ShutdownType::graceful) == (naive_slot->shutdown == 0));
    RC_ASSERT(slot.header.node_id == naive_slot->node);
    RC_ASSERT(slot.header.epoch == naive_slot->epoch);
  }
  RC_CLASSIFY(naive_slot.has_value(), "valid");
}

TEST(CurrentSlot, IsTheValidOneWithTheGreaterStamp) {
  const auto slot = [](SlotState state, std::int64_t stamp) {
    return HeaderSlot{.state = state, .header = {.stamp = stamp}, .checksum = 0};
  };
  using Slots = std::array<HeaderSlot, kHeaderSlots>;
  const auto current = [](const Slots& slots) { return current_slot(slots); };
  constexpr auto kValid = SlotState::valid;
  EXPECT_EQ(current({slot(kValid, 1), slot(kValid, 2)}), 1U);
  EXPECT_EQ(current({slot(kValid, 2), slot(kValid, 1)}), 0U);
  EXPECT_EQ(current({slot(kValid, 2), slot(kValid, 2)}), 0U);
  EXPECT_EQ(current({slot(kValid, kMin), slot(kValid, kMax)}), 1U);
  EXPECT_EQ(current({slot(kValid, -1), slot(kValid, -2)}), 0U);
  for (const SlotState invalid : {SlotState::blank, SlotState::damaged, SlotState::foreign}) {
    EXPECT_EQ(current({slot(invalid, 9), slot(kValid, kMin)}), 1U);
    EXPECT_EQ(current({slot(kValid, kMin), slot(invalid, 9)}), 0U);
    EXPECT_EQ(current({slot(invalid, 1), slot(invalid, 2)}), std::nullopt);
  }
}

// --- record header ----------------------------------------------------------------------------

struct RecordSample {
  RecordHeader header;
  std::string_view hex;  // all 24 bytes
};

const std::vector<RecordSample>& record_samples() {
  static const std::vector<RecordSample> samples = {
      {{.kind = RecordKind::data,
        .body_length_bytes = 9,
        .offset = {0},
        .body_checksum = 0x4BF43926},
       "87654321 00000009 0000000000000018 4bf43926 5c3ce4d3"},
      {{.kind = RecordKind::data,
        .body_length_bytes = 134217704,
        .offset = {(std::int64_t{1} << 50U) + 4096},
        .body_checksum = 0x7FFFFFFF},
       "87654321 07ffffe8 0004000000001018 7fffffff 53add007"},
      {{.kind = RecordKind::data,
        .body_length_bytes = 1,
        .offset = {8217},
        .body_checksum = 0x00000000},
       "87654321 00000001 0000000000002031 00000000 6f13738a"},
      {{.kind = RecordKind::padding,
        .body_length_bytes = 4072,
        .offset = {std::int64_t{1} << 62U},
        .body_checksum = 0x00000000},
       "76543210 00000fe8 4000000000000018 00000000 508b6217"},
      {{.kind = RecordKind::padding,
        .body_length_bytes = 0,
        .offset = {65512},
        .body_checksum = 0x00000000},
       "76543210 00000000 0000000000010000 00000000 34019ac2"},
  };
  return samples;
}

RecordBytes record_bytes(std::string_view hex) {
  RecordBytes bytes{};
  std::ranges::copy(from_hex(hex), bytes.begin());
  return bytes;
}

TEST(RecordHeaderCodec, WritesTheseBytes) {
  for (const RecordSample& sample : record_samples()) {
    RecordBytes bytes;
    bytes.fill(std::byte{0xEE});
    encode_record_header(sample.header, bytes);
    EXPECT_EQ(bytes, record_bytes(sample.hex)) << sample.hex;
  }
}

TEST(RecordHeaderCodec, ReadsTheseBytes) {
  for (const RecordSample& sample : record_samples()) {
    const auto header = decode_record_header(record_bytes(sample.hex), sample.header.offset);
    ASSERT_TRUE(header.has_value()) << sample.hex;
    EXPECT_EQ(header->kind, sample.header.kind);
    EXPECT_EQ(header->body_length_bytes, sample.header.body_length_bytes);
    EXPECT_EQ(header->offset, sample.header.offset);
    EXPECT_EQ(header->body_checksum, sample.header.body_checksum);
  }
}

TEST(RecordHeaderCodec, AnyFlippedBitMakesItInvalid) {
  for (const RecordSample& sample : record_samples()) {
    for (std::size_t bit = 0; bit < std::size_t{kRecordHeaderBytes} * 8; ++bit) {
      RecordBytes bytes = record_bytes(sample.hex);
      bytes.at(bit / 8) ^= static_cast<std::byte>(1U << (bit % 8));
      EXPECT_FALSE(decode_record_header(bytes, sample.header.offset).has_value()) << bit;
    }
  }
}

TEST(RecordHeaderCodec, IsValidAtItsOwnOffsetOnly) {
  const RecordSample& sample = record_samples().front();
  const RecordBytes bytes = record_bytes(sample.hex);
  for (const std::int64_t wrong : {-24L, -1L, 1L, 24L, 4096L, 1L << 32U, 1L << 62U}) {
    EXPECT_FALSE(decode_record_header(bytes, sample.header.offset + wrong).has_value()) << wrong;
  }
  for (const std::int64_t far : {kMax, kMax - 1, kMax - 23, kMax - 24}) {
    EXPECT_FALSE(decode_record_header(bytes, Offset{far}).has_value()) << far;
  }
}

std::optional<RecordHeader> encoded_and_decoded(const RecordHeader& header) {
  RecordBytes bytes;
  encode_record_header(header, bytes);
  return decode_record_header(bytes, header.offset);
}

TEST(RecordHeaderCodec, LengthsAtTheirLimits) {
  const auto valid = [](RecordKind kind, std::uint32_t length) {
    return encoded_and_decoded({.kind = kind, .body_length_bytes = length, .offset = {4096}})
        .has_value();
  };
  EXPECT_FALSE(valid(RecordKind::data, 0));
  EXPECT_TRUE(valid(RecordKind::data, 1));
  EXPECT_TRUE(valid(RecordKind::data, 134217704));
  EXPECT_FALSE(valid(RecordKind::data, 134217705));
  EXPECT_FALSE(valid(RecordKind::data, 0x7FFFFFFF));
  EXPECT_FALSE(valid(RecordKind::data, 0x80000000));
  EXPECT_FALSE(valid(RecordKind::data, 0xFFFFFFFF));
  EXPECT_TRUE(valid(RecordKind::padding, 0));
  EXPECT_TRUE(valid(RecordKind::padding, 4072));
}

TEST(RecordHeaderCodec, PaddingHasNoBodyChecksum) {
  EXPECT_FALSE(encoded_and_decoded({.kind = RecordKind::padding,
                                    .body_length_bytes = 4072,
                                    .offset = {4096},
                                    .body_checksum = 1})
                   .has_value());
}

TEST(RecordHeaderCodec, OffsetsUpToTheLast) {
  EXPECT_TRUE(encoded_and_decoded({.body_length_bytes = 1, .offset = {kMax - 24}}).has_value());
  EXPECT_TRUE(encoded_and_decoded({.body_length_bytes = 1, .offset = {0}}).has_value());
}

RC_GTEST_PROP(RecordHeaderCodec, ReadsWhatItWroteAsTheNaiveWriterDoes, ()) {
  const auto length = *rc::gen::inRange<std::uint32_t>(1, 2000);
  const auto offset = *rc::gen::inRange<std::int64_t>(0, kMax - 24 - 2000);
  const bool padding = *rc::gen::arbitrary<bool>();
  naive::Bytes body(length, 0);
  if (!padding) body = naive::arbitrary_bytes(length, length);
  const RecordHeader header{.kind = padding ? RecordKind::padding : RecordKind::data,
                            .body_length_bytes = length,
                            .offset = {offset},
                            .body_checksum = padding ? 0 : naive::checksum(body)};
  RecordBytes bytes;
  encode_record_header(header, bytes);
  naive::Bytes expected =
      naive::encode_record({.offset = offset, .body = body, .padding = padding}, 4096);
  expected.resize(kRecordHeaderBytes);
  RC_ASSERT(plain(bytes) == expected);
  const auto back = decode_record_header(bytes, header.offset);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->kind == header.kind);
  RC_ASSERT(back->body_length_bytes == length);
  RC_ASSERT(back->body_checksum == header.body_checksum);
}

// Over all lengths and offsets that the format has; a body is not needed for that.
RC_GTEST_PROP(RecordHeaderCodec, ReadsWhatItWroteOverTheWholeRange, ()) {
  const auto length = *rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(1, 5000),
                                      rc::gen::inRange<std::uint32_t>(1, kMaxBodyBytes + 1),
                                      rc::gen::just(std::uint32_t{kMaxBodyBytes}));
  const std::int64_t last = kMax - kRecordHeaderBytes - length;
  const auto offset = *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, 100'000),
                                      rc::gen::inRange<std::int64_t>(0, last),
                                      rc::gen::inRange<std::int64_t>(last - 5000, last + 1));
  const bool padding = *rc::gen::arbitrary<bool>();
  const RecordHeader header{
      .kind = padding ? RecordKind::padding : RecordKind::data,
      .body_length_bytes = length,
      .offset = {offset},
      .body_checksum = padding ? 0 : *rc::gen::inRange<std::uint32_t>(0, 0x80000000U)};
  RecordBytes bytes;
  encode_record_header(header, bytes);
  const auto back = decode_record_header(bytes, header.offset);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->kind == header.kind);
  RC_ASSERT(back->body_length_bytes == length);
  RC_ASSERT(back->offset == header.offset);
  RC_ASSERT(back->body_checksum == header.body_checksum);
  const auto elsewhere = *rc::gen::inRange<std::int64_t>(0, kMax);
  if (elsewhere != offset) RC_ASSERT(!decode_record_header(bytes, Offset{elsewhere}).has_value());
}

// Any bytes give a header or nothing; what is given is within the format's ranges.
RC_GTEST_PROP(RecordHeaderCodec, DecodesAnyBytes, ()) {
  const auto raw = *rc::gen::container<std::vector<std::uint8_t>>(
      kRecordHeaderBytes, rc::gen::arbitrary<std::uint8_t>());
  RecordBytes bytes{};
  std::ranges::transform(raw, bytes.begin(), [](std::uint8_t byte) { return std::byte{byte}; });
  const Offset offset{*rc::gen::inRange<std::int64_t>(0, kMax)};
  const int shape = *rc::gen::inRange(0, 4);
  const auto put = [&](std::size_t at, std::uint64_t value, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes.at(at + i) = static_cast<std::byte>(value >> (8 * (count - 1 - i)));
    }
  };
  if (shape > 0) put(0, *rc::gen::element(0x87654321U, 0x76543210U), 4);
  if (shape > 1) put(8, static_cast<std::uint64_t>(offset.value) + 24, 8);
  if (shape > 2) put(20, naive::checksum(plain(std::span(bytes).first(20))), 4);
  const auto header = decode_record_header(bytes, offset);
  if (!header) return;
  RC_ASSERT(shape == 3);
  RC_ASSERT(header->offset == offset);
  if (header->kind == RecordKind::data) {
    RC_ASSERT(header->body_length_bytes >= 1U);
    RC_ASSERT(header->body_length_bytes <= kMaxBodyBytes);
  } else {
    RC_ASSERT(header->body_checksum == 0U);
  }
}

}  // namespace
}  // namespace seqwal
