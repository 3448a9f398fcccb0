// Injuries: what a medium does to data at rest. Drawn for the bytes of a disk that nobody uses just
// then, and taken back afterwards, so that one life can stand many.
#ifndef SEQWAL_SIM_INJURY_H
#define SEQWAL_SIM_INJURY_H

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "seqwal/sim/choice.h"
#include "seqwal/sim/disk.h"

namespace seqwal::sim {

enum class InjuryKind : std::uint8_t {
  rot,          // some bits of a sector flip
  unreadable,   // a sector cannot be read
  stale,        // a sector or a block is as it was some lives ago
  misdirected,  // a block holds what belongs to another place
  zeroed,       // a sector or a block reads as zeroes
};

class Injury {
 public:
  // Somewhere in the blocks of the offsets [first, second), or in a header while both are sound:
  // one that a crash has left is all there is. `older`: the same disk, some lives ago; may be
  // empty.
  Injury(Disk& disk, Choices& choices, std::pair<std::int64_t, std::int64_t> precious,
         std::uint64_t capacity, bool headers_are_sound, std::span<const std::byte> older);
  // Takes it back.
  ~Injury();
  Injury(const Injury&) = delete;
  Injury& operator=(const Injury&) = delete;

  [[nodiscard]] InjuryKind kind() const { return kind_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] bool hits_header() const { return position_ < 8192; }
  // It changed something.
  [[nodiscard]] bool hurts() const { return hurts_; }

 private:
  Disk& disk_;
  InjuryKind kind_{};
  std::uint64_t position_ = 0;
  std::vector<std::byte> before_;
  bool hurts_ = false;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_INJURY_H
