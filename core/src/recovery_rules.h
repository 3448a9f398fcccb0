// RecoveryRules: which offset is looked at next, what is delivered, and when recovery ends.
// Pure: fed with what was found at an offset, it does no I/O. docs/format.md, "Recovery".
#ifndef SEQWAL_RECOVERY_RULES_H
#define SEQWAL_RECOVERY_RULES_H

#include <cstdint>
#include <optional>

#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"

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

class RecoveryRules {
 public:
  RecoveryRules(const Geometry& geometry, const WalHeader& header, RecoveryMode mode);

  // The offset to parse next. Precondition: !done().
  [[nodiscard]] Offset next() const { return next_; }
  [[nodiscard]] bool done() const { return done_; }
  // Given what is known so far, no offset at or beyond this will be asked for.
  [[nodiscard]] Offset bound() const;

  // Takes what stands at next() and moves on. True: deliver this record.
  [[nodiscard]] bool advance(const Parsed& parsed);

  // The hole that ends at the record just delivered, if there is one.
  [[nodiscard]] std::optional<OffsetRange> hole() const { return hole_; }

 private:
  void met_valid(const Parsed& parsed);
  void met_invalid(const Parsed& parsed);
  [[nodiscard]] bool crosses_as_jump(const Parsed& parsed) const;
  [[nodiscard]] bool out_of_window() const;

  const Geometry geometry_;
  const RecoveryMode mode_;
  const bool contiguous_;  // the rules of version 1
  const Offset trim_;
  const std::int64_t window_bytes_;
  const Offset end_;
  Offset next_;
  // Both are aligned, and kNoOffset where there is none.
  Offset first_invalid_ = kNoOffset;  // what the window counts from; forgotten behind a jump
  Offset gap_begin_ = kNoOffset;      // first one since the last valid record
  Offset last_valid_ = kNoOffset;
  std::optional<OffsetRange> hole_;
  bool done_ = false;
};

}  // namespace seqwal

#endif  // SEQWAL_RECOVERY_RULES_H
