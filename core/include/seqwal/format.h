// The exact bytes: constants and codec of WAL headers and record headers (docs/format.md).
//
// All integers are big-endian. Decoding is total: any bytes give a value or nothing, never a crash,
// and nothing is trusted before its checksum. Encoding is a function of its inputs alone.
#ifndef SEQWAL_FORMAT_H
#define SEQWAL_FORMAT_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "seqwal/evidence.h"
#include "seqwal/types.h"

namespace seqwal {

inline constexpr std::uint32_t kBlockBytes = 4096;
inline constexpr std::uint32_t kHeaderSlots = 2;
inline constexpr std::uint64_t kHeaderAreaBytes = std::uint64_t{kHeaderSlots} * kBlockBytes;
// Both header slots and one block of record section.
inline constexpr std::uint64_t kMinCapacityBytes = kHeaderAreaBytes + kBlockBytes;
// Far above any device, far below where sums of offsets could overflow.
inline constexpr std::uint64_t kMaxCapacityBytes = std::uint64_t{1} << 60U;

inline constexpr std::uint32_t kWalHeaderBytes = 56;
inline constexpr std::uint32_t kRecordHeaderBytes = 24;
// 128 MiB less the record header.
inline constexpr std::uint32_t kMaxBodyBytes = (128U << 20U) - kRecordHeaderBytes;
// A block write is not made longer than this by merging; a single longer record goes alone.
inline constexpr std::uint32_t kSoftLimitBytes = 256U << 10U;
// How much further than the last valid record the reference scans at most, by default.
inline constexpr std::int64_t kDefaultScanBytes = std::int64_t{4} << 20U;

template <typename T>
[[nodiscard]] constexpr T round_up_to_block(T bytes) {
  return static_cast<T>((bytes + (kBlockBytes - 1)) & ~T{kBlockBytes - 1});
}
template <typename T>
[[nodiscard]] constexpr T round_down_to_block(T bytes) {
  return static_cast<T>(bytes / kBlockBytes * kBlockBytes);
}
[[nodiscard]] constexpr Offset round_up_to_block(Offset offset) {
  return {round_up_to_block(offset.value)};
}
[[nodiscard]] constexpr Offset round_down_to_block(Offset offset) {
  return {round_down_to_block(offset.value)};
}
[[nodiscard]] constexpr bool is_block_aligned(Offset offset) {
  return offset.value % kBlockBytes == 0;
}

inline constexpr std::uint32_t kChecksumMask = 0x7FFFFFFF;
// CRC-32 (the polynomial of zlib and IEEE 802.3) with the top bit cleared. About 10 GB/s.
[[nodiscard]] std::uint32_t checksum(std::span<const std::byte> bytes);
// Of the pieces, one after the other.
[[nodiscard]] std::uint32_t checksum_of_pieces(std::span<const std::span<const std::byte>> pieces);

// --- WAL header -----------------------------------------------------------------------------

enum class ShutdownType : std::uint8_t { graceful = 0, ungraceful = 1 };

struct WalHeader {
  FormatVersion version = FormatVersion::v0;
  std::uint64_t capacity_bytes = 0;
  Offset trim = kNoOffset;        // every record at or below it is gone; any negative = none
  std::int64_t stamp = 0;         // the slot with the greater stamp is the current header
  std::int64_t window_bytes = 0;  // maximum length of the sliding window, as written
  ShutdownType shutdown = ShutdownType::ungraceful;
  std::int32_t node_id = 0;
  std::int64_t epoch = 0;

  friend bool operator==(const WalHeader&, const WalHeader&) = default;
};

// What stands in one header slot.
enum class SlotState : std::uint8_t {
  valid,
  blank,    // the first 56 bytes are zero: nothing was ever written here
  damaged,  // our magic, but the checksum or the capacity is wrong
  foreign,  // something else
};

struct HeaderSlot {
  SlotState state = SlotState::blank;
  WalHeader header;                             // meaningful when valid
  std::uint32_t checksum = 0;                   // as stored
  std::optional<HeaderEvidence> evidence = {};  // none: whoever wrote this leaves none
};

// Exactly kBlockBytes: the header, its evidence if there is any, then zeroes.
void encode_wal_header(const WalHeader& header, std::span<std::byte, kBlockBytes> out,
                       const std::optional<HeaderEvidence>& evidence = {});
// `bytes` holds at least kWalHeaderBytes; evidence is read where there are bytes for it. A capacity
// out of range or not a multiple of kBlockBytes makes the slot damaged; trims below -1 are read as
// -1.
[[nodiscard]] HeaderSlot decode_wal_header(std::span<const std::byte> bytes);

// Index of the slot that counts: the valid one with the greater stamp, slot 0 on a tie.
[[nodiscard]] std::optional<std::uint32_t> current_slot(
    std::span<const HeaderSlot, kHeaderSlots> slots);

// --- record header --------------------------------------------------------------------------

enum class RecordKind : std::uint8_t { data, padding };

struct RecordHeader {
  RecordKind kind = RecordKind::data;
  std::uint32_t body_length_bytes = 0;
  Offset offset;  // of the record, not of the body
  std::uint32_t body_checksum = 0;
};

void encode_record_header(const RecordHeader& header, std::span<std::byte, kRecordHeaderBytes> out);

// The header of a record that starts at `expected`, or nothing: magic, checksum, length and offset
// are verified (a data record has 1..kMaxBodyBytes, a padding record a checksum of 0). Whether the
// body fits in the section, and the body's checksum, is the caller's to check.
[[nodiscard]] std::optional<RecordHeader> decode_record_header(
    std::span<const std::byte, kRecordHeaderBytes> bytes, Offset expected);

}  // namespace seqwal

#endif  // SEQWAL_FORMAT_H
