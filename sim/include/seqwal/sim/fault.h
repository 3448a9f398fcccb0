// Faults: what a simulated disk may do wrong, as data. The classes say what the log owes whom:
// docs/testing.md has the table for people.
#ifndef SEQWAL_SIM_FAULT_H
#define SEQWAL_SIM_FAULT_H

#include <array>
#include <cstdint>
#include <string_view>

namespace seqwal::sim {

enum class FaultClass : std::uint8_t {
  tolerated,    // nobody may notice
  detected,     // the log stops, in order; no wrong data, nothing acknowledged is lost
  best_effort,  // the disk lied: nothing foreign, no crash, no more than that
};

enum class Fault : std::uint8_t {
  none,
  // --- one system call did less
  again,           // EAGAIN, nothing done
  interrupted,     // EINTR, nothing done
  short_transfer,  // fewer bytes than asked for, a multiple of 512
  zero_transfer,   // no bytes at all, for ever: counts as a failure
  // --- a request failed
  write_error,  // EIO, any mixture of old and new sectors
  flush_error,  // EIO; what it covered is dropped silently, the next one says it is well
  cancelled,    // ECANCELED; may land later or never
  hang,         // completes long after everybody gave up, well or not, or never
  no_space,     // ENOSPC, nothing done
  read_only,    // EROFS from now on
  gone,         // ENODEV from now on
  read_error,   // EIO once
  // --- the disk lies
  rot,          // a bit of a completed write flips, the same for ever
  misdirected,  // a write lands somewhere else
  stale_read,   // a read gives what stood there before
  flush_lies,   // says it is well, and persists nothing
  lost_write,   // says it is well, and writes nothing
  forged,       // what looks like a record, but for its length, stands where recovery looks
};
inline constexpr std::size_t kFaults = 19;

// Of what a request is.
enum class FaultTarget : std::uint8_t { transfer, write, flush, read, any, none };

struct FaultInfo {
  Fault fault;
  std::string_view name;
  FaultClass fault_class;
  FaultTarget target;
};

inline constexpr std::array<FaultInfo, kFaults> kFaultTable = {{
    {Fault::none, "none", FaultClass::tolerated, FaultTarget::any},
    {Fault::again, "again", FaultClass::tolerated, FaultTarget::transfer},
    {Fault::interrupted, "interrupted", FaultClass::tolerated, FaultTarget::transfer},
    {Fault::short_transfer, "short", FaultClass::tolerated, FaultTarget::transfer},
    {Fault::zero_transfer, "zero", FaultClass::detected, FaultTarget::write},
    {Fault::write_error, "write-error", FaultClass::detected, FaultTarget::write},
    {Fault::flush_error, "flush-error", FaultClass::detected, FaultTarget::flush},
    {Fault::cancelled, "cancelled", FaultClass::detected, FaultTarget::write},
    {Fault::hang, "hang", FaultClass::detected, FaultTarget::any},
    {Fault::no_space, "no-space", FaultClass::detected, FaultTarget::write},
    {Fault::read_only, "read-only", FaultClass::detected, FaultTarget::write},
    {Fault::gone, "gone", FaultClass::detected, FaultTarget::any},
    {Fault::read_error, "read-error", FaultClass::detected, FaultTarget::read},
    {Fault::rot, "rot", FaultClass::best_effort, FaultTarget::write},
    {Fault::misdirected, "misdirected", FaultClass::best_effort, FaultTarget::write},
    {Fault::stale_read, "stale-read", FaultClass::best_effort, FaultTarget::read},
    {Fault::flush_lies, "flush-lies", FaultClass::best_effort, FaultTarget::flush},
    {Fault::lost_write, "lost-write", FaultClass::best_effort, FaultTarget::write},
    {Fault::forged, "forged", FaultClass::best_effort, FaultTarget::none},
}};

[[nodiscard]] constexpr const FaultInfo& info(Fault fault) {
  return kFaultTable[static_cast<std::size_t>(fault)];
}

// What becomes of a write that was not durable when the power went. A unit is what the disk never
// tears (DeviceLimits::atomic_write_bytes).
enum class Fate : std::uint8_t {
  lost,
  kept,
  prefix,      // the first units
  suffix,      // the last ones
  hole,        // all but some in the middle
  subset,      // any
  garbage,     // a prefix, then a unit of noise
  unreadable,  // a prefix, then a unit that cannot be read until it is written again
};
inline constexpr std::size_t kFates = 8;
inline constexpr std::array<std::string_view, kFates> kFateNames = {
    "lost", "kept", "prefix", "suffix", "hole", "subset", "garbage", "unreadable"};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_FAULT_H
