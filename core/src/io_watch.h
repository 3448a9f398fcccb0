// IoWatch: how long requests have been in flight, and when that is too long.
//
// Its clock is that of poll, but one step counts for a tenth of the deadline at most: that nobody
// polled, because the process was stopped or a callback took its time, says nothing about the
// device.
//
// Cost: a comparison a poll; all that is in flight is looked at about once a tenth of the deadline.
#ifndef SEQWAL_IO_WATCH_H
#define SEQWAL_IO_WATCH_H

#include "io_table.h"
#include "seqwal/types.h"

namespace seqwal {

class IoWatch {
 public:
  // 0 and kNever: no deadline, nothing is ever found.
  IoWatch(IoTable& io, Nanoseconds deadline);

  // Once a poll, before it submits anything.
  void advance(Nanoseconds now);

  enum class Finding : std::uint8_t {
    well,
    stalled,  // the oldest request is in flight for a tenth of the deadline; told once, until none
              // is that old
    overdue,  // for all of it
  };
  // Once a poll, after the completions were taken. `oldest()` is the request that it is about.
  [[nodiscard]] Finding look();
  [[nodiscard]] const IoTable::InFlight& oldest() const { return oldest_; }
  [[nodiscard]] Nanoseconds oldest_age() const { return time_ - oldest_.since; }

  // When, as poll says it, to look again at the latest. Once a poll, after it submitted.
  [[nodiscard]] Nanoseconds next_look();

 private:
  IoTable& io_;
  const Nanoseconds deadline_;
  const Nanoseconds step_;
  Nanoseconds polled_at_ = kNever;
  Nanoseconds time_ = 0;       // of the watch
  Nanoseconds next_ = kNever;  // before that, on it, there is nothing to find
  bool stalled_ = false;
  IoTable::InFlight oldest_;
};

}  // namespace seqwal

#endif  // SEQWAL_IO_WATCH_H
