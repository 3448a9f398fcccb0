// Log: the write-ahead log. Acknowledgements in offset order over writes that complete in any
// order.
//
// Life:   open → recover → resume or reset → append … trim … → close
//         opened  recovered  running                         closing → closed (or → failed →
//         closed)
//
// Stage words, used everywhere and never loosely:
//   appended (has an offset) → sealed (belongs to a block write) → submitted → written (the device
//   completed it) → durable (it and everything before it is safe) → acknowledged (its callback ran)
//
// Threads: append, trim, close and the getters may be called from any thread, callbacks included.
// Everything else (open, recover, reset, poll, finished, …) belongs to one thread at a time, which
// also owns the Device. `poll` is the log's only engine: reap, advance the frontier, run callbacks,
// seal and submit what may go. The loop around it is
//
//   while (!log.finished()) device.wait(log.poll(host.now()));
//
// and stands ready-made in backends (LogThread).
//
// Memory is fixed at open: (`blocks` + `reservations`) × 256 KiB of block memory, `slots` × 64
// bytes, and some 100 KiB: 10.1 MiB by default. From the first poll until the log has finished the
// device knows of block memory (Device::use_memory), and may pin it.
//
// A device that does not answer. When a request of a running log has been in flight for the append
// deadline, the log fails as a whole and waits for nothing any more: trims are refused, every
// callback runs, `indeterminate` for what the device was given, and close finishes. What is still
// in flight may complete later or never; poll goes on taking it, after finished() too, and nothing
// comes of it. Until then the device may touch memory of the log, which therefore stays: a Log that
// is destroyed before leaks all its memory on purpose. Bodies never belong to the device: longer
// ones are staged through block memory. Nobody else can use that Device afterwards; destroy it.
#ifndef SEQWAL_LOG_H
#define SEQWAL_LOG_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "seqwal/callback.h"
#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/events.h"
#include "seqwal/executor.h"
#include "seqwal/host.h"
#include "seqwal/metrics.h"
#include "seqwal/recovery.h"
#include "seqwal/types.h"

namespace seqwal {

struct LogOptions {
  Durability durability = Durability::automatic;
  // Block memory: 256 KiB each, a power of two, 2..64. One fills, the others are being written or
  // wait for what lies before them.
  std::uint32_t blocks = 32;
  // Appends between claim and callback, a power of two, 16..32768.
  std::uint32_t slots = 16384;
  // What the volume is allowed, 0 = no limit known. Requests of the log, its headers included, go
  // just below that: what waits in the log still merges, what a volume holds back does not.
  std::uint64_t iops = 0;
  std::uint64_t bytes_per_second = 0;
  // Records that are made in place at one time (Log::reserve), 0..64: 256 KiB of block memory each.
  std::uint32_t reservations = 4;
  // Where callbacks of appends run; not owned, must outlive the Log, and no other log's. None: on
  // the thread that polls.
  Executor* executor = nullptr;
  // Block writes (or slices of long ones) in flight at once, 0..1024; never more than the device
  // takes. 0 = iops × the latency that is measured, or felt for where there is no limit, 32 at
  // most.
  std::uint32_t depth = 0;
  // For how long a block write waits, at most, for the clients that were just called back to append
  // again and share it: that, or a tenth of a write's latency. Left out where they do not. 0 = not.
  Nanoseconds plug = 60'000;
  // Maximum length of the sliding window at reset; 0 = everything that block memory can hold, so
  // that no append of up to 256 KiB waits for a header write. Grown through the header, in steps.
  std::int64_t window_bytes = 0;
  std::int64_t window_step_bytes = std::int64_t{4} << 20U;
  // Names a log that has no name yet (evidence.h): one that another writer left. Any number that no
  // other log has, best a random one.
  std::uint64_t log_id = 0;
  // For how long a request of a running log may be in flight, on the Host's clock; 0 and kNever =
  // for ever. Time in which nobody polls counts for a tenth of it at most. Opening, recovery and
  // reset wait for the device as long as it takes.
  Nanoseconds append_deadline = Nanoseconds{30} * 1'000'000'000;
};

struct AppendOptions {
  // The body's CRC-32 if the caller has it (the top bit is cleared); 0 = compute it.
  std::uint32_t body_checksum = 0;
  // With an Executor of several threads: callbacks of one key keep their order, those of different
  // keys do not wait for each other. A stream's number.
  std::uint64_t key = 0;
};

// One of a batch.
struct BatchRecord {
  std::span<const std::byte> body;
  AppendCallback callback;  // taken if the record is accepted
  AppendOptions options;
  Offset offset = kNoOffset;  // set by append_batch if it is
};
struct BatchResult {
  std::size_t accepted = 0;               // so many from the front
  std::optional<ErrorCode> refused = {};  // why not the next one; nothing when all were
};

// The trim offset that is durable now, or why the trim was refused. Runs on the thread that polls.
using TrimCallback = Callback<const Result<Offset>&>;

struct ResumeOptions {
  std::optional<std::int32_t> node_id = {};  // keep the log's when empty
  std::optional<std::int64_t> epoch = {};
};

struct ResetOptions {
  std::optional<FormatVersion> version = {};  // keep the log's when empty
  std::optional<std::int32_t> node_id = {};
  std::optional<std::int64_t> epoch = {};
};

class Log;

// Memory of a log in which a caller makes a record's body in place (Log::reserve). Until it is
// published it is no part of the log: it has no offset, nothing waits for it, and abandoning it
// leaves nothing behind. One thread at a time. Must be gone before its Log is.
class Reservation {
 public:
  Reservation() = default;  // holds nothing
  Reservation(Reservation&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), index_(other.index_), body_(other.body_) {}
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { abandon(); }

