#include "recovery_rules.h"

#include <algorithm>
#include <utility>

#include "seqwal/check.h"

namespace seqwal {
namespace {

ReadingKind reading_kind(FormatVersion version, RecoveryMode mode) {
  if (version == FormatVersion::v1) return ReadingKind::contiguous;
  return mode == RecoveryMode::prefix ? ReadingKind::prefix : ReadingKind::tolerant;
}

Standing standing(Found found) {
  if (found == Found::data) return Standing::record;
  return found == Found::padding ? Standing::padding : Standing::nothing;
}

}  // namespace

RecoveryRules::RecoveryRules(const Geometry& geometry, const WalHeader& header, RecoveryMode mode)
    : geometry_(geometry),
      mode_(mode),
      reading_(reading_kind(header.version, mode)),
      trim_(header.trim),
      window_bytes_(std::clamp<std::int64_t>(header.window_bytes, 0, geometry.section_bytes())),
      // A block whose end is beyond what can be counted is no part of any log.
      end_(std::min(geometry.recovery_end(header.trim), round_down_to_block(kMaxOffset))),
      next_{std::max<std::int64_t>(header.trim.value, 0)},
      done_(next_ >= end_) {
  tail_.end = saturating_add(trim_, 1);
}

Offset RecoveryRules::bound() const {
  if (first_invalid_ == kNoOffset) return end_;
  Offset bound = std::max(saturating_add(first_invalid_, window_bytes_), watermark_);
  if (mode_ == RecoveryMode::standard) {
    bound =
        std::max(bound, saturating_add(last_valid_, std::min(window_bytes_, kDefaultScanBytes)));
  }
  return std::min(bound, end_);
}

bool RecoveryRules::out_of_window() const {
  return reading_ != ReadingKind::contiguous && next_ >= bound();
}

bool RecoveryRules::damaged() const {
  return std::ranges::any_of(missing_,
                             [this](const OffsetRange& range) { return range.begin < watermark_; });
}

void RecoveryRules::note_damage(const OffsetRange& range) {
  if (range.begin >= watermark_) return;
  missing_.push_back(range);
  tail_is_final_ = true;
}

Place RecoveryRules::place(const Parsed& parsed) const {
  if (trim_ != kNoOffset && parsed.offset == trim_) {
    if (standing(parsed.found) == Standing::nothing && is_block_aligned(saturating_add(trim_, 1))) {
      return Place::marker;
    }
    return is_block_aligned(parsed.offset) ? Place::trim_at_boundary : Place::trim_inside;
  }
  return is_block_aligned(parsed.offset) ? Place::boundary : Place::inside;
}

bool RecoveryRules::advance(const Parsed& parsed, Proof proof) {
  hole_.reset();
  verdict_ = judge({.standing = standing(parsed.found),
                    .place = place(parsed),
                    .proof = proof,
                    .reading = reading_,
                    .below_watermark = parsed.offset < watermark_});
  SEQWAL_CHECK(verdict_ != Verdict::impossible);
  switch (verdict_) {
    case Verdict::record:
    case Verdict::trimmed:
      met_record(parsed);
      break;
    case Verdict::padding:
      next_ = parsed.end;
      break;
    default:
      met_nothing(parsed, proof);
      break;
  }
  const bool deliver = verdict_ == Verdict::record && !done_;
  done_ = done_ || next_ >= end_ || out_of_window();
  if (done_) finish();
  return deliver;
}

void RecoveryRules::met_record(const Parsed& parsed) {
  last_valid_ = parsed.offset;
  next_ = parsed.end;
  const Offset cycle_start = parsed.offset - geometry_.position_in_section(parsed.offset);
  // What was missing in an earlier cycle does not count against this one's window.
  if (first_invalid_ < cycle_start) first_invalid_ = kNoOffset;
  if (gap_) end_gap(parsed);
  last_end_ = parsed.end;
  if (tail_is_final_) {
    tail_.is_followed = true;
    return;
  }
  tail_.end = parsed.end;
  tail_.torn = false;
  if (verdict_ == Verdict::trimmed) {
    tail_.trim_is_record = true;
  } else if (tail_.first == kNoOffset) {
    tail_.first = parsed.offset;
  }
}

void RecoveryRules::end_gap(const Parsed& parsed) {
  const Gap gap = *std::exchange(gap_, std::nullopt);
  const Offset cycle_start = parsed.offset - geometry_.position_in_section(parsed.offset);
  if (gap.is_known) {
    hole_ = OffsetRange{gap.begin, parsed.offset};
  } else if (reading_ == ReadingKind::prefix) {
    if (looks_like_jump(gap, parsed)) return;
    hole_ = OffsetRange{gap.begin, parsed.offset};
    done_ = gap.begin >= watermark_;  // a hole: the contiguous prefix ended before it
  } else {
    // A gap that reaches the end of a cycle is the jump to the next one; what is missing behind it
    // is a hole, like everything missing between two records of one cycle.
    const Offset hole_begin = std::max(gap.begin, cycle_start);
    if (hole_begin < parsed.offset) hole_ = OffsetRange{hole_begin, parsed.offset};
  }
  if (!hole_) return;
  tail_is_final_ = true;
  if (done_) {
    hole_.reset();
  } else {
    missing_.push_back(*hole_);
  }
}

void RecoveryRules::met_nothing(const Parsed& parsed, Proof proof) {
  const bool known = proof != Proof::unknown;
  const Offset offset = parsed.offset;
  next_ = next_block(parsed.found == Found::invalid_body ? parsed.end : offset);
  // A record of an older timeline is whole: nothing newer begins inside it.
  if (parsed.found == Found::data) next_ = round_up_to_block(parsed.end);
  switch (verdict_) {
    case Verdict::presumed:
      // Reading goes on, but a record whose body is wrong is no fill.
      if (parsed.found == Found::invalid_body && offset != trim_) tail_is_final_ = true;
      return;
    case Verdict::fill:
    case Verdict::marker:
      return;
    case Verdict::jump:
      if (!tail_is_final_) {
        tail_.gap_begin = offset;
        tail_.gap_previous_end = last_end_;
      }
      next_ = geometry_.next_cycle(offset);
      if (reading_ == ReadingKind::prefix) return;
      break;
    case Verdict::damage:
      // Its header is sound: what follows it is found at its end.
      if (parsed.found == Found::invalid_body) next_ = parsed.end;
      begin_gap(offset, true);
      return;
    case Verdict::tail:
      if (!tail_is_final_ && offset == tail_.end && !is_block_aligned(offset)) tail_.torn = true;
      tail_is_final_ = true;
      done_ = true;
      return;
    case Verdict::orphan:
      if (reading_ != ReadingKind::tolerant) {
        tail_is_final_ = done_ = true;
        return;
      }
      [[fallthrough]];
    default:  // a gap
      begin_gap(offset, known);
      break;
  }
  if (is_block_aligned(offset) && first_invalid_ == kNoOffset) first_invalid_ = offset;
}

void RecoveryRules::begin_gap(Offset begin, bool is_known) {
  if (is_known && !tail_is_final_) {
    tail_is_final_ = true;
    tail_.torn = begin == tail_.end && !is_block_aligned(begin);
  }
  if (!gap_) gap_ = Gap{.begin = begin, .is_known = is_known};
}

// Nothing follows any more: what is missing goes up to where something was durable.
void RecoveryRules::finish() {
  if (!gap_ || gap_->begin >= watermark_) return;
  missing_.push_back({gap_->begin, watermark_});
  gap_.reset();
}

// Without further evidence: the record stands at the start of the next cycle, and would not have
// fitted into what was left of the one before.
bool RecoveryRules::looks_like_jump(const Gap& gap, const Parsed& parsed) const {
  return geometry_.next_cycle(gap.begin) == parsed.offset &&
         parsed.end - parsed.offset > geometry_.left_in_cycle(gap.begin);
}

}  // namespace seqwal
