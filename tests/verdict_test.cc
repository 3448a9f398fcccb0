// Every row of the table, and every combination of what it is asked.
#include "core/src/verdict.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace seqwal {
namespace {

constexpr std::array kStandings = {Standing::record, Standing::padding, Standing::nothing};
constexpr std::array kPlaces = {Place::boundary, Place::inside, Place::trim_at_boundary,
                                Place::trim_inside, Place::marker};
constexpr std::array kProofs = {Proof::unknown, Proof::proven, Proof::refuted};
constexpr std::array kReadings = {ReadingKind::tolerant, ReadingKind::prefix,
                                  ReadingKind::contiguous};

bool at_trim(Place place) { return place != Place::boundary && place != Place::inside; }
bool at_boundary(Place place) {
  return place == Place::boundary || place == Place::trim_at_boundary;
}

// Said once more, row by row, as verdict.h says it.
Verdict expected(const Facts& f) {
  if (f.standing == Standing::record) {
    if (f.place == Place::marker) return Verdict::impossible;
    if (f.proof == Proof::refuted && f.below_watermark) return Verdict::damage;
    if (f.proof == Proof::refuted && at_trim(f.place)) return Verdict::impossible;
    if (f.proof == Proof::refuted) return Verdict::orphan;
    return at_trim(f.place) ? Verdict::trimmed : Verdict::record;
  }
  if (f.standing == Standing::padding) {
    if (f.place == Place::marker) return Verdict::impossible;
    if (f.reading != ReadingKind::contiguous) return Verdict::impossible;
    if (f.proof != Proof::refuted) return Verdict::padding;
    return f.below_watermark ? Verdict::damage : Verdict::tail;
  }
  if (f.place == Place::marker) return Verdict::marker;
  switch (f.proof) {
    case Proof::proven:
      if (!at_boundary(f.place)) return Verdict::fill;
      return f.reading == ReadingKind::contiguous ? Verdict::impossible : Verdict::jump;
    case Proof::unknown:
      if (!at_boundary(f.place)) return Verdict::presumed;
      if (f.reading == ReadingKind::contiguous) {
        return f.below_watermark ? Verdict::damage : Verdict::tail;
      }
      return at_trim(f.place) ? Verdict::presumed : Verdict::gap;
    case Proof::refuted:
      break;
  }
  if (f.below_watermark) return Verdict::damage;
  return f.reading == ReadingKind::tolerant ? Verdict::gap : Verdict::tail;
}

TEST(Verdict, EveryCombinationHasOne) {
  std::map<Verdict, int> seen;
  for (const Standing standing : kStandings) {
    for (const Place place : kPlaces) {
      for (const Proof proof : kProofs) {
        for (const ReadingKind reading : kReadings) {
          for (const bool below : {false, true}) {
            const Facts facts{standing, place, proof, reading, below};
            const Verdict verdict = judge(facts);
            EXPECT_EQ(verdict, expected(facts));
            ++seen[verdict];
          }
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 12U) << "each verdict is reached";
}

}  // namespace
}  // namespace seqwal
