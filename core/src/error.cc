#include "seqwal/error.h"

#include <fmt/format.h>

#include <cstring>

#include "seqwal/events.h"

namespace seqwal {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::over_capacity:
      return "over-capacity";
    case ErrorCode::would_block:
      return "would-block";
    case ErrorCode::bad_length:
      return "bad-length";
    case ErrorCode::offset_exhausted:
      return "offset-exhausted";
    case ErrorCode::log_failed:
      return "log-failed";
    case ErrorCode::log_closed:
      return "log-closed";
    case ErrorCode::wrong_state:
      return "wrong-state";
    case ErrorCode::not_durable:
      return "not-durable";
    case ErrorCode::below_trim:
      return "below-trim";
    case ErrorCode::not_a_record:
      return "not-a-record";
    case ErrorCode::not_a_log:
      return "not-a-log";
    case ErrorCode::headers_damaged:
      return "headers-damaged";
    case ErrorCode::length_mismatch:
      return "length-mismatch";
    case ErrorCode::bad_capacity:
      return "bad-capacity";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::in_use:
      return "in-use";
    case ErrorCode::already_exists:
      return "already-exists";
    case ErrorCode::permission_denied:
      return "permission-denied";
    case ErrorCode::not_found:
      return "not-found";
    case ErrorCode::wrong_type:
      return "wrong-type";
    case ErrorCode::no_space:
      return "no-space";
    case ErrorCode::io_error:
      return "io-error";
    case ErrorCode::damaged:
      return "damaged";
    case ErrorCode::unknown_tail:
      return "unknown-tail";
  }
  return "unknown";
}

std::string Error::message() const {
  std::string text(to_string(code));
  if (!detail.empty()) text += fmt::format(": {}", detail);
  if (offset != kNoOffset) text += fmt::format(" (offset {})", offset.value);
  if (os_error != 0) text += fmt::format(" ({})", std::strerror(os_error));
  return text;
}

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::header_slot_invalid:
      return "header-slot-invalid";
    case EventKind::opened:
      return "opened";
    case EventKind::hole:
      return "hole";
    case EventKind::unreadable:
      return "unreadable";
    case EventKind::damage:
      return "damage";
    case EventKind::recovered:
      return "recovered";
    case EventKind::resumed:
      return "resumed";
    case EventKind::reset:
      return "reset";
    case EventKind::window_grown:
      return "window-grown";
    case EventKind::trimmed:
      return "trimmed";
    case EventKind::trim_refused:
      return "trim-refused";
    case EventKind::failed:
      return "failed";
    case EventKind::closed:
      return "closed";
    case EventKind::stalled:
      return "stalled";
    case EventKind::memory_unprepared:
      return "memory-unprepared";
  }
  return "unknown";
}

}  // namespace seqwal
