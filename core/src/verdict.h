// The verdict on what stands at an offset: one table for all readings, versions and states of the
// evidence. Pure. docs/format.md, "Verdicts", has the same rows for people.
//
// A row is (what stands there, where, what evidence says, how it is read, below the watermark or
// not). The first row that fits decides:
//
//   orphan     A record of an older timeline behind a newer one: a resume cut it off and it is
//              still there. It is none of the log's. Below the watermark it is damage: it stands
//              where something newer was durable.
//   record     A valid record: delivered.
//   trimmed    A valid record at the trim offset: skipped by its length.
//   padding    A valid padding record (version 1) that nothing contradicts: skipped by its length.
//   marker     Nothing stands at a trim offset just before a boundary: everything before the
//              boundary is trimmed. Reading goes on at the boundary.
//   fill       Nothing, inside a block, and proven to be the end of a block write: its evidence
//              names this offset, or what is left is too short for evidence and all zero.
//   jump       Nothing, at a boundary, and the first block write of the next cycle (or the gap
//              itself) says that the log's last record ended here: the rest of the cycle is a gap.
//   presumed   Nothing, inside a block (in version 0 also at the trim offset), in a log without
//              evidence: taken for fill, as the reference does.
//   damage     Nothing, not proven, and below the watermark: something durable is lost. Or a record
//              or padding of an older timeline, where something newer was durable; of a record also
//              when a durable one ends inside it.
//   gap        Nothing, not proven, above the watermark, and the reading tolerates holes: a hole if
//              a record follows, the end of the log if none does. In version 0 without evidence at
//              any boundary: what follows tells whether it was a jump.
//   tail       The same, or padding of an older timeline, and the reading is contiguous: the log
//              ends here. What a crash tore lies behind it.
//   impossible What nobody asks: a marker where something stands; padding where the version knows
//              none; an orphan at the trim offset, before which nothing was met; a jump in version
//              1, where padding says so.
#ifndef SEQWAL_VERDICT_H
#define SEQWAL_VERDICT_H

#include <cstdint>

namespace seqwal {

enum class Standing : std::uint8_t { record, padding, nothing };
enum class Place : std::uint8_t {
  boundary,          // of a block
  inside,            // a block
  trim_at_boundary,  // the trim offset, at the boundary of a block
  trim_inside,       // the trim offset, inside one
  marker,            // the trim offset, one byte before a boundary, where nothing stands
};
// What evidence says: of nothing, that it is the end of a block write or a jump; of padding, that a
// jump was made there; of a record, that it belongs to the newest timeline met.
enum class Proof : std::uint8_t { unknown, proven, refuted };
enum class ReadingKind : std::uint8_t {
  tolerant,    // version 0: crosses holes
  prefix,      // version 0, up to the first hole
  contiguous,  // version 1
};

struct Facts {
  Standing standing = Standing::nothing;
  Place place = Place::boundary;
  Proof proof = Proof::unknown;
  ReadingKind reading = ReadingKind::tolerant;
  bool below_watermark = false;
};

enum class Verdict : std::uint8_t {
  orphan,
  record,
  trimmed,
  padding,
  marker,
  fill,
  jump,
  damage,
  presumed,
  gap,
  tail,
  impossible,
};

[[nodiscard]] Verdict judge(const Facts& facts);

}  // namespace seqwal

#endif  // SEQWAL_VERDICT_H
