#include "seqwal/sim/naive_reader.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <limits>

namespace seqwal::sim {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kHeaders = 2 * kBlock;
constexpr std::uint64_t kRecordHeader = 24;
constexpr std::uint64_t kLargest = std::uint64_t{1} << 60U;
constexpr std::uint64_t kLongestBody = (std::uint64_t{128} << 20U) - kRecordHeader;
constexpr std::uint64_t kScanOn = std::uint64_t{4} << 20U;
constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kNothing = std::numeric_limits<std::uint64_t>::max();

std::uint64_t number(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    value = value << 8U | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return value;
}

std::int64_t signed_number(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::int64_t>(number(bytes, at, 8));
}

std::uint64_t boundary_after(std::uint64_t offset) { return (offset / kBlock + 1) * kBlock; }

enum class Is : std::uint8_t { record, padding, nothing };

struct Found {
  Is is = Is::nothing;
  std::uint64_t next = 0;
  std::span<const std::byte> body;
};

struct Walk {
  std::span<const std::byte> image;
  NaiveHeader header;
  const NaiveUnreadable& unreadable;
  std::uint64_t section = image.size() - kHeaders;
  std::uint64_t start = header.trim < 0 ? 0 : static_cast<std::uint64_t>(header.trim);
  // A block whose end is beyond what can be counted is no part of any log.
  std::uint64_t limit = std::min(boundary_after(start) + section, kLast / kBlock * kBlock);
  std::uint64_t window =
      header.window <= 0 ? 0 : std::min(section, static_cast<std::uint64_t>(header.window));

  [[nodiscard]] bool lost(std::uint64_t offset, std::uint64_t length) const {
    const auto begin = static_cast<std::int64_t>(offset);
    const auto end = static_cast<std::int64_t>(offset + length);
    return std::ranges::any_of(unreadable.ranges, [=](const auto& range) {
      return range.first < end && begin < range.second;
    });
  }

  [[nodiscard]] Found at(std::uint64_t offset) const {
    Found found{.is = Is::nothing, .next = boundary_after(offset), .body = {}};
    const std::uint64_t at = offset % section;
    const std::uint64_t room = section - at;
    if (room < kRecordHeader || offset + kRecordHeader > limit || lost(offset, kRecordHeader)) {
      return found;
    }
    const auto bytes = image.subspan(kHeaders + at, room);
    const std::uint64_t magic = number(bytes, 0, 4);
    if (magic != 0x87654321 && magic != 0x76543210) return found;
    if (number(bytes, 20, 4) != naive_checksum(bytes.first(20))) return found;
    if (number(bytes, 8, 8) != offset + kRecordHeader) return found;
    const std::uint64_t length = number(bytes, 4, 4);
    const std::uint64_t sum = number(bytes, 16, 4);
    if (magic == 0x76543210) {
      if (header.version != 1 || sum != 0 || kRecordHeader + length != room) return found;
      return {.is = Is::padding, .next = offset + room, .body = {}};
    }
    if (length == 0 || length > kLongestBody) return found;
    const std::uint64_t end = offset + kRecordHeader + length;
    found.next = boundary_after(end);
    if (kRecordHeader + length > room || end > limit) return found;
    if (lost(offset + kRecordHeader, length)) return found;
    const auto body = bytes.subspan(kRecordHeader, length);
    if (naive_checksum(body) != sum) return found;
    return {.is = Is::record, .next = end, .body = body};
  }

