#include "io_watch.h"

#include <algorithm>

namespace seqwal {

IoWatch::IoWatch(IoTable& io, Nanoseconds deadline)
    : io_(io),
      deadline_(deadline > 0 ? deadline : kNever),
      step_(std::max<Nanoseconds>(deadline_ / 10, 1)) {}

void IoWatch::advance(Nanoseconds now) {
  if (polled_at_ != kNever) time_ += std::clamp<Nanoseconds>(now - polled_at_, 0, step_);
  polled_at_ = now;
  io_.set_time(time_);
}

IoWatch::Finding IoWatch::look() {
  if (time_ < next_ || deadline_ == kNever) return Finding::well;
  if (io_.in_flight() == 0) {
    next_ = kNever;
    stalled_ = false;
    return Finding::well;
  }
  oldest_ = io_.oldest();
  const Nanoseconds age = time_ - oldest_.since;
  const bool told = stalled_;
  stalled_ = age >= step_;
  next_ =
      stalled_ ? time_ + std::clamp<Nanoseconds>(deadline_ - age, 0, step_) : oldest_.since + step_;
  if (age >= deadline_) return Finding::overdue;
  return stalled_ && !told ? Finding::stalled : Finding::well;
}

Nanoseconds IoWatch::next_look() {
  if (io_.in_flight() == 0 || deadline_ == kNever) return kNever;
  // What was submitted since the last look is not older than this.
  next_ = std::min(next_, time_ + step_);
  return polled_at_ + (next_ - time_);
}

}  // namespace seqwal
