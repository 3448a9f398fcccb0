#include "recovery_rules.h"

#include <algorithm>

namespace seqwal {
namespace {

// The next block boundary strictly after `offset`.
Offset next_block(Offset offset) {
  return saturating_add(round_down_to_block(offset), kBlockBytes);
}

}  // namespace

RecoveryRules::RecoveryRules(const Geometry& geometry, const WalHeader& header, RecoveryMode mode)
    : geometry_(geometry),
      mode_(mode),
      contiguous_(header.version == FormatVersion::v1),
      trim_(header.trim),
      window_bytes_(std::clamp<std::int64_t>(header.window_bytes, 0, geometry.section_bytes())),
      // A block whose end is beyond what can be counted is no part of any log.
      end_(std::min(geometry.recovery_end(header.trim), round_down_to_block(kMaxOffset))),
      next_{std::max<std::int64_t>(header.trim.value, 0)} {}

Offset RecoveryRules::bound() const {
  if (first_invalid_ == kNoOffset) return end_;
  Offset bound = saturating_add(first_invalid_, window_bytes_);
  if (mode_ == RecoveryMode::standard) {
    bound =
        std::max(bound, saturating_add(last_valid_, std::min(window_bytes_, kDefaultScanBytes)));
  }
  return std::min(bound, end_);
}

bool RecoveryRules::out_of_window() const { return !contiguous_ && next_ >= bound(); }

bool RecoveryRules::advance(const Parsed& parsed) {
  const bool trimmed = parsed.offset == trim_;
  hole_.reset();
  bool deliver = false;
  switch (parsed.found) {
    case Found::data:
      met_valid(parsed);
      deliver = !trimmed && !done_;
      break;
    case Found::padding:
      next_ = parsed.end;
      break;
    case Found::invalid_header:
    case Found::invalid_body:
      met_invalid(parsed);
      break;
  }
  done_ = done_ || next_ >= end_ || out_of_window();
  return deliver;
}

void RecoveryRules::met_valid(const Parsed& parsed) {
  last_valid_ = parsed.offset;
  next_ = parsed.end;
  const Offset cycle_start = parsed.offset - geometry_.position_in_section(parsed.offset);
  // What was missing in an earlier cycle does not count against this one's window.
  if (first_invalid_ < cycle_start) first_invalid_ = kNoOffset;
  if (gap_begin_ == kNoOffset) return;

  if (mode_ == RecoveryMode::prefix && !crosses_as_jump(parsed)) {
    done_ = true;  // a hole: the contiguous prefix ended before it
    return;
  }
  // A gap that reaches the end of a cycle is the jump to the next one; what is missing behind it is
  // a hole, like everything missing between two records of one cycle.
  const Offset hole_begin = std::max(gap_begin_, cycle_start);
  if (hole_begin < parsed.offset) hole_ = OffsetRange{hole_begin, parsed.offset};
  gap_begin_ = kNoOffset;
}

void RecoveryRules::met_invalid(const Parsed& parsed) {
  const bool aligned = is_block_aligned(parsed.offset);
  if (contiguous_) {
    // At an unaligned offset it is the fill of a block write.
    done_ = aligned;
  } else if (aligned && parsed.offset != trim_) {
    if (first_invalid_ == kNoOffset) first_invalid_ = parsed.offset;
    if (gap_begin_ == kNoOffset) gap_begin_ = parsed.offset;
  }
  next_ = next_block(parsed.found == Found::invalid_body ? parsed.end : parsed.offset);
}

// Without further evidence: the record stands at the start of the next cycle, and would not have
// fitted into what was left of the one before.
bool RecoveryRules::crosses_as_jump(const Parsed& parsed) const {
  return geometry_.position_in_section(parsed.offset) == 0 &&
         geometry_.next_cycle(gap_begin_) == parsed.offset &&
         parsed.end - parsed.offset > geometry_.left_in_cycle(gap_begin_);
}

}  // namespace seqwal
