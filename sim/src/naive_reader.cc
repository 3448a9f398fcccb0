#include "seqwal/sim/naive_reader.h"

#include <libdeflate.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace seqwal::sim {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kHeaders = 2 * kBlock;
constexpr std::uint64_t kRecordHeader = 24;
constexpr std::uint64_t kLargest = std::uint64_t{1} << 60U;
constexpr std::uint64_t kLongestBody = (std::uint64_t{128} << 20U) - kRecordHeader;
constexpr std::uint64_t kScanOn = std::uint64_t{4} << 20U;
constexpr std::uint64_t kDataMagic = 0x87654321;
constexpr std::uint64_t kPaddingMagic = 0x76543210;
constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kNothing = std::numeric_limits<std::uint64_t>::max();

// Big-endian.
template <typename T>
T number_of(std::span<const std::byte> bytes, std::size_t at) {
  T value = 0;
  std::memcpy(&value, bytes.subspan(at, sizeof value).data(), sizeof value);
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

std::uint64_t number(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  return count == 4 ? number_of<std::uint32_t>(bytes, at) : number_of<std::uint64_t>(bytes, at);
}

std::int64_t signed_number(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::int64_t>(number(bytes, at, 8));
}

std::uint64_t boundary_after(std::uint64_t offset) { return (offset / kBlock + 1) * kBlock; }

enum class Is : std::uint8_t { record, padding, nothing };

struct Found {
  Is is = Is::nothing;
  bool header = false;  // of a record: nothing else is wrong but its body
  std::uint64_t next = 0;
  std::span<const std::byte> body;
};

struct Walk {
  std::span<const std::byte> image;
  NaiveHeader header;
  const NaiveUnreadable& unreadable;
  std::uint32_t newest_incarnation = 0;
  std::uint64_t widest = 0;  // the greater window of both slots
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

  // A record header for this very offset, and the bytes from it to the end of its cycle.
  [[nodiscard]] std::optional<std::span<const std::byte>> header_at(std::uint64_t offset) const {
    const std::uint64_t at = offset % section;
    const std::uint64_t room = section - at;
    if (room < kRecordHeader || offset + kRecordHeader > limit || lost(offset, kRecordHeader)) {
      return std::nullopt;
    }
    const auto bytes = image.subspan(kHeaders + at, room);
    const std::uint64_t magic = number(bytes, 0, 4);
    if (magic != kDataMagic && magic != kPaddingMagic) return std::nullopt;
    if (number(bytes, 20, 4) != naive_checksum(bytes.first(20))) return std::nullopt;
    if (number(bytes, 8, 8) != offset + kRecordHeader) return std::nullopt;
    return bytes;
  }

  [[nodiscard]] Found at(std::uint64_t offset) const {
    Found found{.is = Is::nothing, .header = false, .next = boundary_after(offset), .body = {}};
    const auto bytes = header_at(offset);
    if (!bytes) return found;
    const std::uint64_t room = bytes->size();
    const std::uint64_t length = number(*bytes, 4, 4);
    const std::uint64_t sum = number(*bytes, 16, 4);
    if (number(*bytes, 0, 4) == kPaddingMagic) {
      if (header.version != 1 || sum != 0 || kRecordHeader + length != room) return found;
      return {.is = Is::padding, .header = true, .next = offset + room, .body = {}};
    }
    if (length == 0 || length > kLongestBody) return found;
    const std::uint64_t end = offset + kRecordHeader + length;
    found.header = true;
    found.next = boundary_after(end);
    if (kRecordHeader + length > room || end > limit) return found;
    if (lost(offset + kRecordHeader, length)) return found;
    const auto body = bytes->subspan(kRecordHeader, length);
    if (naive_checksum(body) != sum) return found;
    return {.is = Is::record, .header = true, .next = end, .body = body};
  }

  // The evidence at the end of the block that ends at `end`, if it speaks of that place.
  [[nodiscard]] std::optional<NaiveBlockEvidence> witness(std::uint64_t end) const {
    if (end > limit || lost(end - 1, 1)) return std::nullopt;
    const auto block = image.subspan(kHeaders + (end - kBlock) % section, kBlock);
    const auto found = naive_block_evidence(block);
    if (!found || found->log_id != header.evidence->log_id ||
        found->incarnation > newest_incarnation || found->end != static_cast<std::int64_t>(end)) {
      return std::nullopt;
    }
    return found;
  }

  // From `offset` to the next boundary stands the end of a block write.
  [[nodiscard]] bool is_fill(std::uint64_t offset) const {
    const std::uint64_t end = boundary_after(offset);
    if (lost(offset, end - offset)) return false;
    if (end - offset < 64) {
      const auto rest = image.subspan(kHeaders + offset % section, end - offset);
      return std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0}; });
    }
    const auto found = witness(end);
    return found && found->records_end == static_cast<std::int64_t>(offset);
  }

  // The block write that begins at `begin`.
  [[nodiscard]] std::optional<NaiveBlockEvidence> beginning_at(std::uint64_t begin) const {
    for (std::uint64_t end = begin + kBlock; end <= limit; end += kBlock) {
      const auto found = witness(end);
      if (found && found->begin == static_cast<std::int64_t>(begin)) return found;
    }
    return std::nullopt;
  }

  // The one behind the block that holds `offset` says that the one before ended there.
  [[nodiscard]] bool is_followed(std::uint64_t offset, std::int64_t incarnation) const {
    const auto found = beginning_at(boundary_after(offset));
    return found && found->previous_end == static_cast<std::int64_t>(offset) &&
           static_cast<std::int64_t>(found->incarnation) >= incarnation;
  }

  // At `offset`, a boundary, a block write ended, and the next one begins the next cycle.
  // `incarnation`: of the block write before.
  [[nodiscard]] bool is_jump(std::uint64_t offset, std::int64_t incarnation, bool first) const {
    const std::uint64_t cycle = (offset / section + 1) * section;
    if (cycle >= limit || cycle - offset >= widest) return false;
    const auto says_so = [&](const NaiveBlockEvidence& found) {
      if (static_cast<std::int64_t>(found.incarnation) < incarnation) return false;
      if (found.previous_end < 0) return first;
      const auto end = static_cast<std::uint64_t>(found.previous_end);
      return (end + kBlock - 1) / kBlock * kBlock == offset;
    };
    const auto gap = witness(offset + kBlock);
    if (gap && gap->records_end == gap->begin && says_so(*gap)) {
      return !is_no_jump(offset, incarnation, first);
    }
    const auto next = beginning_at(cycle);
    return next && says_so(*next);
  }

  // Padding at `offset`, or a gap that says so, of an older timeline: the block write behind it was
  // written behind something else.
  [[nodiscard]] bool is_no_jump(std::uint64_t offset, std::int64_t incarnation, bool first) const {
    const auto next = beginning_at((offset / section + 1) * section);
    if (!next || static_cast<std::int64_t>(next->incarnation) < incarnation) return false;
    if (next->previous_end > next->begin) return false;
    if (next->previous_end < 0) return !first;
    const auto end = static_cast<std::uint64_t>(next->previous_end);
    return (end + kBlock - 1) / kBlock != (offset + kBlock - 1) / kBlock;
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

// With evidence: what is no record is crossed where evidence says what it is.
void read_contiguous(const Walk& walk, NaiveReading& reading) {
  std::int64_t incarnation = -1;
  bool first = true;
  for (std::uint64_t offset = walk.start; offset < walk.limit;) {
    const Found found = walk.at(offset);
    const bool marker = walk.is_trim(offset) && (offset + 1) % kBlock == 0;
    if (found.is == Is::record) {
      first = false;
      if (!walk.is_trim(offset)) {
        reading.records.push_back({static_cast<std::int64_t>(offset), found.body});
        reading.end = static_cast<std::int64_t>(found.next);
      }
    } else if (found.is == Is::padding) {
      if (walk.is_no_jump(offset, incarnation, first)) return;
    } else if (found.is == Is::nothing && !marker) {
      // What stands here is the end, unless evidence says what it is; a record header never is.
      reading.stopped_at = static_cast<std::int64_t>(offset);
      if (found.header) return;
      if (offset % kBlock == 0) {
        if (walk.header.version == 1 || !walk.is_jump(offset, incarnation, first)) return;
        offset = (offset / walk.section + 1) * walk.section;
        continue;
      }
      if (walk.is_fill(offset)) {
        const auto witness = walk.witness(boundary_after(offset));
        if (witness && boundary_after(offset) - offset >= 64) {
          incarnation = std::max<std::int64_t>(incarnation, witness->incarnation);
        }
      } else if (!walk.is_followed(offset, incarnation)) {
        return;
      }
    }
    offset = found.next;
  }
  reading.stopped_at.reset();
}

// Nothing where no header counts, or the image is shorter than it says.
std::optional<NaiveHeaders> readable_headers(std::span<const std::byte> image,
                                             const NaiveUnreadable& unreadable) {
  if (image.size() < kHeaders) return std::nullopt;
  NaiveHeaders headers = naive_headers(image);
  for (std::size_t i = 0; i < 2; ++i) {
    if (unreadable.slots.at(i)) headers.slots.at(i).reset();
  }
  headers.current = naive_current(headers);
  if (!headers.current) return std::nullopt;
  if (headers.slots.at(*headers.current)->capacity > image.size()) return std::nullopt;
  return headers;
}

Walk walk_of(std::span<const std::byte> image, const NaiveHeaders& headers,
             const NaiveUnreadable& unreadable) {
  const NaiveHeader& header = *headers.slots.at(*headers.current);
  std::uint32_t newest_incarnation = 0;
  std::int64_t widest = 0;
  for (const auto& slot : headers.slots) {
    if (slot) widest = std::max(widest, slot->window);
    if (!slot || !slot->evidence || !header.evidence) continue;
    if (slot->evidence->log_id != header.evidence->log_id) continue;
    newest_incarnation = std::max(newest_incarnation, slot->evidence->incarnation);
  }
  return {.image = image.first(header.capacity),
          .header = header,
          .unreadable = unreadable,
          .newest_incarnation = newest_incarnation,
          .widest = std::min(header.capacity - kHeaders, static_cast<std::uint64_t>(widest))};
}

}  // namespace

