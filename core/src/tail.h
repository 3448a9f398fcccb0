// Tail: everything that a claim decides, in one 64-bit word, so that one compare-and-swap claims
// bytes, a callback slot and, where needed, a new block.
//
//   bits  0..32  tail offset, modulo 2^33: the end of the last record claimed
//   bits 33..39  blocks of 4096 bytes from the start of the open block write to the tail's, 0..64;
//                kFull: the last block write is sealed, the next record begins a new one;
//                kStopped: nothing is accepted any more
//   bits 40..47  block, modulo 2^8: which block of memory the open (or last) block write uses
//   bits 48..63  ticket, modulo 2^16: the next callback slot
//
// The word repeats after 8 GiB of appends where block and ticket come round with it. A claim would
// have to sleep between its load and its swap for exactly that many bytes, to the record.
#ifndef SEQWAL_TAIL_H
#define SEQWAL_TAIL_H

#include <cstdint>

#include "seqwal/error.h"
#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/types.h"

namespace seqwal {

struct Tail {
  static constexpr unsigned kOffsetBits = 33;
  static constexpr unsigned kPagesBits = 7;
  static constexpr unsigned kBlockBits = 8;
  static constexpr unsigned kTicketBits = 16;
  static_assert(kOffsetBits + kPagesBits + kBlockBits + kTicketBits == 64);
  static constexpr std::uint32_t kFull = 127;
  static constexpr std::uint32_t kStopped = 126;
  static_assert(kSoftLimitBytes / kBlockBytes < kStopped);
  // Claims reach at most this far beyond the reference offset, so that unpack is unambiguous.
  static constexpr std::int64_t kMaxSpanBytes = std::int64_t{1} << (kOffsetBits - 1);

  Offset offset;            // full 63 bits
  std::uint32_t pages = 0;  // or kFull, kStopped
  std::uint8_t block = 0;
  std::uint16_t ticket = 0;

  friend bool operator==(const Tail&, const Tail&) = default;

  [[nodiscard]] bool open() const { return pages < kStopped; }
  [[nodiscard]] bool stopped() const { return pages == kStopped; }
  // Precondition: open().
  [[nodiscard]] Offset block_start() const { return offset - used_bytes(); }
  // Bytes of records in the open block write. Precondition: open().
  [[nodiscard]] std::uint32_t used_bytes() const {
    return pages * kBlockBytes + static_cast<std::uint32_t>(offset.value) % kBlockBytes;
  }

  [[nodiscard]] std::uint64_t pack() const {
    return (static_cast<std::uint64_t>(offset.value) & mask(kOffsetBits)) |
           std::uint64_t{pages} << kPagesShift | std::uint64_t{block} << kBlockShift |
           std::uint64_t{ticket} << kTicketShift;
  }
  // `reference` is any offset at most kMaxSpanBytes below the tail.
  [[nodiscard]] static Tail unpack(std::uint64_t word, Offset reference) {
    const auto low = static_cast<std::uint64_t>(reference.value);
    const std::uint64_t distance = (word - low) & mask(kOffsetBits);
    return {.offset = reference + static_cast<std::int64_t>(distance),
            .pages = static_cast<std::uint32_t>(word >> kPagesShift & mask(kPagesBits)),
            .block = static_cast<std::uint8_t>(word >> kBlockShift & mask(kBlockBits)),
            .ticket = static_cast<std::uint16_t>(word >> kTicketShift & mask(kTicketBits))};
  }

