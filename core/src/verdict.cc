#include "verdict.h"

namespace seqwal {
namespace {

bool at_trim(Place place) {
  return place == Place::trim_at_boundary || place == Place::trim_inside;
}

bool at_boundary(Place place) {
  return place == Place::boundary || place == Place::trim_at_boundary;
}

Verdict judge_record(const Facts& facts) {
  if (facts.place == Place::marker) return Verdict::impossible;
  if (facts.proof == Proof::refuted) {
    if (facts.below_watermark) return Verdict::damage;
    // Nothing was met before what stands at the trim offset, so it is never older than that.
    return at_trim(facts.place) ? Verdict::impossible : Verdict::orphan;
  }
  return at_trim(facts.place) ? Verdict::trimmed : Verdict::record;
}

Verdict judge_padding(const Facts& facts) {
  const bool known = facts.reading == ReadingKind::contiguous && facts.place != Place::marker;
  if (!known) return Verdict::impossible;
  if (facts.proof != Proof::refuted) return Verdict::padding;
  return facts.below_watermark ? Verdict::damage : Verdict::tail;
}

Verdict judge_nothing(const Facts& facts) {
  if (facts.place == Place::marker) return Verdict::marker;
  const bool boundary = at_boundary(facts.place);
  if (facts.proof == Proof::proven) {
    if (!boundary) return Verdict::fill;
    // In version 1 a padding record says so, and nothing else is asked.
    return facts.reading == ReadingKind::contiguous ? Verdict::impossible : Verdict::jump;
  }
  // Without evidence an offset inside a block says nothing, whatever lies behind it.
  if (facts.proof == Proof::unknown && !boundary) return Verdict::presumed;
  const bool contiguous = facts.reading == ReadingKind::contiguous;
  if (facts.proof == Proof::unknown && !contiguous) {
    return at_trim(facts.place) ? Verdict::presumed : Verdict::gap;
  }
  if (facts.below_watermark) return Verdict::damage;
  if (contiguous) return Verdict::tail;
  return facts.reading == ReadingKind::prefix ? Verdict::tail : Verdict::gap;
}

}  // namespace

Verdict judge(const Facts& facts) {
  if (facts.standing == Standing::record) return judge_record(facts);
  if (facts.standing == Standing::padding) return judge_padding(facts);
  return judge_nothing(facts);
}

}  // namespace seqwal
