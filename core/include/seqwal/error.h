// Errors of the world, as values. A caller's bug and a bug of ours are not errors: see check.h.
#ifndef SEQWAL_ERROR_H
#define SEQWAL_ERROR_H

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "seqwal/types.h"

namespace seqwal {

// What went wrong, and what the caller should do next.
enum class ErrorCode : std::uint8_t {
  // --- answers of a running log
  over_capacity,     // The ring is full of untrimmed records: trim, then append again.
  would_block,       // No free buffer or slot just now: append again later, or use append_wait.
  bad_length,        // Empty, or longer than this log or the format allows: do not retry.
  offset_exhausted,  // The 63-bit offset space is used up: the log can only be read.
  log_failed,        // A write or flush failed for good: close, recover, decide.
  log_closed,        // close() was called: nothing more is accepted.
  wrong_state,       // Not possible in this state (append before reset, …): see the call's comment.
  not_durable,       // trim: the offset is not durable yet: wait for its callback.
  below_trim,        // trim: at or below what is trimmed already: nothing to do.
  not_a_record,      // trim: no record starts at this offset: pass an offset that append returned.
  // --- opening and reading
  not_a_log,        // No valid header in either slot, and the slots are not damaged headers.
  headers_damaged,  // A header stood there, but no slot is valid any more: restore from a replica.
  length_mismatch,  // The header's capacity does not fit the file or device: restore its length.
  bad_capacity,     // Not a multiple of 4096, too small, or larger than the device.
  unsupported,      // The device or the log asks for something this build does not do.
  in_use,           // Another process holds the log: stop it.
  already_exists,   // create: a log or other data stands there: pick another place, or force.
  permission_denied,  // The operating system refused: check owner and mode.
  not_found,          // No such file or device.
  wrong_type,         // A directory, a pipe, …: name a regular file or a block device.
  no_space,           // The file system is full.
  io_error,           // The device failed a read, write or flush.
  damaged,            // Durable records are lost: restore from a replica, or salvage the rest.
  unknown_tail,       // resume: records behind a hole may have been acknowledged by a writer that
                      // leaves no evidence: recover them, then reset.
};

// The name of a code as users and logs see it, for example "over-capacity". Static storage.
[[nodiscard]] std::string_view to_string(ErrorCode code);

// An error with its context. Cheap to move; `detail` is empty (no allocation) for the answers of a
// running log.
struct Error {
  ErrorCode code{};
  int os_error = 0;           // errno when the operating system said it, else 0
  Offset offset = kNoOffset;  // the logical offset concerned, if any
  std::string detail;         // for people: what, where, and what to do

  // "in-use: another process holds the lock (/tmp/log)"
  [[nodiscard]] std::string message() const;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code) {
  return std::unexpected(Error{.code = code, .os_error = 0, .offset = kNoOffset, .detail = {}});
}
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string detail,
                                                 int os_error = 0) {
  return std::unexpected(
      Error{.code = code, .os_error = os_error, .offset = kNoOffset, .detail = std::move(detail)});
}

}  // namespace seqwal

#endif  // SEQWAL_ERROR_H