  // Whether it holds memory: not yet published or abandoned.
  [[nodiscard]] explicit operator bool() const { return log_ != nullptr; }
  // As many bytes as were asked for; what stood there before is undefined. Precondition: holds.
  [[nodiscard]] std::span<std::byte> body() const { return body_; }
  // Appends the first `body_bytes` of it as a record. Errors as of append; it then still holds, and
  // may be published again. `callback` is taken only on success. Precondition: holds.
  [[nodiscard]] Result<Offset> publish(std::size_t body_bytes, AppendCallback&& callback,
                                       const AppendOptions& options = {});
  void abandon();

 private:
  friend class Log;
  Reservation(Log& log, std::uint32_t index, std::span<std::byte> body)
      : log_(&log), index_(index), body_(body) {}

  Log* log_ = nullptr;
  std::uint32_t index_ = 0;
  std::span<std::byte> body_;
};

class Log {
 public:
  // Reads and judges the headers; writes nothing. Neither device nor host nor sink is owned, all
  // must outlive the Log. Errors: those of read_headers; unsupported for a device whose blocks or
  // buffer alignment exceed 4096 bytes.
  [[nodiscard]] static Result<std::unique_ptr<Log>> open(Device& device, Host& host,
                                                         const LogOptions& options,
                                                         EventSink* events = nullptr);
  // Precondition: finished(), or never reset, or the device is stopped for good and touches no
  // memory of the log any more. In the last case the log ends like a crash: callbacks that did not
  // run never run. Leaks its memory when it failed by its deadline and the device has not given
  // everything back.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // As found at open, then as last made durable.
  [[nodiscard]] const HeaderState& headers() const;

  // Delivers what the log holds (recovery.h). May be repeated; writes nothing. Returning false from
  // `visit` ends it early, and the log does not count as recovered; nor does it when damage is
  // found and salvage was not asked for.
  [[nodiscard]] Result<RecoveryReport> recover(
      const std::function<bool(const RecoveredRecord&)>& visit,
      const RecoveryOptions& options = {});

  // Keeps what recover() delivered and appends after it. What lies behind the first hole was never
  // acknowledged by a log of this kind; it is made unreadable, durably, before this returns.
  // Returns the end of what is kept. Needs a completed recover() without salvage, and in version 0
  // in prefix mode. Errors: wrong_state; unknown_tail: records lie behind a hole, of a writer that
  // leaves no evidence and may have acknowledged them (nothing was changed: recover, then reset);
  // io_error: the log may or may not be resumed, recovery gives the same; offset_exhausted. Cost:
  // reads a window, rewrites what lies between the watermark and the end in small pieces where the
  // device has a volatile cache. Where the writer before left no evidence, reads the log once more
  // and writes a block for each block write.
  [[nodiscard]] Result<Offset> resume(const ResumeOptions& options = {});

  // Discards everything and starts a fresh window beyond anything the device can hold. Durable in
  // both header slots when it returns. Returns where the log starts. Needs a completed recover().
  // Errors: wrong_state, io_error, offset_exhausted.
  [[nodiscard]] Result<Offset> reset(const ResetOptions& options = {});

  // Appends a record and returns its offset; `callback` tells when it is durable. Never waits.
  //   body             1 .. max_body_bytes(). Up to 256 KiB - 24 it is copied before append
  //                    returns; a longer one stays the caller's, unchanged, until its callback.
  // Errors, all immediate, nothing happened: over_capacity, would_block, bad_length, log_failed,
  // log_closed, wrong_state, offset_exhausted.
  // Cost: one pass for the checksum, one copy, two shared cache lines; no lock, no allocation; a
  // wake-up of the log's thread if it sleeps and could do something with it.
  [[nodiscard]] Result<Offset> append(std::span<const std::byte> body, AppendCallback callback,
                                      const AppendOptions& options = {});

  // The same for a body in pieces, which are put together. A body that stays the caller's does so
  // with the array of its pieces.
  [[nodiscard]] Result<Offset> append_gather(std::span<const std::span<const std::byte>> pieces,
                                             AppendCallback callback,
                                             const AppendOptions& options = {});

