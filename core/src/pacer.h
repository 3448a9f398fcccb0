// Pacer: how fast requests may go, so that a volume with limits never has to hold one back. What
// waits in the log keeps merging; what waits in the volume does not.
//
// Two schedules, of operations and of bytes: a request moves each by what it costs, and the next
// may go once both have come. Who is late may catch up for kCatchUp at most, a fraction of one
// operation: a burst that the volume takes without a delay of its own is at most that. The rate
// stays 1/256 below the limit. Pure bookkeeping on the clock of poll. One thread.
#ifndef SEQWAL_PACER_H
#define SEQWAL_PACER_H

#include <cstdint>

#include "seqwal/types.h"

namespace seqwal {

class Pacer {
 public:
  // 0 = no limit.
  Pacer(std::uint64_t iops, std::uint64_t bytes_per_second);

  // What it is from now on. Never goes back.
  void advance(Nanoseconds now);
  [[nodiscard]] Nanoseconds now() const { return now_; }
  // One more request may go.
  [[nodiscard]] bool ready() const { return next() <= now_; }
  // When ready() will be true; the past when it is.
  [[nodiscard]] Nanoseconds next() const;
  // A request goes, whether it may or not: what has to go at once is made up for by the next.
  void take(std::uint64_t bytes);

 private:
  [[nodiscard]] Nanoseconds after(Nanoseconds next, Nanoseconds cost, Nanoseconds catch_up) const;

  const Nanoseconds operation_time_;  // of one; 0: no limit
  const std::uint64_t bytes_per_second_;
  Nanoseconds now_ = 0;
  Nanoseconds next_operation_ = 0;
  Nanoseconds next_byte_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_PACER_H