 private:
  static constexpr unsigned kPagesShift = kOffsetBits;
  static constexpr unsigned kBlockShift = kPagesShift + kPagesBits;
  static constexpr unsigned kTicketShift = kBlockShift + kBlockBits;
  [[nodiscard]] static constexpr std::uint64_t mask(unsigned bits) {
    return (std::uint64_t{1} << bits) - 1;
  }
};

// What limits a claim. All but `geometry` only ever grow.
struct ClaimLimits {
  Offset reference;                   // first offset whose block is not released yet
  Offset space_end;                   // block writes may extend up to here
  std::uint32_t released_blocks = 0;  // block numbers below are free again
  std::uint32_t released_tickets = 0;
  std::uint32_t blocks = 0;  // how many there are
  std::uint32_t slots = 0;
  std::uint32_t block_bytes = kSoftLimitBytes;  // block writes of several records are not longer
};

enum class Refusal : std::uint8_t { none, stopped, over_capacity, would_block, offset_exhausted };

// What a caller is told; `failed`: the log has, and was not just closed. Precondition: not `none`.
[[nodiscard]] ErrorCode to_error_code(Refusal refusal, bool failed);

struct ClaimPlan {
  Offset offset;               // of the record
  Offset gap_begin;            // of a new block write: it follows the last one here; less than
                               // `offset`: a jump lies between
  std::uint32_t at_bytes = 0;  // where the record begins in its block write
  bool new_block = false;      // the record is the first of a new block write
  Tail after;
};

[[nodiscard]] inline bool joins_open_block(const Tail& tail, const ClaimLimits& limits,
                                           const Geometry& geometry, std::uint32_t record_bytes) {
  if (!tail.open()) return false;
  const std::int64_t length = std::int64_t{tail.used_bytes()} + record_bytes;
  return length <= limits.block_bytes && length <= geometry.left_in_cycle(tail.block_start());
}

// Decides where a record of `record_bytes` (header included) goes. Pure. `alone`: it is a block
// write of its own, as one above kSoftLimitBytes always is. Unless it returns Refusal::none, `plan`
// means nothing. (It is filled in place: a claim is inlined, and what is stored field by field and
// then copied in wider pieces waits for the cache, longer than the whole claim takes.)
// Precondition: record_bytes fits in the section.
[[nodiscard, gnu::always_inline]] inline Refusal plan_claim(const Tail& tail,
                                                            const ClaimLimits& limits,
                                                            const Geometry& geometry,
                                                            std::uint32_t record_bytes, bool alone,
                                                            ClaimPlan& plan) {
  if (tail.stopped()) return Refusal::stopped;
  plan.new_block = alone || !joins_open_block(tail, limits, geometry, record_bytes);
  plan.offset = tail.offset;
  plan.gap_begin = tail.offset;
  plan.at_bytes = 0;
  std::uint8_t block = tail.block;
  if (!plan.new_block) {
    plan.at_bytes = tail.used_bytes();
  } else {
    plan.gap_begin = round_up_to_block(tail.offset);
    plan.offset = geometry.left_in_cycle(plan.gap_begin) < record_bytes
                      ? geometry.next_cycle(plan.gap_begin)
                      : plan.gap_begin;
    ++block;
  }
  if (plan.offset > kMaxOffset - 2 * geometry.section_bytes() - std::int64_t{2} * kBlockBytes) {
    return Refusal::offset_exhausted;
  }
  const Offset end = plan.offset + record_bytes;

  // A full ring always drains: where everything is trimmed, a jump is let through; the trim offset
  // moves up to the next cycle before the block write is submitted.
  const bool drained = plan.gap_begin + geometry.section_bytes() == limits.space_end;
  if (round_up_to_block(end) > limits.space_end && !(plan.new_block && drained)) {
    return Refusal::over_capacity;
  }
  const auto tickets = static_cast<std::uint16_t>(tail.ticket - limits.released_tickets);
  const auto blocks = static_cast<std::uint8_t>(block - limits.released_blocks);
  if (tickets >= limits.slots || blocks >= limits.blocks ||
      end - limits.reference >= Tail::kMaxSpanBytes) {
    return Refusal::would_block;
  }

  const bool stays_open = !alone && record_bytes <= kSoftLimitBytes;
  plan.after.offset = end;
  plan.after.pages = stays_open ? (plan.at_bytes + record_bytes) / kBlockBytes : Tail::kFull;
  plan.after.block = block;
  plan.after.ticket = static_cast<std::uint16_t>(tail.ticket + 1);
  return Refusal::none;
}

}  // namespace seqwal

#endif  // SEQWAL_TAIL_H
