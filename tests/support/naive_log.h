// A second, deliberately naive reading of docs/format.md: writes whole images and reads them back.
//
// It shares no code with the log (no header of seqwal is included) and is written the slow, obvious
// way: whole images in memory, a checksum bit by bit, every rule evaluated over the complete list
// of what stands where. Where it and the log disagree, one of them has misread the format.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace seqwal::naive {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint64_t kBlock = 4096;
inline constexpr std::uint64_t kHeaders = 8192;
inline constexpr std::uint64_t kRecordHeader = 24;
inline constexpr std::uint64_t kLongestBody = 134217704;
inline constexpr std::uint64_t kLargestCapacity = std::uint64_t{1} << 60U;

// All 32 bits of the CRC-32 of zlib.
[[nodiscard]] std::uint32_t crc32(std::span<const std::uint8_t> bytes);
// What the format stores: the same without the top bit.
[[nodiscard]] std::uint32_t checksum(std::span<const std::uint8_t> bytes);

// --- writing ----------------------------------------------------------------------------------

enum class SlotContent : std::uint8_t { header, blank, damaged, foreign };

// One header slot. `damaged` is the header with a wrong checksum, `foreign` bytes of something
// else.
struct Slot {
  SlotContent content = SlotContent::header;
  int version = 0;
  std::uint64_t capacity = 0;  // 0 = the image's
  std::int64_t trim = -1;
  std::int64_t stamp = 1;
  std::int64_t window = 1 << 20;
  std::uint32_t shutdown = 1;
  std::int32_t node = 0;
  std::int64_t epoch = 0;
};

enum class Damage : std::uint8_t {
  none,
  magic,            // of nothing known
  header_checksum,  // one bit of it flipped
  offset,           // a sound header, but of the same record one section earlier (a stale cycle)
  zero_length,      // a sound header that says 0
  long_body,        // a sound header that says `declared_length`
  body,             // one bit of the body's last byte flipped
  torn,             // only the first `torn_after` bytes were written
};

struct Record {
  std::int64_t offset = 0;
  Bytes body;
  bool padding = false;
  Damage damage = Damage::none;
  std::uint64_t torn_after = 0;
  std::uint32_t declared_length = 0;
  bool wraps = false;  // what crosses the end of the section goes on at its beginning, else nowhere
};

// Bytes at a logical offset, laid before the records.
struct Fill {
  std::int64_t offset = 0;
  Bytes bytes;
};

struct Image {
  std::uint64_t capacity = 0;
  std::array<Slot, 2> slots{Slot{.stamp = 1}, Slot{.stamp = 2}};
  std::vector<Fill> fills;
  std::vector<Record> records;  // laid in this order, a later one over an earlier one
};

[[nodiscard]] Bytes encode_slot(const Slot& slot, std::uint64_t image_capacity);
[[nodiscard]] Bytes encode_record(const Record& record, std::uint64_t section);
[[nodiscard]] Bytes write_image(const Image& image);

// `length` bytes that depend on nothing but the seed and are never all zero.
[[nodiscard]] Bytes arbitrary_bytes(std::uint64_t length, std::uint64_t seed);

// --- reading ----------------------------------------------------------------------------------

enum class Mode : std::uint8_t { standard, strict, prefix };

struct Delivered {
  std::int64_t offset = 0;
  Bytes body;
  friend bool operator==(const Delivered&, const Delivered&) = default;
};

struct Hole {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  friend bool operator==(const Hole&, const Hole&) = default;
};

struct Reading {
  std::uint32_t current_slot = 0;
  Slot header;  // of the current slot; content is always `header`
  std::vector<Delivered> records;
  std::vector<Hole> holes;
  std::int64_t end = 0;  // of the last delivered record, else the first offset after the trim
};

// The header that stands in a slot, unless it is invalid.
[[nodiscard]] std::optional<Slot> decode_slot(std::span<const std::uint8_t> bytes);

// Nothing when the image holds no log, or one of another length.
[[nodiscard]] std::optional<Reading> read_image(const Bytes& image, Mode mode);

}  // namespace seqwal::naive
