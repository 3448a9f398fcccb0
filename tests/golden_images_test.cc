// Images written by the reference itself, some of them damaged since, and what it recovered from
// them. They stand beside the repository; where they don't, these tests say so and are skipped.
#include <gtest/gtest.h>
#include <lzma.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqwal/recovery.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"
#include "tests/support/naive_log.h"
#include "tests/support/recovery_check.h"

namespace seqwal::conformance {
namespace {

using nlohmann::json;

constexpr std::string_view kImageSuffix = ".img.xz";

std::filesystem::path vectors() {
  return std::filesystem::path(SEQWAL_VECTORS_DIR).lexically_normal();
}

std::vector<std::string> image_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(vectors(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(kImageSuffix)) {
      names.push_back(name.substr(0, name.size() - kImageSuffix.size()));
    }
  }
  std::ranges::sort(names);
  return names;
}

naive::Bytes contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

naive::Bytes decompressed(const naive::Bytes& compressed) {
  naive::Bytes out(std::size_t{64} << 20U);
  std::uint64_t memory_limit = UINT64_MAX;
  std::size_t consumed = 0;
  std::size_t produced = 0;
  const lzma_ret result =
      lzma_stream_buffer_decode(&memory_limit, 0, nullptr, compressed.data(), &consumed,
                                compressed.size(), out.data(), &produced, out.size());
  EXPECT_EQ(result, LZMA_OK);
  out.resize(produced);
  return out;
}

// By table, for whole images: the naive one goes bit by bit.
std::uint32_t crc32_of(const naive::Bytes& bytes) {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ ((value & 1U) * 0xEDB88320U);
    table.at(i) = value;
  }
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) crc = (crc >> 8U) ^ table.at((crc ^ byte) & 0xFFU);
  return ~crc;
}

std::string hex_of(const naive::Bytes& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits.at(byte / 16);
    text += kDigits.at(byte % 16);
  }
  return text;
}

// As the facts have it: [offset, body length, CRC-32 of the body], short ones with the body in hex.
// Compared as text, so that a failure shows which record it is.
std::vector<std::string> facts(const std::vector<naive::Delivered>& records) {
  std::vector<std::string> lines;
  lines.reserve(records.size());
  for (const naive::Delivered& record : records) {
    lines.push_back(json{record.offset, record.body.size(), crc32_of(record.body)}.dump());
  }
  return lines;
}

std::vector<std::string> facts(const json& records) {
  std::vector<std::string> lines;
  for (const json& record : records) lines.push_back(json{record[0], record[1], record[2]}.dump());
  return lines;
}

void expect_bodies_in_hex(const std::vector<naive::Delivered>& records, const json& expected) {
  for (std::size_t i = 0; i < std::min(records.size(), expected.size()); ++i) {
    if (expected[i].size() > 3) {
      EXPECT_EQ(hex_of(records[i].body), expected[i][3].get<std::string>());
    }
  }
}

void expect_slot(const HeaderSlot& slot, const json& expected) {
  ASSERT_EQ(slot.state == SlotState::valid, expected["valid"].get<bool>());
  if (slot.state != SlotState::valid) return;
  const WalHeader& header = slot.header;
  EXPECT_EQ(header.version == FormatVersion::v1 ? 0x01234567U : 0x12345678U,
            expected["magic"].get<std::uint32_t>());
  EXPECT_EQ(header.capacity_bytes, expected["capacity"].get<std::uint64_t>());
  EXPECT_EQ(header.trim.value, expected["trim_offset"].get<std::int64_t>());
  EXPECT_EQ(header.stamp, expected["last_write_timestamp"].get<std::int64_t>());
  EXPECT_EQ(header.window_bytes, expected["sliding_window_max_length"].get<std::int64_t>());
  EXPECT_EQ(header.shutdown == ShutdownType::graceful,
            expected["shutdown_type_code"].get<std::uint32_t>() == 0);
  EXPECT_EQ(header.node_id, expected["node_id"].get<std::int32_t>());
  EXPECT_EQ(header.epoch, expected["epoch"].get<std::int64_t>());
  EXPECT_EQ(slot.checksum, expected["crc"].get<std::uint32_t>());
}

class GoldenImage : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    expected_ = json::parse(std::ifstream(vectors() / (GetParam() + ".json")));
    image_ = decompressed(contents_of(vectors() / (GetParam() + std::string(kImageSuffix))));
    ASSERT_EQ(image_.size(), expected_["capacity"].get<std::uint64_t>());
    if (expected_.contains("image_crc32")) {
      ASSERT_EQ(crc32_of(image_), expected_["image_crc32"].get<std::uint32_t>());
    }
    refused_ = expected_["refused"].get<bool>();
  }

  const json& expected_records(naive::Mode mode) const {
    return expected_[mode == naive::Mode::strict ? "recovered_strict" : "recovered_default"];
  }

  json expected_;
  naive::Bytes image_;
  bool refused_ = false;
};

