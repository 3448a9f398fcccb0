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
  // How far to read ahead at most: never more than a window and 4 MiB further than the rules need.
  // Cut into this many requests, which are in flight while the caller has the records of another
  // one; as many as the device has room for, and one for each that was read to begin with.
  std::uint32_t read_ahead_bytes = 8U << 20U;
  std::uint32_t reads_in_flight = 8;
  // Deliver what is left behind damage too. Else nothing behind it is delivered, and next() ends
  // with `damaged` once the report is complete.
  bool salvage = false;
};

// The state of both header slots, as found.
struct HeaderState {
  std::array<HeaderSlot, kHeaderSlots> slots;
  std::uint32_t current = 0;  // which one counts

  [[nodiscard]] const WalHeader& header() const { return slots.at(current).header; }
  // That of the slot that counts, with what the other one of the same log knows better: the greater
  // watermark and incarnation. Nothing: the log was last written by somebody who leaves none.
  [[nodiscard]] std::optional<HeaderEvidence> evidence() const;
  // The longest window, in bytes, that a writer may have used; at most a whole section.
  [[nodiscard]] std::int64_t greatest_window() const;
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

// Where the log can go on, as resume() does: everything before it was read without a hole.
struct RecoveredTail {
  Offset end = kNoOffset;  // of the last record of the prefix, the one at the trim offset included
  // What follows the last record in its block is no fill: it has to be overwritten.
  bool torn = false;
  // Ends of records before it whose fill is broken too: the block write behind says what it is.
  struct BrokenFill {
    Offset begin = kNoOffset;
    std::uint32_t incarnation = 0;  // of the block write that it belongs to, at most
  };
  std::vector<BrokenFill> broken_fills;
  // The last jump that the prefix crosses on the word of a block write behind it (version 0): where
  // the gap begins, and where the last record before it ends.
  Offset gap_begin = kNoOffset;
  Offset gap_previous_end = kNoOffset;
  std::uint32_t gap_incarnation = 0;
  bool trim_is_record = false;  // a record stands at the trim offset
  Offset first = kNoOffset;     // the first record of the prefix behind the trim offset
  bool is_followed = false;     // a record was met behind it, behind a hole
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
  // What was durable and is lost. With evidence: what cannot be read back below the watermark.
  // Without: unreadable blocks with delivered records after them.
  std::vector<OffsetRange> damage;
  std::uint64_t read_bytes = 0;  // from the device, header slots included
  // Evidence of the header; nothing: this log has none, and damage at its end looks like its end.
  std::optional<HeaderEvidence> evidence;
  // The greatest that was seen: every record that begins below it was durable.
  Offset watermark = kNoOffset;
  std::uint32_t newest_incarnation = 0;  // of the block writes met; 0 also where none was
  std::uint64_t orphans = 0;             // block writes of a timeline that a resume cut off
  RecoveredTail tail;
};

class Recovery {
 public:
  // Flushes the device once (what a dying writer left in flight is settled then), reads the
  // headers. Neither device nor host nor sink is owned; all must outlive the Recovery.
  // Cost: read_ahead_bytes of memory, and no more than there is to read; while reading, one body
  // more, and the 256 KiB in which evidence is looked for.
  [[nodiscard]] static Result<std::unique_ptr<Recovery>> open(Device& device, Host& host,
                                                              const RecoveryOptions& options,
                                                              EventSink* events = nullptr);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  [[nodiscard]] const HeaderState& headers() const;

  // The next record, nothing at the end, or an error: io_error when the device is gone; damaged
  // once, instead of the end, when durable records are lost and salvage was not asked for (the
  // report says which). Blocks that can't be read are invalid blocks, reported in `unreadable`.
  [[nodiscard]] Result<std::optional<RecoveredRecord>> next();
  // Waits for its reads in flight: until next() is called again the device may be used otherwise.
  void settle();

  // Complete once next() has returned nothing, or damaged.
  [[nodiscard]] const RecoveryReport& report() const;

 private:
  class Impl;
  explicit Recovery(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace seqwal

#endif  // SEQWAL_RECOVERY_H
