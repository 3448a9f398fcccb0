// Reading a log back: hole-tolerant (version 0) or contiguous (version 1) recovery, prefix reading.
//
// Recovery writes nothing. It delivers, in offset order, every record that the rules of
// docs/format.md give, whole and verified. It needs the device only for reading, so another process
// may recover a log it opened read-only.
//
//   auto recovery = Recovery::open(device, host, {});
//   while (true) {
//     auto record = recovery->next();
//     if (!record) … error …;
//     if (!*record) break;             // the end; recovery->report() is complete
//     use((*record)->offset, (*record)->body);
//   }
#ifndef SEQWAL_RECOVERY_H
#define SEQWAL_RECOVERY_H

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/events.h"
#include "seqwal/format.h"
#include "seqwal/host.h"
#include "seqwal/types.h"

namespace seqwal {

enum class RecoveryMode : std::uint8_t {
  standard,  // as the reference does by default: beyond the window up to 4 MiB past the last record
  strict,    // version 0: stops at first hole + window. Version 1: the same as standard
  prefix,    // stops at the first hole: what an ordered log has acknowledged
};

struct RecoveryOptions {
  RecoveryMode mode = RecoveryMode::standard;
  // How far to read ahead: never more than a window and 4 MiB further than the rules need. Cut into
  // this many requests; open allocates memory for one more.
  std::uint32_t read_ahead_bytes = 4U << 20U;
  std::uint32_t reads_in_flight = 4;
};

// The state of both header slots, as found.
struct HeaderState {
  std::array<HeaderSlot, kHeaderSlots> slots;
  std::uint32_t current = 0;  // which one counts

  [[nodiscard]] const WalHeader& header() const { return slots.at(current).header; }
};

// Reads both slots and judges them. One valid slot is enough. Errors: not_a_log, headers_damaged,
// length_mismatch, unsupported, io_error (no valid slot, and one could not be read).
[[nodiscard]] Result<HeaderState> read_headers(Device& device, Host& host);

// One recovered record. `body` is valid until the next call of next().
struct RecoveredRecord {
  Offset offset;
  std::span<const std::byte> body;
  std::uint32_t checksum = 0;  // of the body, the format's 31 bits
};

struct RecoveryReport {
  std::uint64_t records = 0;
  std::uint64_t body_bytes = 0;
  Offset first = kNoOffset;  // offset of the first and last delivered record
  Offset last = kNoOffset;
  Offset end = kNoOffset;          // end of the last delivered record; where nothing was: the first
                                   // offset after the trim offset
  std::vector<OffsetRange> holes;  // before delivered records (version 0). Not damage
  std::vector<OffsetRange> unreadable;  // blocks that the device failed to read
  std::vector<OffsetRange> damage;      // unreadable blocks with delivered records after them
  std::uint64_t read_bytes = 0;         // from the device, header slots included
};

class Recovery {
 public:
  // Flushes the device once (what a dying writer left in flight is settled then), reads the
  // headers. Neither device nor host nor sink is owned; all must outlive the Recovery.
  // Cost: read_ahead_bytes of memory; while reading, one body more.
  [[nodiscard]] static Result<std::unique_ptr<Recovery>> open(Device& device, Host& host,
                                                              const RecoveryOptions& options,
                                                              EventSink* events = nullptr);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  [[nodiscard]] const HeaderState& headers() const;

  // The next record, nothing at the end, or io_error when the device is gone. Blocks that can't be
  // read are invalid blocks, reported in `unreadable`.
  [[nodiscard]] Result<std::optional<RecoveredRecord>> next();

  // Complete once next() has returned nothing.
  [[nodiscard]] const RecoveryReport& report() const;

 private:
  class Impl;
  explicit Recovery(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace seqwal

#endif  // SEQWAL_RECOVERY_H