std::optional<NaiveBlockEvidence> naive_block_evidence(std::span<const std::byte> block) {
  const auto bytes = block.last(64);
  if (number(bytes, 0, 4) != 0x53514556 || number(bytes, 56, 4) != 0) return std::nullopt;
  if (number(bytes, 60, 4) != naive_checksum(bytes.first(60))) return std::nullopt;
  NaiveBlockEvidence found;
  found.incarnation = static_cast<std::uint32_t>(number(bytes, 4, 4));
  found.log_id = number(bytes, 8, 8);
  found.begin = signed_number(bytes, 16);
  // Counted without a sign until it is known where that leads.
  found.end = static_cast<std::int64_t>(number(bytes, 16, 8) + number(bytes, 24, 4));
  found.records_end = static_cast<std::int64_t>(number(bytes, 16, 8) + number(bytes, 28, 4));
  found.previous_end = signed_number(bytes, 32);
  found.watermark = signed_number(bytes, 40);
  found.trim = signed_number(bytes, 48);
  const std::uint64_t length = number(bytes, 24, 4);
  const bool placed = found.begin >= 0 && number(bytes, 16, 8) % kBlock == 0 && length > 0 &&
                      length % kBlock == 0 && number(bytes, 16, 8) + length <= kLast &&
                      number(bytes, 28, 4) + 64 <= length;
  if (!placed || found.previous_end < -1 || found.watermark < -1 || found.trim < -1) {
    return std::nullopt;
  }
  return found;
}