  // Appends one after the other, as append does, until one is refused. Not atomic: others append
  // in between, and a crash may keep some. Cheaper than single calls by the wake-ups it saves.
  [[nodiscard]] BatchResult append_batch(std::span<BatchRecord> records);

  // The same as append, but waits for room (would_block, over_capacity) until `deadline` and then
  // returns what append would. On the polling thread, and in a callback wherever it runs, it does
  // not wait. `callback` is taken only on success.
  [[nodiscard]] Result<Offset> append_wait(std::span<const std::byte> body,
                                           AppendCallback&& callback, Nanoseconds deadline = kNever,
                                           const AppendOptions& options = {});

  // Memory for a body of 1 .. 256 KiB - 24 bytes, to be made in place: no copy. A block write of
  // its own, so meant for bodies of many KiB. Errors: would_block (LogOptions::reservations are
  // out), and as append.
  [[nodiscard]] Result<Reservation> reserve(std::size_t body_bytes);

  // Waits until the record at `offset` is durable, at most until `deadline`: would_block then, and
  // at once on the polling thread. log_failed, log_closed: it never will be, or nobody knows.
  [[nodiscard]] Result<void> wait_durable(Offset offset, Nanoseconds deadline = kNever);

  // Discards every record up to and including the one at `offset`. Immediate errors: not_durable,
  // below_trim, would_block (too many trims pending), log_failed, log_closed, wrong_state. Then the
  // record is verified by a read and the header made durable in both slots; `callback` gets the
  // outcome: the durable trim offset (never below the record, possibly up to the start of the next
  // block write - 1), below_trim (a trim before it went as far), not_a_record, io_error (it cannot
  // be read: nothing was trimmed), log_failed or log_closed. Without a callback a refusal goes to
  // the event sink. Trims are handled in the order they were given; a refusal may be told first.
  [[nodiscard]] Result<void> trim(Offset offset, TrimCallback callback = {});

  // Stops the intake at once, lets poll finish what was appended, marks the header graceful.
  // Any thread, callbacks included; repeated calls do nothing. A log that was never reset needs no
  // closing and is not polled.
  void close();

  // One step. Returns when it wants to be called again at the latest (on the Host's clock; `now`
  // or earlier = at once, or it has finished; kNever = when the device has something or was woken).
  [[nodiscard]] Nanoseconds poll(Nanoseconds now);

  // True once closed (or failed and closed) and nothing is waited for: poll need not be called.
  [[nodiscard]] bool finished() const;

  // After finished(): true while something that the log gave up on is in flight, and the device may
  // touch the log's memory. Poll takes what comes back. Belongs to the thread that polls.
  [[nodiscard]] bool device_has_memory() const;

  // --- getters, any thread
  // What it has done and is doing (metrics.h).
  [[nodiscard]] LogMetrics metrics() const;
  // The confirm offset: every record that begins below it is durable.
  [[nodiscard]] Offset durable() const;
  // The trim offset that stands durably in both header slots.
  [[nodiscard]] Offset trimmed() const;
  // The longest body this log takes.
  [[nodiscard]] std::uint32_t max_body_bytes() const;
  // Why the log failed, once it has: what was seen to fail first (ETIMEDOUT: the append deadline).
  // Callbacks tell from where on.
  [[nodiscard]] std::optional<Error> failure() const;

 private:
  friend class Reservation;
  class Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct CreateOptions {
  std::uint64_t capacity_bytes = 0;
  FormatVersion version = FormatVersion::v0;
  std::int32_t node_id = 0;
  std::int64_t epoch = 0;
  std::int64_t window_bytes = 0;  // 0 = 1 MiB, or the section if that is smaller
  std::uint64_t log_id = 0;       // as LogOptions::log_id
  bool force = false;             // overwrite whatever stands there
};

// Makes a new log: old headers zeroed, the record section fully written with zeroes and flushed
// (so that no append pays for extent conversion and no former life comes back), then both headers.
// Without force it first reads the device and refuses (already_exists) where any byte of the log's
// range is not zero. `progress(done, total)` in bytes, may be null.
[[nodiscard]] Result<void> create_log(
    Device& device, Host& host, const CreateOptions& options,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress = nullptr);

// Offline trim: recovers (standard mode), checks that a record starts at `offset`, writes the
// headers. The device must be open for writing and no Log running on it. Returns the trim offset
// that was written. Errors: not_durable (beyond the last record), below_trim, not_a_record, and
// those of Recovery. After io_error close the device before anything else: a header write whose
// outcome is unknown may still land.
[[nodiscard]] Result<Offset> trim_log(Device& device, Host& host, Offset offset,
                                      EventSink* events = nullptr);

}  // namespace seqwal

#endif  // SEQWAL_LOG_H
