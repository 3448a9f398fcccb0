// RoomGate: threads that found no room wait here until some was made.
//
// How a thread sleeps is the caller's: a futex in production. The word that it sleeps on is an
// epoch, which changes whenever room was made.
#ifndef SEQWAL_ROOM_GATE_H
#define SEQWAL_ROOM_GATE_H

#include <atomic>
#include <cstdint>

#include "atomics.h"

namespace seqwal {

template <typename Atomics>
class BasicRoomGate {
 public:
  using Word = typename Atomics::template Atomic<std::uint32_t>;

  // Any thread. Tries until is_done() says so; in between park(word, epoch) sleeps while the word
  // holds the epoch, or returns for no reason.
  template <typename Try, typename Park>
  void wait(Try&& is_done, Park&& park) {
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    while (true) {
      // Pairs with notify(): room made after this load changes the epoch that park looks at.
      const std::uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
      if (is_done()) break;
      park(epoch_, epoch);
    }
    waiters_.fetch_sub(1, std::memory_order_relaxed);
  }

  // After room was made. unpark(word) wakes everybody who sleeps on it.
  template <typename Unpark>
  void notify(Unpark&& unpark) {
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) > 0) unpark(epoch_);
  }

 private:
  Word epoch_{0};
  Word waiters_{0};
};

using RoomGate = BasicRoomGate<StdAtomics>;

}  // namespace seqwal

#endif  // SEQWAL_ROOM_GATE_H
