// RecoveryRules: which offset is looked at next, what is delivered, and when recovery ends.
// Pure: fed with what was found at an offset and what evidence says of it, it does no I/O.
// docs/format.md, "Recovery".
#ifndef SEQWAL_RECOVERY_RULES_H
#define SEQWAL_RECOVERY_RULES_H

#include <cstdint>
#include <optional>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"
#include "verdict.h"

namespace seqwal {

// What stands at an offset.
enum class Found : std::uint8_t {
  data,            // a valid data record
  padding,         // a valid padding record
  invalid_header,  // no record header: go on at the next block boundary after the offset
  invalid_body,  // a valid header, but the body does not fit, can't be read, or is wrong: go on at
                 // the next block boundary after the record's end
};

struct Parsed {
  Found found = Found::invalid_header;
  Offset offset;
  Offset end;  // of the record, header and body; not used for invalid_header
};

// The next block boundary strictly after `offset`.
[[nodiscard]] inline Offset next_block(Offset offset) {
  return saturating_add(round_down_to_block(offset), kBlockBytes);
}

class RecoveryRules {
 public:
  RecoveryRules(const Geometry& geometry, const WalHeader& header, RecoveryMode mode);

  // The offset to parse next. Precondition: !done().
  [[nodiscard]] Offset next() const { return next_; }
  [[nodiscard]] bool done() const { return done_; }
  // Given what is known so far, no offset at or beyond this will be asked for.
  [[nodiscard]] Offset bound() const;
  [[nodiscard]] ReadingKind reading() const { return reading_; }

  // What lies below the watermark and cannot be read is damage. Only ever grows.
  void raise_watermark(Offset watermark) { watermark_ = std::max(watermark_, watermark); }
  [[nodiscard]] Offset watermark() const { return watermark_; }

  // Takes what stands at next(), and what evidence says of it, and moves on. True: deliver this
  // record.
  [[nodiscard]] bool advance(const Parsed& parsed, Proof proof = Proof::unknown);
  [[nodiscard]] Verdict verdict() const { return verdict_; }

  // What was read of this range is not what was durable there, if its beginning was.
  void note_damage(const OffsetRange& range);

  // The hole that ends at the record just delivered, if there is one.
  [[nodiscard]] std::optional<OffsetRange> hole() const { return hole_; }
  // Everything missing before a record that was met or, at the end, up to the watermark. What of it
  // begins below the watermark is damage.
  [[nodiscard]] const std::vector<OffsetRange>& missing() const { return missing_; }
  // True once something below the watermark is missing before a record, or at the end.
  [[nodiscard]] bool damaged() const;
  [[nodiscard]] const RecoveredTail& tail() const { return tail_; }
  // Something is missing since the last record.
  [[nodiscard]] bool in_gap() const { return gap_.has_value(); }
  // End of the last valid record, the one at the trim offset included.
  [[nodiscard]] Offset last_end() const { return last_end_; }

 private:
  struct Gap {
    Offset begin = kNoOffset;
    bool is_known = false;  // evidence was asked
  };

  void met_record(const Parsed& parsed);
  void met_nothing(const Parsed& parsed, Proof proof);
  void begin_gap(Offset begin, bool is_known);
  void end_gap(const Parsed& parsed);
  void finish();
  [[nodiscard]] Place place(const Parsed& parsed) const;
  [[nodiscard]] bool looks_like_jump(const Gap& gap, const Parsed& parsed) const;
  [[nodiscard]] bool out_of_window() const;

  const Geometry geometry_;
  const RecoveryMode mode_;
  const ReadingKind reading_;
  const Offset trim_;
  const std::int64_t window_bytes_;
  const Offset end_;
  Offset next_;
  Offset watermark_ = kNoOffset;
  // Aligned, kNoOffset where there is none: what the window counts from; forgotten behind a jump.
  Offset first_invalid_ = kNoOffset;
  std::optional<Gap> gap_;  // since the last valid record
  Offset last_valid_ = kNoOffset;
  Offset last_end_ = kNoOffset;
  std::optional<OffsetRange> hole_;
  std::vector<OffsetRange> missing_;
  RecoveredTail tail_;
  bool tail_is_final_ = false;
  Verdict verdict_ = Verdict::impossible;
  bool done_;  // from the beginning, where the trim offset leaves nothing to count
};

}  // namespace seqwal

#endif  // SEQWAL_RECOVERY_RULES_H
