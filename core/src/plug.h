// Plug: after acknowledgements the next block write waits a moment for the clients that were called
// back: most of them append again at once, and share it then.
//
// It ends when as many have appended as were acknowledged, or when its time is up. Where clients do
// not return within it, as when load comes from elsewhere, it is left out, and tried again now and
// then: after 1, 2, 4 … 128 acknowledgements. Pure bookkeeping on the clock of poll. One thread.
#ifndef SEQWAL_PLUG_H
#define SEQWAL_PLUG_H

#include <cstdint>

#include "seqwal/types.h"

namespace seqwal {

class Plug {
 public:
  // `records` were acknowledged; `ticket` was the next one before their callbacks ran. Holds until
  // `until` at the latest, or until when it holds already.
  void acknowledged(std::uint16_t ticket, std::uint32_t records, Nanoseconds until);
  // `ticket` is the next one now. False: what waits may go.
  [[nodiscard]] bool holds(std::uint16_t ticket, Nanoseconds now);
  // While it holds: the ticket that everybody is back with, and when it ends at the latest.
  [[nodiscard]] std::uint16_t target() const {
    return static_cast<std::uint16_t>(begin_ + expected_);
  }
  [[nodiscard]] Nanoseconds until() const { return until_; }

 private:
  void end(bool returned);

  bool active_ = false;
  std::uint16_t begin_ = 0;
  std::uint32_t expected_ = 0;
  Nanoseconds until_ = 0;
  std::uint32_t misses_ = 0;  // in a row
  std::uint32_t skips_ = 0;   // acknowledgements still to leave out
};

}  // namespace seqwal

#endif  // SEQWAL_PLUG_H
