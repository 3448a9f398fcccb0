// Pacer: how fast requests may go, so that a volume with limits never has to hold one back. What
// waits in the log keeps merging; what waits in the volume does not.
//
// Two schedules, of operations and of bytes: a request moves each by what it costs, and the next
// may go once both have come. Who is late because there was nothing to write catches up a fraction
// of one operation (kCatchUp at most): more would be a burst, and a volume that holds it back keeps
// records from merging. Who is late because the thread that polls was woken late catches up for all
// of that time, by two requests at most: others' work on the machine does not cost throughput. And
// after a stall, when for milliseconds the device did not answer or the thread did not run, all of
// it is caught up (kMostStalled at most), for a volume keeps its rates meanwhile; one that does not
// is asked for too much no longer than the stall was. The rate stays 1/256 below the limit. Pure
// bookkeeping on the clock of poll. One thread.
#ifndef SEQWAL_PACER_H
#define SEQWAL_PACER_H

#include <algorithm>
#include <cstdint>

#include "seqwal/types.h"

namespace seqwal {

class Pacer {
 public:
  // 0 = no limit.
  Pacer(std::uint64_t iops, std::uint64_t bytes_per_second);

  // What it is from now on. Never goes back.
  void advance(Nanoseconds now);
  // The thread means to call advance() then, or earlier.
  void sleeps_until(Nanoseconds time) { awake_at_ = time; }
  // Something could have gone from then on, or from when this was said before, had the device
  // answered; and now it has.
  void waits_from(Nanoseconds time) { waits_from_ = std::min(waits_from_, time); }
  void answered();
  [[nodiscard]] Nanoseconds now() const { return now_; }
  // One more request may go.
  [[nodiscard]] bool ready() const { return next() <= now_; }
  // When ready() will be true; the past when it is.
  [[nodiscard]] Nanoseconds next() const;
  // A request goes, whether it may or not: what has to go at once is made up for by the next.
  void take(std::uint64_t bytes);

 private:
  void stalled_for(Nanoseconds time);
  // When the next may go after one that takes `cost`; `idle_credit` can be caught up in any case.
  [[nodiscard]] Nanoseconds after(Nanoseconds next, Nanoseconds cost,
                                  Nanoseconds idle_credit) const;

  const Nanoseconds operation_time_;  // of one; 0: no limit
  const std::uint64_t bytes_per_second_;
  Nanoseconds now_ = 0;
  Nanoseconds awake_at_ = kNever;
  Nanoseconds waits_from_ = kNever;
  Nanoseconds overslept_ = 0;      // and not caught up yet
  Nanoseconds stalled_ = 0;        // the same
  Nanoseconds stalled_until_ = 0;  // when it is given up
  Nanoseconds next_operation_ = 0;
  Nanoseconds next_byte_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_PACER_H