  [[nodiscard]] bool is_trim(std::uint64_t offset) const {
    return header.trim >= 0 && offset == start;
  }
};

// Version 1: everything up to the first invalid block boundary.
void read_version1(const Walk& walk, NaiveReading& reading) {
  for (std::uint64_t offset = walk.start; offset < walk.limit;) {
    const Found found = walk.at(offset);
    if (found.is == Is::nothing && offset % kBlock == 0) return;
    if (found.is == Is::record && !walk.is_trim(offset)) {
      reading.records.push_back({static_cast<std::int64_t>(offset), found.body});
      reading.end = static_cast<std::int64_t>(found.next);
    }
    offset = found.next;
  }
}

void read_version0(const Walk& walk, NaiveMode mode, NaiveReading& reading) {
  std::uint64_t first_invalid = kNothing;
  std::uint64_t gap = kNothing;  // first invalid boundary since the last valid record
  std::uint64_t after_last = 0;  // one more than the offset of the last valid record
  for (std::uint64_t offset = walk.start; offset < walk.limit;) {
    if (first_invalid != kNothing && offset >= first_invalid + walk.window) {
      if (mode != NaiveMode::standard) return;
      if (offset + 1 >= after_last + std::min(walk.window, kScanOn)) return;
    }
    const Found found = walk.at(offset);
    if (found.is == Is::record) {
      const std::uint64_t cycle = offset / walk.section;
      if (mode == NaiveMode::prefix && gap != kNothing) {
        const std::uint64_t length = found.next - offset;
        const bool jump =
            offset == (gap / walk.section + 1) * walk.section && length > offset - gap;
        if (!jump) return;
      }
      if (first_invalid != kNothing && cycle > first_invalid / walk.section) {
        first_invalid = kNothing;
      }
      gap = kNothing;
      after_last = offset + 1;
      if (!walk.is_trim(offset)) {
        reading.records.push_back({static_cast<std::int64_t>(offset), found.body});
        reading.end = static_cast<std::int64_t>(found.next);
      }
    } else if (offset % kBlock == 0 && !walk.is_trim(offset)) {
      first_invalid = std::min(first_invalid, offset);
      gap = std::min(gap, offset);
    }
    offset = found.next;
  }
}

}  // namespace

std::uint32_t naive_checksum(std::span<const std::byte> bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  return crc32_gzip_refl(0, data, bytes.size()) & 0x7FFFFFFFU;
}

std::optional<NaiveHeader> naive_header(std::span<const std::byte> slot) {
  const std::uint64_t magic = number(slot, 0, 4);
  if (magic != 0x12345678 && magic != 0x01234567) return std::nullopt;
  if (number(slot, 52, 4) != naive_checksum(slot.first(52))) return std::nullopt;
  NaiveHeader header;
  header.version = magic == 0x01234567 ? 1 : 0;
  header.capacity = number(slot, 4, 8);
  if (header.capacity < kHeaders + kBlock || header.capacity > kLargest) return std::nullopt;
  if (header.capacity % kBlock != 0) return std::nullopt;
  header.trim = std::max<std::int64_t>(-1, signed_number(slot, 12));
  header.stamp = signed_number(slot, 20);
  header.window = signed_number(slot, 28);
  header.graceful = number(slot, 36, 4) == 0;
  header.node = static_cast<std::int32_t>(number(slot, 40, 4));
  header.epoch = signed_number(slot, 44);
  return header;
}

NaiveHeaders naive_headers(std::span<const std::byte> image) {
  NaiveHeaders headers;
  for (std::size_t i = 0; i < 2; ++i) {
    headers.slots.at(i) = naive_header(image.subspan(i * kBlock, kBlock));
    if (!headers.slots.at(i)) continue;
    if (!headers.current ||
        headers.slots.at(i)->stamp > headers.slots.at(*headers.current)->stamp) {
      headers.current = i;
    }
  }
  return headers;
}

std::optional<NaiveReading> naive_read(std::span<const std::byte> image, NaiveMode mode,
                                       const NaiveUnreadable& unreadable) {
  if (image.size() < kHeaders) return std::nullopt;
  NaiveHeaders headers = naive_headers(image);
  for (std::size_t i = 0; i < 2; ++i) {
    if (unreadable.slots.at(i)) headers.slots.at(i).reset();
  }
  headers.current.reset();
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& slot = headers.slots.at(i);
    if (slot && (!headers.current || slot->stamp > headers.slots.at(*headers.current)->stamp)) {
      headers.current = i;
    }
  }
  if (!headers.current) return std::nullopt;
  NaiveReading reading;
  reading.header = *headers.slots.at(*headers.current);
  if (reading.header.capacity > image.size()) return std::nullopt;
  const Walk walk{.image = image.first(reading.header.capacity),
                  .header = reading.header,
                  .unreadable = unreadable};
  reading.end = static_cast<std::int64_t>(
      reading.header.trim < 0 ? 0 : std::min<std::uint64_t>(walk.start + 1, kLast));
  if (reading.header.version == 1) {
    read_version1(walk, reading);
  } else {
    read_version0(walk, mode, reading);
  }
  return reading;
}

}  // namespace seqwal::sim
