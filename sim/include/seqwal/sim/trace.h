// Trace: what happened in a world, as a rolling hash, and as rows for whoever wants to read them.
//
// The hash is a function of the run alone: no address, no real time, nothing of the machine. The
// same seed gives the same hash with any compiler, any optimisation and any address layout.
#ifndef SEQWAL_SIM_TRACE_H
#define SEQWAL_SIM_TRACE_H

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "seqwal/sim/choice.h"
#include "seqwal/types.h"

namespace seqwal::sim {

enum class Happened : std::uint8_t {
  world,      // a: capacity, b: format version, c: profile
  run,        // a: fiber
  submitted,  // a: kind, b: position, c: length, d: 1 = durable
  completed,  // a: kind, b: position, c: length, d: errno
  fault,      // a: fault, b: position
  appended,   // a: offset, b: body length
  refused,    // a: call, b: error code
  called,     // a: offset, b: status
  trimming,   // a: offset
  trimmed,    // a: asked, b: durable, c: 0 or 1 + error code
  event,      // of the log: a: kind, b: offset, c: value, d: errno
  opened,     // a: trim, b: window, c: version, d: error code + 1
  recovered,  // a: records, b: first, c: last, d: mode
  reset,      // a: new start
  closed,     // a: graceful
  power_cut,  // a: writes not durable, b: of them in flight
  fate,       // a: fate, b: position, c: length
  killed,     // a: writes in flight
  violation,  // a: invariant
  resumed,    // a: end of what is kept
  injured,    // a: kind, b: position, c: what came of it
  silent,     // nobody has appended for long
};
[[nodiscard]] std::string_view to_string(Happened kind);

struct TraceRow {
  std::uint64_t number = 0;
  Nanoseconds time = 0;
  Happened kind{};
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t c = 0;
  std::int64_t d = 0;
};

// "   1204   13.512 ms  submitted  write 4096 bytes at 12288, durable"
[[nodiscard]] std::string to_text(const TraceRow& row);

class Trace {
 public:
  using Sink = std::function<void(const TraceRow&)>;

  Trace() = default;
  explicit Trace(Sink sink) : sink_(std::move(sink)) {}

  void set_time(Nanoseconds now) { now_ = now; }
  void note(Happened kind, std::int64_t a = 0, std::int64_t b = 0, std::int64_t c = 0,
            std::int64_t d = 0) {
    fold(static_cast<std::uint64_t>(kind) << 56U ^ static_cast<std::uint64_t>(a));
    fold(static_cast<std::uint64_t>(b) ^ static_cast<std::uint64_t>(c) << 21U ^
         static_cast<std::uint64_t>(d) << 42U);
    ++rows_;
    if (sink_) sink_({rows_, now_, kind, a, b, c, d});
  }

  [[nodiscard]] std::uint64_t hash() const { return mix(hash_ ^ static_cast<std::uint64_t>(now_)); }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  void fold(std::uint64_t word) { hash_ = mix(hash_ ^ word) + 0x9e3779b97f4a7c15U; }

  Sink sink_;
  std::uint64_t hash_ = 0;
  std::uint64_t rows_ = 0;
  Nanoseconds now_ = 0;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_TRACE_H
