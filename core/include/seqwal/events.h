// What the core has to say. It never prints: the caller passes in a sink, or none.
#ifndef SEQWAL_EVENTS_H
#define SEQWAL_EVENTS_H

#include <cstdint>
#include <string_view>

#include "seqwal/types.h"

namespace seqwal {

enum class EventKind : std::uint8_t {
  header_slot_invalid,  // value: which slot; the other one serves
  opened,               // offset: the header's trim offset
  hole,                 // offset, value: the hole's length in bytes
  unreadable,           // offset, value: length of a region that the device failed to read
  damage,               // offset, value: a range that was durable and is lost
  recovered,            // offset: end of the last record, value: records
  resumed,              // offset: the end of what was kept
  reset,                // offset: the new start
  window_grown,         // value: the new durable maximum length of the sliding window, bytes
  trimmed,              // offset: the trim offset now durable in both slots
  trim_refused,         // offset: what a trim without a callback asked for, value: its ErrorCode
  failed,               // offset: of what failed first (-1: a header, a trim's read), os_error
  closed,               // offset: end of the log, value: 1 = graceful
  stalled,              // a request is in flight for a tenth of the append deadline. offset: as of
                        // `failed`, value: for how long, nanoseconds. Once a stall
  memory_unprepared,    // os_error: why the device could not prepare block memory, and does without
};

[[nodiscard]] std::string_view to_string(EventKind kind);

struct Event {
  EventKind kind{};
  Offset offset = kNoOffset;
  std::int64_t value = 0;
  int os_error = 0;
};

// Called on the thread that polls (or opens, recovers, …) the log. Must not call back into the log.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_EVENTS_H
