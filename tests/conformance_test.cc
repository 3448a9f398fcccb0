// Which records survive a disaster: the reference's own table of half-written logs, restated. Every
// record of a row is `record_size` bytes long, header included, laid in an otherwise zero log.
#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/naive_log.h"
#include "tests/support/recovery_check.h"

namespace seqwal::conformance {
namespace {

using Offsets = std::vector<std::int64_t>;

struct Row {
  std::string name;
  std::uint64_t record_size = 0;
  std::uint64_t capacity = 0;
  std::int64_t trim = 0;
  std::int64_t window = 0;
  Offsets writes;
  Offsets strict;
  Offsets standard;

  friend bool operator==(const Row&, const Row&) = default;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {.name = "base",
       .record_size = 4097,
       .capacity = 417792,
       .trim = -4096,
       .window = 204800,
       .writes = {0, 8192, 16384},
       .strict = {0, 8192, 16384},
       .standard = {0, 8192, 16384}},
      {.name = "trimmed at zero",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 0,
       .window = 204800,
       .writes = {0, 8192, 16384},
       .strict = {8192, 16384},
       .standard = {8192, 16384}},
      {.name = "trimmed",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 8192,
       .window = 204800,
       .writes = {0, 8192, 16384, 24576},
       .strict = {16384, 24576},
       .standard = {16384, 24576}},
      {.name = "WAL header flushed slow",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 8192,
       .window = 204800,
       .writes = {0, 8192, 16384, 24576, 32768, 40960, 49152, 57344, 65536, 73728, 81920},
       .strict = {16384, 24576, 32768, 40960, 49152, 57344, 65536, 73728, 81920},
       .standard = {16384, 24576, 32768, 40960, 49152, 57344, 65536, 73728, 81920}},
      {.name = "many invalid records",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 8192,
       .window = 204800,
       .writes = {0, 8192, 32768, 40960, 57344, 81920},
       .strict = {32768, 40960, 57344, 81920},
       .standard = {32768, 40960, 57344, 81920}},
      {.name = "write in random order",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 8192,
       .window = 204800,
       .writes = {57344, 32768, 40960, 81920, 0, 8192},
       .strict = {32768, 40960, 57344, 81920},
       .standard = {32768, 40960, 57344, 81920}},
      {.name = "big logic offset",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 82865848320,
       .window = 204800,
       .writes = {82865766400, 82865807360, 82865831936, 82865848320, 82865889280, 82865930240,
                  82865971200, 82866012160, 82866053120, 82866094080},
       .strict = {82865889280, 82865930240, 82865971200, 82866012160, 82866053120},
       .standard = {82865889280, 82865930240, 82865971200, 82866012160, 82866053120, 82866094080}},
      {.name = "round robin",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 737280,
       .window = 122880,
       .writes = {614400, 655360, 696320, 737280, 778240, 819200, 827392, 860160, 901120, 942080,
                  983040},
       .strict = {778240, 819200, 827392, 860160, 901120, 942080},
       .standard = {778240, 819200, 827392, 860160, 901120, 942080, 983040}},
      {.name = "round robin - no place for the last record",
       .record_size = 8193,
       .capacity = 417792,
       .trim = 786432,
       .window = 12288,
       .writes = {786432, 798720, 819200, 831488, 843776, 856064, 868352, 880640},
       .strict = {798720, 819200, 831488, 843776, 856064, 868352, 880640},
       .standard = {798720, 819200, 831488, 843776, 856064, 868352, 880640}},
      {.name = "overwrite",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 860160,
       .window = 204800,
       .writes = {454656, 462848, 471040, 479232, 487424, 491520, 532480, 860160, 880640, 901120,
                  942080, 983040, 1024000, 1064960, 1105920, 1146880, 1187840},
       .strict = {880640, 901120, 942080, 983040, 1024000, 1064960},
       .standard = {880640, 901120, 942080, 983040, 1024000, 1064960, 1105920, 1146880, 1187840}},
      {.name = "small window - record size not aligned",
       .record_size = 4097,
       .capacity = 417792,
       .trim = -4096,
       .window = 4096,
       .writes = {0, 8192, 20480, 28672},
       .strict = {0, 8192},
       .standard = {0, 8192}},
      {.name = "invalid record in window - record size not aligned",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 40960,
       .window = 12288,
       .writes = {40960, 49152, 61440, 69632, 77824},
       .strict = {49152, 61440},
       .standard = {49152, 61440, 69632, 77824}},
      {.name = "trim at an invalid record - record size not aligned",
       .record_size = 4097,
       .capacity = 417792,
       .trim = 40960,
       .window = 36864,
       .writes = {36864, 57344, 73728, 81920},
       .strict = {57344, 73728},
       .standard = {57344, 73728, 81920}},
      {.name = "small window - record size aligned",
       .record_size = 4096,
       .capacity = 417792,
       .trim = -4096,
       .window = 4096,
       .writes = {0, 4096, 12288, 16384, 20480},
       .strict = {0, 4096},
       .standard = {0, 4096}},
      {.name = "invalid record in window - record size aligned",
       .record_size = 4096,
       .capacity = 417792,
       .trim = 40960,
       .window = 12288,
       .writes = {40960, 45056, 53248, 57344, 61440, 65536},
       .strict = {45056, 53248, 57344},
       .standard = {45056, 53248, 57344, 61440, 65536}},
      {.name = "trim at an invalid record - record size aligned",
       .record_size = 4096,
       .capacity = 417792,
       .trim = 40960,
       .window = 20480,
       .writes = {36864, 45056, 53248, 61440, 65536, 69632},
       .strict = {45056, 53248, 61440, 65536},
       .standard = {45056, 53248, 61440, 65536, 69632}},
      {.name = "zero window",
       .record_size = 4096,
       .capacity = 417792,
       .trim = 40960,
       .window = 0,
       .writes = {40960, 45056, 49152, 57344},
       .strict = {45056, 49152},
       .standard = {45056, 49152}},
      {.name = "merge write - base",
       .record_size = 42,
       .capacity = 16384,
       .trim = -1,
       .window = 8192,
       .writes = {0, 42, 84},
       .strict = {0, 42, 84},
       .standard = {0, 42, 84}},
      {.name = "merge write - trimmed",
       .record_size = 42,
       .capacity = 16384,
       .trim = 42,
       .window = 8192,
       .writes = {0, 42, 84, 126},
       .strict = {84, 126},
       .standard = {84, 126}},
      {.name = "merge write - some invalid records",
       .record_size = 42,
       .capacity = 16384,
       .trim = 42,
       .window = 8192,
       .writes = {0, 42, 84, 168, 4096, 4138, 4222},
       .strict = {84, 4096, 4138},
       .standard = {84, 4096, 4138}},
      {.name = "merge write - random order",
       .record_size = 42,
       .capacity = 16384,
       .trim = 42,
       .window = 8192,
       .writes = {42, 168, 84, 4222, 0, 4096, 4138},
       .strict = {84, 4096, 4138},
       .standard = {84, 4096, 4138}},
      {.name = "merge write - record in the middle",
       .record_size = 1000,
       .capacity = 16384,
       .trim = 2000,
       .window = 8192,
       .writes = {0, 1000, 2000, 3000, 4000, 5000, 7000},
       .strict = {3000, 4000, 5000},
       .standard = {3000, 4000, 5000}},
      {.name = "merge write - round robin",
       .record_size = 42,
       .capacity = 16384,
       .trim = 12330,
       .window = 8192,
       .writes = {12288, 12330, 12372, 12456, 16384, 16426, 16510},
       .strict = {12372, 16384, 16426},
       .standard = {12372, 16384, 16426}},
      {.name = "merge write - overwrite",
       .record_size = 1000,
       .capacity = 16384,
       .trim = 12000,
       .window = 8192,
       .writes = {1000, 2000, 3000, 4000, 5000, 6000, 7000, 9000, 10000, 11000, 12000, 13000, 14000,
                  15000},
       .strict = {13000, 14000, 15000},
       .standard = {13000, 14000, 15000}},
      {.name = "merge write - small window",
       .record_size = 42,
       .capacity = 90112,
       .trim = -1,
       .window = 4096,
       .writes = {0, 42, 126, 4096, 4138, 4222, 12288, 12330, 12414, 16384},
       .strict = {0, 42, 4096, 4138},
       .standard = {0, 42, 4096, 4138}},
      {.name = "merge write - invalid record in window",
       .record_size = 42,
       .capacity = 90112,
       .trim = 8192,
       .window = 16384,
       .writes = {8192, 8234, 8318, 16384, 16426, 16510, 20480, 20522, 20606, 24576, 24618, 24702,
                  28672, 28714, 28798, 32768},
       .strict = {8234, 16384, 16426, 20480, 20522, 24576, 24618},
       .standard = {8234, 16384, 16426, 20480, 20522, 24576, 24618, 28672, 28714, 32768}},
      {.name = "merge write - trim at an invalid record",
       .record_size = 42,
       .capacity = 90112,
       .trim = 8276,
       .window = 8192,
       .writes = {8192, 8234, 8318, 12288, 12330, 12414, 20480, 20522, 20606, 24576, 24618, 24702,
                  28672},
       .strict = {12288, 12330, 20480, 20522},
       .standard = {12288, 12330, 20480, 20522, 24576, 24618, 28672}},
      {.name = "merge write - zero window",
       .record_size = 42,
       .capacity = 90112,
       .trim = 8192,
       .window = 0,
       .writes = {8192, 8234, 8318, 12288, 12330, 12414, 20480, 20522, 20606, 24576},
       .strict = {8234, 12288, 12330},
       .standard = {8234, 12288, 12330}},
  };
  return table;
}

naive::Bytes image_of(const Row& row) {
  naive::Image image;
  image.capacity = row.capacity;
  for (naive::Slot& slot : image.slots) {
    slot.trim = row.trim;
    slot.window = row.window;
  }
  for (const std::int64_t offset : row.writes) {
    image.records.push_back({.offset = offset,
                             .body = naive::arbitrary_bytes(row.record_size - naive::kRecordHeader,
                                                            static_cast<std::uint64_t>(offset))});
  }
  return naive::write_image(image);
}

void expect_row(const Row& row) {
  const naive::Bytes image = image_of(row);
  for (const auto mode : {naive::Mode::standard, naive::Mode::strict}) {
    SCOPED_TRACE(std::string(name(mode)) + " mode");
    const Offsets& expected = mode == naive::Mode::strict ? row.strict : row.standard;
    const auto reading = naive::read_image(image, mode);
    ASSERT_TRUE(reading.has_value());
    EXPECT_EQ(offsets(reading->records), expected) << "(naive reader)";

    const Outcome outcome = recover(image, {.mode = to_log(mode)});
    ASSERT_FALSE(outcome.error) << to_string(*outcome.error);
    EXPECT_EQ(offsets(outcome.records), expected);
  }
  for (const auto mode : {naive::Mode::standard, naive::Mode::strict, naive::Mode::prefix}) {
    EXPECT_EQ(complaint(image, mode), "") << name(mode);
  }
}

std::string identifier(const testing::TestParamInfo<Row>& info) {
  std::string text;
  for (const char c : info.param.name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      text += c;
    } else if (!text.empty() && text.back() != '_') {
      text += '_';
    }
  }
  return text;
}

class Disaster : public testing::TestWithParam<Row> {};

TEST_P(Disaster, DeliversExactlyTheseRecords) { expect_row(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Reference, Disaster, testing::ValuesIn(rows()), identifier);

// The table above against the one that the reference's facts were collected in.
TEST(Disaster, TableSaysWhatTheCollectedFactsSay) {
  const std::filesystem::path path =
      std::filesystem::path(SEQWAL_VECTORS_DIR).lexically_normal() / "disaster.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no conformance vectors at " << path;
  const nlohmann::json facts = nlohmann::json::parse(std::ifstream(path));
  ASSERT_EQ(facts.size(), rows().size());
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const nlohmann::json& fact = facts[i];
    const Row row{.name = fact["name"],
                  .record_size = fact["record_size"],
                  .capacity = fact["capacity"],
                  .trim = fact["trim_offset"],
                  .window = fact["max_length"],
                  .writes = fact["write_offsets"],
                  .strict = fact["recovered_offsets"],
                  .standard = fact["recovered_offsets_default_mode"]};
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(row == rows()[i]);
    expect_row(row);
  }
}

}  // namespace
}  // namespace seqwal::conformance
