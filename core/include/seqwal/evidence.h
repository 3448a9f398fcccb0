// Evidence: what a writer leaves behind so that a reader can tell the end of a log from damage.
//
// A ring that only has checksums cannot: a record that rotted and a record that was never written
// look alike. Evidence stands where AutoMQ's reader does not look: in the last 64 bytes of a block
// write's fill, and behind the WAL header in its slot. docs/format.md, "Evidence", has the bytes.
//
// Whatever stands on the disk is trusted only after its checksum, its log id and its place.
#ifndef SEQWAL_EVIDENCE_H
#define SEQWAL_EVIDENCE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "seqwal/types.h"

namespace seqwal {

inline constexpr std::uint32_t kBlockEvidenceBytes = 64;
// In a header slot, behind the WAL header.
inline constexpr std::uint32_t kHeaderEvidenceAt = 56;
inline constexpr std::uint32_t kHeaderEvidenceBytes = 64;

// Which log, and which timeline of it.
struct Lineage {
  std::uint64_t log_id = 0;
  std::uint32_t incarnation = 0;  // grows with every reset and resume

  friend constexpr bool operator==(const Lineage&, const Lineage&) = default;
};

// Behind the WAL header of a slot.
struct HeaderEvidence {
  // A resume has cut off a tail since the last reset: block writes of an older incarnation may lie
  // behind newer ones.
  static constexpr std::uint32_t kResumed = 1U << 0U;

  Lineage lineage;
  std::uint32_t flags = 0;
  // Every record that begins below it was durable.
  Offset watermark = kNoOffset;

  [[nodiscard]] bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
  friend bool operator==(const HeaderEvidence&, const HeaderEvidence&) = default;
};

// In the fill of a block write.
struct BlockEvidence {
  Lineage lineage = {};
  Offset begin = kNoOffset;         // of the block write
  std::uint32_t length_bytes = 0;   // fill included
  std::uint32_t records_bytes = 0;  // up to the end of its last record; 0: it holds none
  // End of the last record of the block write before; -1: there was none; beyond `begin`: whoever
  // wrote this did not know.
  Offset previous_end = kNoOffset;
  Offset watermark = kNoOffset;  // as HeaderEvidence's, when the block write was sealed
  Offset trim = kNoOffset;       // when it was sealed

  [[nodiscard]] Offset end() const { return begin + std::int64_t{length_bytes}; }
  [[nodiscard]] Offset records_end() const { return begin + std::int64_t{records_bytes}; }
  [[nodiscard]] bool knows_previous() const { return previous_end <= begin; }
  friend bool operator==(const BlockEvidence&, const BlockEvidence&) = default;
};

void encode_block_evidence(const BlockEvidence& evidence,
                           std::span<std::byte, kBlockEvidenceBytes> out);

// Nothing unless magic and checksum are right, the block write is a whole number of blocks at a
// block boundary, and its records lie inside it and leave room for the evidence. Whether it stands
// at its place, and of which log it is, is for the caller to judge.
[[nodiscard]] std::optional<BlockEvidence> decode_block_evidence(
    std::span<const std::byte, kBlockEvidenceBytes> bytes);

// `stamp` and `header_checksum` are those of the WAL header before it: a writer that knows nothing
// of evidence may carry old bytes along, which then belong to no header.
void encode_header_evidence(const HeaderEvidence& evidence, std::int64_t stamp,
                            std::uint32_t header_checksum,
                            std::span<std::byte, kHeaderEvidenceBytes> out);
[[nodiscard]] std::optional<HeaderEvidence> decode_header_evidence(
    std::span<const std::byte, kHeaderEvidenceBytes> bytes, std::int64_t stamp,
    std::uint32_t header_checksum);

}  // namespace seqwal

#endif  // SEQWAL_EVIDENCE_H
