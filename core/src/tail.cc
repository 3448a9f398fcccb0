#include "tail.h"

#include "seqwal/check.h"

namespace seqwal {
namespace {

constexpr std::uint64_t mask(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }

constexpr unsigned kPagesShift = Tail::kOffsetBits;
constexpr unsigned kBlockShift = kPagesShift + Tail::kPagesBits;
constexpr unsigned kTicketShift = kBlockShift + Tail::kBlockBits;

bool joins_open_block(const Tail& tail, const ClaimLimits& limits, const Geometry& geometry,
                      std::uint32_t record_bytes) {
  if (!tail.open()) return false;
  const std::int64_t length = std::int64_t{tail.used_bytes()} + record_bytes;
  return length <= limits.block_bytes && length <= geometry.left_in_cycle(tail.block_start());
}

}  // namespace

ErrorCode to_error_code(Refusal refusal, bool failed) {
  switch (refusal) {
    case Refusal::over_capacity:
      return ErrorCode::over_capacity;
    case Refusal::would_block:
      return ErrorCode::would_block;
    case Refusal::offset_exhausted:
      return ErrorCode::offset_exhausted;
    case Refusal::stopped:
      break;
  }
  return failed ? ErrorCode::log_failed : ErrorCode::log_closed;
}

std::uint64_t Tail::pack() const {
  return (static_cast<std::uint64_t>(offset.value) & mask(kOffsetBits)) |
         std::uint64_t{pages} << kPagesShift | std::uint64_t{block} << kBlockShift |
         std::uint64_t{ticket} << kTicketShift;
}

Tail Tail::unpack(std::uint64_t word, Offset reference) {
  const auto low = static_cast<std::uint64_t>(reference.value);
  const std::uint64_t distance = (word - low) & mask(kOffsetBits);
  return {.offset = reference + static_cast<std::int64_t>(distance),
          .pages = static_cast<std::uint32_t>(word >> kPagesShift & mask(kPagesBits)),
          .block = static_cast<std::uint8_t>(word >> kBlockShift & mask(kBlockBits)),
          .ticket = static_cast<std::uint16_t>(word >> kTicketShift & mask(kTicketBits))};
}

std::expected<ClaimPlan, Refusal> plan_claim(const Tail& tail, const ClaimLimits& limits,
                                             const Geometry& geometry, std::uint32_t record_bytes,
                                             bool alone) {
  if (tail.stopped()) return std::unexpected(Refusal::stopped);
  ClaimPlan plan{.before = tail, .after = tail, .offset = tail.offset, .gap_begin = tail.offset};
  plan.new_block = alone || !joins_open_block(tail, limits, geometry, record_bytes);
  if (plan.new_block) {
    plan.gap_begin = round_up_to_block(tail.offset);
    plan.offset = geometry.left_in_cycle(plan.gap_begin) < record_bytes
                      ? geometry.next_cycle(plan.gap_begin)
                      : plan.gap_begin;
    ++plan.after.block;
  }
  if (plan.offset > kMaxOffset - 2 * geometry.section_bytes() - std::int64_t{2} * kBlockBytes) {
    return std::unexpected(Refusal::offset_exhausted);
  }
  const Offset end = plan.offset + record_bytes;

  // A full ring always drains: where everything is trimmed, a jump is let through; the trim offset
  // moves up to the next cycle before the block write is submitted.
  const bool drained = plan.gap_begin + geometry.section_bytes() == limits.space_end;
  if (round_up_to_block(end) > limits.space_end && !(plan.new_block && drained)) {
    return std::unexpected(Refusal::over_capacity);
  }
  const auto tickets = static_cast<std::uint16_t>(tail.ticket - limits.released_tickets);
  const auto blocks = static_cast<std::uint8_t>(plan.after.block - limits.released_blocks);
  if (tickets >= limits.slots || blocks >= limits.blocks ||
      end - limits.reference >= Tail::kMaxSpanBytes) {
    return std::unexpected(Refusal::would_block);
  }

  ++plan.after.ticket;
  if (alone || record_bytes > kSoftLimitBytes) {
    plan.after.offset = end;
    plan.after.pages = Tail::kFull;
  } else {
    const Offset start = plan.new_block ? plan.offset : tail.block_start();
    plan.after.offset = end;
    plan.after.pages = static_cast<std::uint32_t>((round_down_to_block(end) - start) / kBlockBytes);
  }
  return plan;
}

}  // namespace seqwal
