// Doorbell: a thread that publishes wakes the polling thread if that sleeps, and only then.
//
// Both sides write, then look: the publisher at sleeping_, the polling thread at what is published.
// All four steps are sequentially consistent, so at least one of them sees the other.
//
// The polling thread may sleep through some of what is published: until a number of it, the ticket
// of an append, is reached.
#ifndef SEQWAL_DOORBELL_H
#define SEQWAL_DOORBELL_H

#include <atomic>
#include <cstdint>

#include "atomics.h"

namespace seqwal {

template <typename Atomics>
class BasicDoorbell {
 public:
  // Any thread, after its last sequentially consistent write of what it publishes, which ends
  // before `ticket`, modulo 2^16. True: the polling thread sleeps or is about to, and it is the
  // caller's to wake it. `now`: whatever it sleeps for.
  [[nodiscard]] bool ring(std::uint16_t ticket, bool now = false) {
    const std::uint32_t sleeping = sleeping_.load(std::memory_order_seq_cst);
    if (sleeping == kAwake) return false;
    const bool reached = sleeping == kForAny || is_reached(ticket, sleeping);
    return (now || reached) && sleeping_.exchange(kAwake, std::memory_order_seq_cst) != kAwake;
  }

  // --- the polling thread only
  void awake() { sleeping_.store(kAwake, std::memory_order_relaxed); }
  // Says that it sleeps, then looks once more. `is_more` loads what is published, sequentially
  // consistent. True: whoever publishes from now on rings, the thread may sleep.
  template <typename Look>
  [[nodiscard]] bool may_sleep(Look&& is_more) {
    return sleep(kForAny, is_more);
  }
  // The same, but rings only who reaches `ticket`.
  template <typename Look>
  [[nodiscard]] bool may_sleep_until(std::uint16_t ticket, Look&& is_more) {
    return sleep(kForTicket | ticket, is_more);
  }
  // Whether `ticket` is `target` or behind it, modulo 2^16.
  [[nodiscard]] static bool is_reached(std::uint16_t ticket, std::uint32_t target) {
    return static_cast<std::int16_t>(ticket - target) >= 0;
  }

 private:
  static constexpr std::uint32_t kAwake = 0;
  static constexpr std::uint32_t kForAny = 1;
  static constexpr std::uint32_t kForTicket = 1U << 16U;  // and the ticket

  template <typename Look>
  [[nodiscard]] bool sleep(std::uint32_t how, Look&& is_more) {
    sleeping_.store(how, std::memory_order_seq_cst);
    if (!is_more()) return true;
    awake();
    return false;
  }

  typename Atomics::template Atomic<std::uint32_t> sleeping_{kAwake};
};

using Doorbell = BasicDoorbell<StdAtomics>;

}  // namespace seqwal

#endif  // SEQWAL_DOORBELL_H