std::uint32_t naive_checksum(std::span<const std::byte> bytes) {
  return libdeflate_crc32(0, bytes.data(), bytes.size()) & 0x7FFFFFFFU;
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
  if (slot.size() < 120) return header;
  const auto behind = slot.subspan(56, 64);
  if (number(behind, 0, 4) == 0x53514548 &&
      number(behind, 60, 4) == naive_checksum(behind.first(60)) &&
      signed_number(behind, 16) == header.stamp && number(behind, 24, 4) == number(slot, 52, 4)) {
    header.evidence =
        NaiveHeaderEvidence{.log_id = number(behind, 8, 8),
                            .incarnation = static_cast<std::uint32_t>(number(behind, 4, 4)),
                            .flags = static_cast<std::uint32_t>(number(behind, 28, 4)),
                            .watermark = signed_number(behind, 32)};
  }
  return header;
}

std::optional<std::size_t> naive_current(const NaiveHeaders& headers) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& slot = headers.slots.at(i);
    if (slot && (!best || slot->stamp > headers.slots.at(*best)->stamp)) best = i;
  }
  return best;
}

NaiveHeaders naive_headers(std::span<const std::byte> image) {
  NaiveHeaders headers;
  for (std::size_t i = 0; i < 2; ++i) {
    headers.slots.at(i) = naive_header(image.subspan(i * kBlock, kBlock));
  }
  headers.current = naive_current(headers);
  return headers;
}

