// Witness: what evidence says of a stretch of the log that recovery has not reached yet, read ahead
// of it where the question comes up: is this the end, a jump, or damage?
//
// Any evidence of this log is testimony for its watermark, wherever it stands: what it says was
// true when it was written, and what was durable once stays so. Everything else counts only at its
// place.
//
// Each block is looked at once, the first block write of a cycle perhaps twice, and padding that
// nothing vouches for once more. What cannot be read says nothing. One thread.
#ifndef SEQWAL_WITNESS_H
#define SEQWAL_WITNESS_H

#include <cstdint>
#include <map>
#include <optional>

#include "aligned_buffer.h"
#include "scanner.h"
#include "seqwal/evidence.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"

namespace seqwal {

class Witness {
 public:
  // Nothing at or beyond `end` is looked at.
  Witness(Scanner& scanner, const Geometry& geometry, const HeaderState& headers, Offset end);

  // The header has evidence: the log leaves some.
  [[nodiscard]] bool exists() const { return header_.has_value(); }
  [[nodiscard]] const std::optional<HeaderEvidence>& header() const { return header_; }

  // Evidence in the last bytes of a block, if it is of this log and stands in the block write that
  // ends with the block at `end`.
  [[nodiscard]] std::optional<BlockEvidence> at_end(std::span<const std::byte> block, Offset end);

  // Looks at [from, to), as far as that was not done.
  [[nodiscard]] Result<void> look(Offset from, Offset to);
  // Looks at the block write that begins at `begin`, if that was not done, and returns its evidence
  // if it has any.
  [[nodiscard]] Result<std::optional<BlockEvidence>> beginning_at(Offset begin);
  // Whether a record or padding begins at a block boundary in [from, to), of one cycle.
  [[nodiscard]] Result<bool> record_begins_in(Offset from, Offset to);
  // Whether [from, to), of one block, can be read and is zero.
  [[nodiscard]] Result<bool> is_zero(Offset from, Offset to);
  // Of what was looked at: the block write that holds `offset`.
  [[nodiscard]] std::optional<BlockEvidence> holding(Offset offset) const;

  // How much further than a doubtful offset one has to look: as far as block writes can have been
  // in flight when the writer died, and 4 MiB.
  [[nodiscard]] std::int64_t reach_bytes() const { return window_bytes_ + kDefaultScanBytes; }
  [[nodiscard]] std::int64_t window_bytes() const { return window_bytes_; }
  // Every record that begins below it was durable, by all that was seen.
  [[nodiscard]] Offset watermark() const { return watermark_; }
  // The end of a record that was durable: the greatest that evidence names.
  [[nodiscard]] Offset durable_end() const { return durable_end_; }
  // Block writes at or beyond `offset`, among those looked at, that are older than `incarnation`.
  [[nodiscard]] std::uint64_t older_than(std::uint32_t incarnation, Offset offset) const;

 private:
  void examine(std::span<const std::byte> block, Offset begin);
  [[nodiscard]] Result<void> examine_range(Offset from, Offset to);
  [[nodiscard]] Result<void> examine_block_write(Offset begin);

  Scanner& scanner_;
  const Geometry geometry_;
  const std::optional<HeaderEvidence> header_;
  const Offset end_;
  const std::int64_t window_bytes_;  // the greater one of both slots
  Offset watermark_ = kNoOffset;
  Offset durable_end_ = kNoOffset;
  OffsetRange looked_at_{kNoOffset, kNoOffset};
  OffsetRange seen_aside_{kNoOffset, kNoOffset};  // the last block writes asked about, beyond it
  std::map<std::int64_t, BlockEvidence> block_writes_;  // by their end
  AlignedBuffer buffer_;
};

}  // namespace seqwal

#endif  // SEQWAL_WITNESS_H
