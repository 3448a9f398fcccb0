// Geometry: the arithmetic of the ring. The only place where an Offset becomes a DevicePosition.
// Pure and total over the whole 63-bit range: sums that would overflow saturate at kMaxOffset.
#ifndef SEQWAL_GEOMETRY_H
#define SEQWAL_GEOMETRY_H

#include <cstdint>

#include "seqwal/format.h"
#include "seqwal/types.h"

namespace seqwal {

[[nodiscard]] constexpr Offset saturating_add(Offset offset, std::int64_t bytes) {
  return offset.value > kMaxOffset.value - bytes ? kMaxOffset : offset + bytes;
}

class Geometry {
 public:
  // Precondition: kMinCapacityBytes <= capacity <= kMaxCapacityBytes, a multiple of kBlockBytes.
  constexpr explicit Geometry(std::uint64_t capacity_bytes)
      : section_bytes_(static_cast<std::int64_t>(capacity_bytes - kHeaderAreaBytes)) {}

  [[nodiscard]] constexpr std::uint64_t capacity_bytes() const {
    return static_cast<std::uint64_t>(section_bytes_) + kHeaderAreaBytes;
  }
  [[nodiscard]] constexpr std::int64_t section_bytes() const { return section_bytes_; }

  [[nodiscard]] constexpr std::int64_t position_in_section(Offset offset) const {
    return offset.value % section_bytes_;
  }
  [[nodiscard]] constexpr DevicePosition position(Offset offset) const {
    return {static_cast<std::uint64_t>(position_in_section(offset)) + kHeaderAreaBytes};
  }
  [[nodiscard]] constexpr std::int64_t cycle(Offset offset) const {
    return offset.value / section_bytes_;
  }
  // First offset of the cycle after `offset`'s.
  [[nodiscard]] constexpr Offset next_cycle(Offset offset) const {
    return saturating_add(offset, left_in_cycle(offset));
  }
  // Bytes from `offset` to the end of its cycle: 1 .. section_bytes.
  [[nodiscard]] constexpr std::int64_t left_in_cycle(Offset offset) const {
    return section_bytes_ - position_in_section(offset);
  }

  // Block writes may extend up to here while recovery still needs what stands from `keep` on.
  [[nodiscard]] constexpr Offset space_end(Offset keep) const {
    return saturating_add(keep, section_bytes_);
  }
  // No record of a log whose header says `trim` can lie at or beyond this, whatever the bytes say.
  [[nodiscard]] constexpr Offset recovery_end(Offset trim) const {
    const Offset first = {trim.value < 0 ? 0 : trim.value};
    if (first.value > kMaxOffset.value - kBlockBytes) return kMaxOffset;
    return saturating_add(round_up_to_block(first + 1), section_bytes_);
  }
  // Where a reset of a log whose header says `trim` starts anew.
  [[nodiscard]] constexpr Offset reset_start(Offset trim) const {
    const Offset sum = saturating_add(trim, static_cast<std::int64_t>(capacity_bytes()));
    return sum.value > kMaxOffset.value - kBlockBytes ? kMaxOffset : round_up_to_block(sum);
  }
  // The longest body that fits: one record alone in the section.
  [[nodiscard]] constexpr std::uint32_t max_body_bytes() const {
    const std::int64_t room = section_bytes_ - kRecordHeaderBytes;
    return room < kMaxBodyBytes ? static_cast<std::uint32_t>(room) : kMaxBodyBytes;
  }

 private:
  std::int64_t section_bytes_;
};

}  // namespace seqwal

#endif  // SEQWAL_GEOMETRY_H