std::optional<NaiveReading> naive_read(std::span<const std::byte> image, NaiveMode mode,
                                       const NaiveUnreadable& unreadable, NaiveRules rules) {
  const auto headers = readable_headers(image, unreadable);
  if (!headers) return std::nullopt;
  NaiveReading reading;
  reading.header = *headers->slots.at(*headers->current);
  const Walk walk = walk_of(image, *headers, unreadable);
  reading.end = static_cast<std::int64_t>(
      reading.header.trim < 0 ? 0 : std::min<std::uint64_t>(walk.start + 1, kLast));
  const bool contiguous = reading.header.version == 1 || mode == NaiveMode::prefix;
  if (contiguous && rules == NaiveRules::evidence && reading.header.evidence) {
    read_contiguous(walk, reading);
  } else if (reading.header.version == 1) {
    read_version1(walk, reading);
  } else {
    read_version0(walk, mode, reading);
  }
  return reading;
}

std::optional<NaiveRecord> naive_record(std::span<const std::byte> image, std::int64_t offset,
                                        const NaiveUnreadable& unreadable) {
  const auto headers = readable_headers(image, unreadable);
  if (!headers || offset < 0) return std::nullopt;
  const Found found = walk_of(image, *headers, unreadable).at(static_cast<std::uint64_t>(offset));
  if (found.is != Is::record) return std::nullopt;
  return NaiveRecord{.offset = offset, .body = found.body};
}

NaiveTestimony naive_testimony(std::span<const std::byte> image,
                               const NaiveUnreadable& unreadable) {
  NaiveTestimony testimony;
  const auto headers = readable_headers(image, unreadable);
  if (!headers) return testimony;
  const Walk walk = walk_of(image, *headers, unreadable);
  if (!walk.header.evidence) return testimony;
  for (const auto& slot : headers->slots) {
    if (!slot || !slot->evidence || slot->evidence->log_id != walk.header.evidence->log_id)
      continue;
    testimony.header = std::max(testimony.header, slot->evidence->watermark);
  }
  testimony.greatest = testimony.header;
  for (std::uint64_t end = boundary_after(walk.start); end <= walk.limit; end += kBlock) {
    const auto found =
        naive_block_evidence(walk.image.subspan(kHeaders + (end - kBlock) % walk.section, kBlock));
    if (found && found->log_id == walk.header.evidence->log_id &&
        found->incarnation <= walk.newest_incarnation) {
      testimony.greatest = std::max(testimony.greatest, found->watermark);
    }
    // What lies a window before a block write was durable when that was begun.
    if (walk.header_at(end - kBlock)) {
      testimony.greatest = std::max(testimony.greatest, static_cast<std::int64_t>(end - kBlock) -
                                                            static_cast<std::int64_t>(walk.widest));
    }
  }
  return testimony;
}

bool naive_is_older(std::span<const std::byte> image, std::int64_t offset,
                    const NaiveUnreadable& unreadable) {
  const auto headers = readable_headers(image, unreadable);
  if (!headers || offset < 0) return false;
  const Walk walk = walk_of(image, *headers, unreadable);
  if (!walk.header.evidence) return false;
  for (std::uint64_t end = boundary_after(static_cast<std::uint64_t>(offset)); end <= walk.limit;
       end += kBlock) {
    const auto found = walk.witness(end);
    if (found) return found->begin <= offset && found->incarnation < walk.newest_incarnation;
  }
  return false;
}

}  // namespace seqwal::sim
