// The 24 bytes in front of a record's body: where their fields stand, and how they are written.
// Inline, for LogBuffer; whoever can afford a call has format.h.
#ifndef SEQWAL_RECORD_HEADER_H
#define SEQWAL_RECORD_HEADER_H

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "big_endian.h"
#include "seqwal/format.h"
#include "short_checksum.h"

namespace seqwal {

inline constexpr std::uint32_t kDataMagic = 0x87654321;
inline constexpr std::uint32_t kPaddingMagic = 0x76543210;

inline constexpr std::size_t kRecordMagicAt = 0;
inline constexpr std::size_t kRecordLengthAt = 4;
inline constexpr std::size_t kRecordBodyOffsetAt = 8;
inline constexpr std::size_t kRecordBodyChecksumAt = 16;
inline constexpr std::size_t kRecordChecksumAt = 20;
static_assert(kRecordChecksumAt + sizeof(std::uint32_t) == kRecordHeaderBytes);

// Of a record header, as its first words stand in memory: magic and length, offset, checksum.
[[nodiscard, gnu::always_inline]] inline std::uint32_t record_header_checksum(std::uint64_t first,
                                                                              std::uint64_t second,
                                                                              std::uint32_t third) {
  return short_checksum(first, second, third) & kChecksumMask;
}

[[gnu::always_inline]] inline void store_record_header(const RecordHeader& header, std::byte* to) {
  const std::uint32_t magic = header.kind == RecordKind::data ? kDataMagic : kPaddingMagic;
  // In registers: what is read back in pieces of another size has to wait for the cache.
  const std::uint64_t first = to_big_endian(std::uint64_t{magic} << 32U | header.body_length_bytes);
  const std::uint64_t second =
      to_big_endian(static_cast<std::uint64_t>(header.offset.value + kRecordHeaderBytes));
  const std::uint32_t sum =
      record_header_checksum(first, second, to_big_endian(header.body_checksum));
  const std::uint64_t third = to_big_endian(std::uint64_t{header.body_checksum} << 32U | sum);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + kRecordBodyOffsetAt, &second, sizeof second);
  std::memcpy(to + kRecordBodyChecksumAt, &third, sizeof third);
}

}  // namespace seqwal

#endif  // SEQWAL_RECORD_HEADER_H