TEST_P(GoldenImage, GivesWhatTheReferenceRecovered) {
  for (const naive::Mode mode : {naive::Mode::standard, naive::Mode::strict}) {
    SCOPED_TRACE(std::string(name(mode)) + " mode");
    const Outcome outcome = recover(image_, {.mode = to_log(mode)});
    ASSERT_EQ(outcome.error.has_value(), refused_);
    EXPECT_FALSE(outcome.wrote);
    if (refused_) continue;
    EXPECT_EQ(facts(outcome.records), facts(expected_records(mode)));
    expect_bodies_in_hex(outcome.records, expected_records(mode));
  }
}

TEST_P(GoldenImage, GivesTheNaiveReaderTheSame) {
  for (const naive::Mode mode : {naive::Mode::standard, naive::Mode::strict}) {
    SCOPED_TRACE(std::string(name(mode)) + " mode");
    const auto reading = naive::read_image(image_, mode);
    ASSERT_EQ(!reading.has_value(), refused_);
    if (refused_) continue;
    EXPECT_EQ(facts(reading->records), facts(expected_records(mode)));
  }
}

TEST_P(GoldenImage, HoldsWhatIsTrueOfEveryRecovery) {
  for (const auto mode : {naive::Mode::standard, naive::Mode::strict, naive::Mode::prefix}) {
    EXPECT_EQ(complaint(image_, mode), "") << name(mode);
  }
}

TEST_P(GoldenImage, HasTheHeadersThatTheReferenceSaw) {
  std::vector<std::byte> contents;
  for (const std::uint8_t byte : image_) contents.push_back(std::byte{byte});
  DeviceLimits limits = testing_support::MemoryDevice::default_limits();
  limits.size_is_exact = true;
  testing_support::MemoryDevice device(contents, limits);
  testing_support::ManualHost host;
  const auto state = read_headers(device, host);
  ASSERT_EQ(!state.has_value(), refused_);

  if (!expected_.contains("headers")) return;
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    SCOPED_TRACE(i);
    const std::size_t at = std::size_t{i} * kBlockBytes;
    expect_slot(decode_wal_header(std::span(contents).subspan(at, kBlockBytes)),
                expected_["headers"][i]);
    if (state) expect_slot(state->slots.at(i), expected_["headers"][i]);
  }
  if (state) {
    EXPECT_EQ(state->current, expected_["current_slot"].get<std::uint32_t>());
  }
}

// What prefix reading gives is the beginning of what recovery gives.
TEST_P(GoldenImage, GivesPrefixReadingABeginningOfIt) {
  if (refused_) return;
  const auto all = facts(expected_records(naive::Mode::strict));
  const auto prefix = facts(recover(image_, {.mode = RecoveryMode::prefix}).records);
  ASSERT_LE(prefix.size(), all.size());
  EXPECT_TRUE(std::ranges::equal(prefix, std::span(all).first(prefix.size())));
  // Without a hole it is all of it; version 1 knows none.
  const auto reading = naive::read_image(image_, naive::Mode::strict);
  const bool begins_at_once =
      reading->records.empty() ||
      reading->records.front().offset <= std::max<std::int64_t>(reading->header.trim + 1, 0);
  if (reading->header.version == 1 || (reading->holes.empty() && begins_at_once)) {
    EXPECT_EQ(prefix.size(), all.size());
  }
}

std::string identifier(const testing::TestParamInfo<std::string>& info) {
  std::string text = info.param;
  std::ranges::replace_if(
      text, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return text;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenImage);
INSTANTIATE_TEST_SUITE_P(Reference, GoldenImage, testing::ValuesIn(image_names()), identifier);

TEST(GoldenImages, AreThere) {
  if (image_names().empty()) GTEST_SKIP() << "no images at " << vectors();
  // A few that every kind of recovery needs, so that an emptied folder doesn't pass for a full one.
  const std::vector<std::string> names = image_names();
  for (const char* name : {"wrap-twice", "hole-one", "hole-small-window", "v1-wrap-padding",
                           "v1-hole", "headers-none", "large-record", "trim-not-a-record"}) {
    EXPECT_TRUE(std::ranges::binary_search(names, std::string(name))) << name;
  }
}

}  // namespace
}  // namespace seqwal::conformance
