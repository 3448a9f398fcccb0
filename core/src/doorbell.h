// Doorbell: a thread that publishes wakes the polling thread if that sleeps, and only then.
//
// Both sides write, then look: the publisher at sleeping_, the polling thread at what is published.
// All four steps are sequentially consistent, so at least one of them sees the other.
#ifndef SEQWAL_DOORBELL_H
#define SEQWAL_DOORBELL_H

#include <atomic>

#include "atomics.h"

namespace seqwal {

template <typename Atomics>
class BasicDoorbell {
 public:
  // Any thread, after its last sequentially consistent write of what it publishes. True: the
  // polling thread sleeps or is about to, and it is the caller's to wake it.
  [[nodiscard]] bool ring() {
    return sleeping_.load(std::memory_order_seq_cst) &&
           sleeping_.exchange(false, std::memory_order_seq_cst);
  }

  // --- the polling thread only
  void awake() { sleeping_.store(false, std::memory_order_relaxed); }
  // Says that it sleeps, then looks once more. `is_more` loads what is published, sequentially
  // consistent. True: whoever publishes from now on rings, the thread may sleep.
  template <typename Look>
  [[nodiscard]] bool may_sleep(Look&& is_more) {
    sleeping_.store(true, std::memory_order_seq_cst);
    if (!is_more()) return true;
    awake();
    return false;
  }

 private:
  typename Atomics::template Atomic<bool> sleeping_{false};
};

using Doorbell = BasicDoorbell<StdAtomics>;

}  // namespace seqwal

#endif  // SEQWAL_DOORBELL_H
