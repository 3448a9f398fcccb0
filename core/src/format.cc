#include "seqwal/format.h"

#include <algorithm>
#include <cstring>

#include "big_endian.h"
#include "record_header.h"

namespace seqwal {
namespace {

constexpr std::uint32_t kWalMagicV0 = 0x12345678;
constexpr std::uint32_t kWalMagicV1 = 0x01234567;

// Where the fields of a WAL header stand.
constexpr std::size_t kWalMagicAt = 0;
constexpr std::size_t kWalCapacityAt = 4;
constexpr std::size_t kWalTrimAt = 12;
constexpr std::size_t kWalStampAt = 20;
constexpr std::size_t kWalWindowAt = 28;
constexpr std::size_t kWalShutdownAt = 36;
constexpr std::size_t kWalNodeIdAt = 40;
constexpr std::size_t kWalEpochAt = 44;
constexpr std::size_t kWalChecksumAt = 52;
static_assert(kWalChecksumAt + sizeof(std::uint32_t) == kWalHeaderBytes);

bool plausible_capacity(std::uint64_t capacity_bytes) {
  return capacity_bytes >= kMinCapacityBytes && capacity_bytes <= kMaxCapacityBytes &&
         capacity_bytes % kBlockBytes == 0;
}

}  // namespace

void encode_wal_header(const WalHeader& header, std::span<std::byte, kBlockBytes> out,
                       const std::optional<HeaderEvidence>& evidence) {
  std::ranges::fill(out, std::byte{0});
  std::byte* at = out.data();
  store_big_endian(at + kWalMagicAt,
                   header.version == FormatVersion::v1 ? kWalMagicV1 : kWalMagicV0);
  store_big_endian(at + kWalCapacityAt, header.capacity_bytes);
  store_big_endian(at + kWalTrimAt, header.trim.value);
  store_big_endian(at + kWalStampAt, header.stamp);
  store_big_endian(at + kWalWindowAt, header.window_bytes);
  store_big_endian(at + kWalShutdownAt, static_cast<std::uint32_t>(header.shutdown));
  store_big_endian(at + kWalNodeIdAt, header.node_id);
  store_big_endian(at + kWalEpochAt, header.epoch);
  const std::uint32_t sum = checksum(out.first<kWalChecksumAt>());
  store_big_endian(at + kWalChecksumAt, sum);
  if (evidence) {
    encode_header_evidence(*evidence, header.stamp, sum,
                           out.subspan<kHeaderEvidenceAt, kHeaderEvidenceBytes>());
  }
}

HeaderSlot decode_wal_header(std::span<const std::byte> bytes) {
  HeaderSlot slot;
  const auto fields = bytes.first(kWalHeaderBytes);
  const std::byte* at = fields.data();
  if (std::ranges::all_of(fields, [](std::byte b) { return b == std::byte{0}; })) return slot;

  const auto magic = load_big_endian<std::uint32_t>(at + kWalMagicAt);
  if (magic != kWalMagicV0 && magic != kWalMagicV1) {
    slot.state = SlotState::foreign;
    return slot;
  }
  slot.state = SlotState::damaged;
  slot.checksum = load_big_endian<std::uint32_t>(at + kWalChecksumAt);
  if (slot.checksum != checksum(fields.first(kWalChecksumAt))) return slot;

  WalHeader& header = slot.header;
  header.version = magic == kWalMagicV1 ? FormatVersion::v1 : FormatVersion::v0;
  header.capacity_bytes = load_big_endian<std::uint64_t>(at + kWalCapacityAt);
  header.trim = {std::max<std::int64_t>(load_big_endian<std::int64_t>(at + kWalTrimAt), -1)};
  header.stamp = load_big_endian<std::int64_t>(at + kWalStampAt);
  header.window_bytes = load_big_endian<std::int64_t>(at + kWalWindowAt);
  header.shutdown = load_big_endian<std::uint32_t>(at + kWalShutdownAt) == 0
                        ? ShutdownType::graceful
                        : ShutdownType::ungraceful;
  header.node_id = load_big_endian<std::int32_t>(at + kWalNodeIdAt);
  header.epoch = load_big_endian<std::int64_t>(at + kWalEpochAt);
  if (!plausible_capacity(header.capacity_bytes)) return slot;
  slot.state = SlotState::valid;
  if (bytes.size() >= kHeaderEvidenceAt + kHeaderEvidenceBytes) {
    slot.evidence = decode_header_evidence(bytes.subspan<kHeaderEvidenceAt, kHeaderEvidenceBytes>(),
                                           header.stamp, slot.checksum);
  }
  return slot;
}

std::optional<std::uint32_t> current_slot(std::span<const HeaderSlot, kHeaderSlots> slots) {
  std::optional<std::uint32_t> current;
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    if (slots[i].state != SlotState::valid) continue;
    if (!current || slots[i].header.stamp > slots[*current].header.stamp) current = i;
  }
  return current;
}

void encode_record_header(const RecordHeader& header,
                          std::span<std::byte, kRecordHeaderBytes> out) {
  store_record_header(header, out.data());
}

std::optional<RecordHeader> decode_record_header(
    std::span<const std::byte, kRecordHeaderBytes> bytes, Offset expected) {
  const std::byte* at = bytes.data();
  RecordHeader header;
  const auto magic = load_big_endian<std::uint32_t>(at + kRecordMagicAt);
  if (magic != kDataMagic && magic != kPaddingMagic) return std::nullopt;
  header.kind = magic == kDataMagic ? RecordKind::data : RecordKind::padding;

  const auto word = [at]<typename Word>(Word value, std::size_t where) {
    std::memcpy(&value, at + where, sizeof value);
    return value;
  };
  if (load_big_endian<std::uint32_t>(at + kRecordChecksumAt) !=
      record_header_checksum(word(std::uint64_t{}, 0), word(std::uint64_t{}, kRecordBodyOffsetAt),
                             word(std::uint32_t{}, kRecordBodyChecksumAt))) {
    return std::nullopt;
  }
  header.body_length_bytes = load_big_endian<std::uint32_t>(at + kRecordLengthAt);
  header.body_checksum = load_big_endian<std::uint32_t>(at + kRecordBodyChecksumAt);
  const bool length_ok =
      header.kind == RecordKind::data
          ? header.body_length_bytes >= 1 && header.body_length_bytes <= kMaxBodyBytes
          : header.body_checksum == 0;
  if (!length_ok) return std::nullopt;

  header.offset = expected;
  const auto body_offset = load_big_endian<std::int64_t>(at + kRecordBodyOffsetAt);
  if (expected.value > kMaxOffset.value - kRecordHeaderBytes ||
      body_offset != expected.value + kRecordHeaderBytes) {
    return std::nullopt;
  }
  return header;
}

}  // namespace seqwal
