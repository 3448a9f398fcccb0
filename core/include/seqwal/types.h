// The words that every other header uses: logical offsets, device positions, results.
//
// Two coordinates name a byte of the log and must never be mixed, so each has a type of its own:
//   Offset          logical, 63 bits, never repeats, grows for the whole life of the log;
//   DevicePosition  physical, bytes from the beginning of the device or file.
// `Geometry` (geometry.h) is the only place that turns one into the other.
#ifndef SEQWAL_TYPES_H
#define SEQWAL_TYPES_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace seqwal {

// A logical offset in bytes. -1 stands for "before everything" (a trim offset that trims nothing).
struct Offset {
  std::int64_t value = -1;

  friend constexpr auto operator<=>(Offset, Offset) = default;
  friend constexpr Offset operator+(Offset offset, std::int64_t bytes) {
    return {offset.value + bytes};
  }
  friend constexpr Offset operator-(Offset offset, std::int64_t bytes) {
    return {offset.value - bytes};
  }
  // Bytes from `from` to `to`.
  friend constexpr std::int64_t operator-(Offset to, Offset from) { return to.value - from.value; }
};

inline constexpr Offset kNoOffset{-1};
inline constexpr Offset kMaxOffset{std::numeric_limits<std::int64_t>::max()};

// Bytes from the beginning of the device or file.
struct DevicePosition {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(DevicePosition, DevicePosition) = default;
  friend constexpr DevicePosition operator+(DevicePosition position, std::uint64_t bytes) {
    return {position.value + bytes};
  }
};

// A half-open range of logical offsets: a hole, a region that could not be read.
struct OffsetRange {
  Offset begin;
  Offset end;

  friend constexpr bool operator==(const OffsetRange&, const OffsetRange&) = default;
  [[nodiscard]] constexpr std::int64_t length_bytes() const { return end - begin; }
};

// On-disk format version (docs/format.md). Recovery of version 0 tolerates holes, version 1 is
// contiguous.
enum class FormatVersion : std::uint8_t { v0 = 0, v1 = 1 };

// How a completed write is made durable.
//   automatic  what the device needs, no more (see DeviceLimits::durable_write);
//   dsync      every write is a durable write, whatever the device says;
//   none       a completed write counts as durable. Survives the death of the process, not the
//              loss of power on a device with a volatile cache. For measurements.
enum class Durability : std::uint8_t { automatic, dsync, none };

// What became of an accepted append, told to its callback.
//   durable        it survives any crash;
//   rejected       nothing of it was given to the device: it will not survive;
//   indeterminate  the device was given some of it and then failed: it may or may not survive.
enum class AppendStatus : std::uint8_t { durable, rejected, indeterminate };

// The time of a Host in nanoseconds. Only differences mean anything.
using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kNever = std::numeric_limits<Nanoseconds>::max();

}  // namespace seqwal

#endif  // SEQWAL_TYPES_H
