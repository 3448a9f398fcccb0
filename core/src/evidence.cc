#include "seqwal/evidence.h"

#include <algorithm>

#include "big_endian.h"
#include "seqwal/format.h"

namespace seqwal {
namespace {

constexpr std::uint32_t kBlockMagic = 0x53514556;
constexpr std::uint32_t kHeaderMagic = 0x53514548;

// Where the fields of block evidence stand.
constexpr std::size_t kBlockIncarnationAt = 4;
constexpr std::size_t kBlockLogIdAt = 8;
constexpr std::size_t kBlockBeginAt = 16;
constexpr std::size_t kBlockLengthAt = 24;
constexpr std::size_t kBlockRecordsAt = 28;
constexpr std::size_t kBlockPreviousAt = 32;
constexpr std::size_t kBlockWatermarkAt = 40;
constexpr std::size_t kBlockTrimAt = 48;
constexpr std::size_t kBlockZeroAt = 56;
constexpr std::size_t kBlockChecksumAt = 60;
static_assert(kBlockChecksumAt + sizeof(std::uint32_t) == kBlockEvidenceBytes);

// Where the fields of header evidence stand, from its own beginning.
constexpr std::size_t kHeaderIncarnationAt = 4;
constexpr std::size_t kHeaderLogIdAt = 8;
constexpr std::size_t kHeaderStampAt = 16;
constexpr std::size_t kHeaderSumAt = 24;
constexpr std::size_t kHeaderFlagsAt = 28;
constexpr std::size_t kHeaderWatermarkAt = 32;
constexpr std::size_t kHeaderZeroAt = 40;
constexpr std::size_t kHeaderChecksumAt = 60;
static_assert(kHeaderChecksumAt + sizeof(std::uint32_t) == kHeaderEvidenceBytes);
static_assert(kHeaderEvidenceAt == kWalHeaderBytes);

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// A trim offset or an end of records: -1, or an offset.
Offset load_offset(const std::byte* at) { return {load_big_endian<std::int64_t>(at)}; }

bool plausible(const BlockEvidence& evidence) {
  return evidence.begin.value >= 0 && is_block_aligned(evidence.begin) &&
         evidence.begin.value <= kMaxOffset.value - evidence.length_bytes &&
         evidence.length_bytes > 0 && evidence.length_bytes % kBlockBytes == 0 &&
         evidence.records_bytes <= evidence.length_bytes - kBlockEvidenceBytes &&
         evidence.previous_end.value >= -1 && evidence.watermark.value >= -1 &&
         evidence.trim.value >= -1;
}

}  // namespace

void encode_block_evidence(const BlockEvidence& evidence,
                           std::span<std::byte, kBlockEvidenceBytes> out) {
  std::byte* at = out.data();
  store_big_endian(at, kBlockMagic);
  store_big_endian(at + kBlockIncarnationAt, evidence.lineage.incarnation);
  store_big_endian(at + kBlockLogIdAt, evidence.lineage.log_id);
  store_big_endian(at + kBlockBeginAt, evidence.begin.value);
  store_big_endian(at + kBlockLengthAt, evidence.length_bytes);
  store_big_endian(at + kBlockRecordsAt, evidence.records_bytes);
  store_big_endian(at + kBlockPreviousAt, evidence.previous_end.value);
  store_big_endian(at + kBlockWatermarkAt, evidence.watermark.value);
  store_big_endian(at + kBlockTrimAt, evidence.trim.value);
  store_big_endian(at + kBlockZeroAt, std::uint32_t{0});
  store_big_endian(at + kBlockChecksumAt, checksum(out.first<kBlockChecksumAt>()));
}

std::optional<BlockEvidence> decode_block_evidence(
    std::span<const std::byte, kBlockEvidenceBytes> bytes) {
  const std::byte* at = bytes.data();
  if (load_big_endian<std::uint32_t>(at) != kBlockMagic) return std::nullopt;
  if (load_big_endian<std::uint32_t>(at + kBlockChecksumAt) !=
      checksum(bytes.first<kBlockChecksumAt>())) {
    return std::nullopt;
  }
  if (load_big_endian<std::uint32_t>(at + kBlockZeroAt) != 0) return std::nullopt;
  const BlockEvidence evidence{
      .lineage = {.log_id = load_big_endian<std::uint64_t>(at + kBlockLogIdAt),
                  .incarnation = load_big_endian<std::uint32_t>(at + kBlockIncarnationAt)},
      .begin = load_offset(at + kBlockBeginAt),
      .length_bytes = load_big_endian<std::uint32_t>(at + kBlockLengthAt),
      .records_bytes = load_big_endian<std::uint32_t>(at + kBlockRecordsAt),
      .previous_end = load_offset(at + kBlockPreviousAt),
      .watermark = load_offset(at + kBlockWatermarkAt),
      .trim = load_offset(at + kBlockTrimAt)};
  if (!plausible(evidence)) return std::nullopt;
  return evidence;
}

void encode_header_evidence(const HeaderEvidence& evidence, std::int64_t stamp,
                            std::uint32_t header_checksum,
                            std::span<std::byte, kHeaderEvidenceBytes> out) {
  std::ranges::fill(out, std::byte{0});
  std::byte* at = out.data();
  store_big_endian(at, kHeaderMagic);
  store_big_endian(at + kHeaderIncarnationAt, evidence.lineage.incarnation);
  store_big_endian(at + kHeaderLogIdAt, evidence.lineage.log_id);
  store_big_endian(at + kHeaderStampAt, stamp);
  store_big_endian(at + kHeaderSumAt, header_checksum);
  store_big_endian(at + kHeaderFlagsAt, evidence.flags);
  store_big_endian(at + kHeaderWatermarkAt, evidence.watermark.value);
  store_big_endian(at + kHeaderChecksumAt, checksum(out.first<kHeaderChecksumAt>()));
}

std::optional<HeaderEvidence> decode_header_evidence(
    std::span<const std::byte, kHeaderEvidenceBytes> bytes, std::int64_t stamp,
    std::uint32_t header_checksum) {
  const std::byte* at = bytes.data();
  if (load_big_endian<std::uint32_t>(at) != kHeaderMagic) return std::nullopt;
  if (load_big_endian<std::uint32_t>(at + kHeaderChecksumAt) !=
      checksum(bytes.first<kHeaderChecksumAt>())) {
    return std::nullopt;
  }
  if (load_big_endian<std::int64_t>(at + kHeaderStampAt) != stamp ||
      load_big_endian<std::uint32_t>(at + kHeaderSumAt) != header_checksum ||
      !is_zero(bytes.subspan(kHeaderZeroAt, kHeaderChecksumAt - kHeaderZeroAt))) {
    return std::nullopt;
  }
  const HeaderEvidence evidence{
      .lineage = {.log_id = load_big_endian<std::uint64_t>(at + kHeaderLogIdAt),
                  .incarnation = load_big_endian<std::uint32_t>(at + kHeaderIncarnationAt)},
      .flags = load_big_endian<std::uint32_t>(at + kHeaderFlagsAt),
      .watermark = load_offset(at + kHeaderWatermarkAt)};
  if (evidence.watermark.value < -1) return std::nullopt;
  return evidence;
}

}  // namespace seqwal
