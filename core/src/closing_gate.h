// ClosingGate: callers go in until it is closed; who closes it knows when the last one is out.
//
// A caller says that it is inside, then looks whether the gate is closed; the closing side closes
// it, then looks whether anyone is inside. All four steps are sequentially consistent: a caller
// that finds the gate open is seen inside.
#ifndef SEQWAL_CLOSING_GATE_H
#define SEQWAL_CLOSING_GATE_H

#include <atomic>
#include <cstdint>

#include "atomics.h"

namespace seqwal {

template <typename Atomics>
class BasicClosingGate {
 public:
  // Any thread: inside as long as this lives. Ask closed() then.
  class Visit {
   public:
    explicit Visit(BasicClosingGate& gate) : gate_(gate) {
      gate_.inside_.fetch_add(1, std::memory_order_seq_cst);
    }
    ~Visit() { gate_.inside_.fetch_sub(1, std::memory_order_seq_cst); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    BasicClosingGate& gate_;
  };

  // Any thread. True for the first to close it.
  bool close() { return !closed_.exchange(true, std::memory_order_seq_cst); }
  [[nodiscard]] bool closed() const { return closed_.load(std::memory_order_seq_cst); }
  // For callers that nobody waits for: may be late.
  [[nodiscard]] bool seems_closed() const { return closed_.load(std::memory_order_acquire); }
  // After closed(). False: whoever found the gate open is out, and what it did is seen.
  [[nodiscard]] bool occupied() const { return inside_.load(std::memory_order_seq_cst) > 0; }

 private:
  typename Atomics::template Atomic<bool> closed_{false};
  typename Atomics::template Atomic<std::uint32_t> inside_{0};
};

using ClosingGate = BasicClosingGate<StdAtomics>;

}  // namespace seqwal

#endif  // SEQWAL_CLOSING_GATE_H
