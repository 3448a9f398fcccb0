// MpscRing: a bounded queue, many producers, one consumer, no lock, no allocation.
// After D. Vyukov's bounded queue: each cell carries a sequence number that says whose turn it is.
#ifndef SEQWAL_MPSC_RING_H
#define SEQWAL_MPSC_RING_H

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "atomics.h"

namespace seqwal {

template <typename T, std::uint32_t kCapacity, typename Atomics = StdAtomics>
class MpscRing {
  using Atomic = typename Atomics::template Atomic<std::uint32_t>;
  static_assert((kCapacity & (kCapacity - 1)) == 0);

 public:
  MpscRing() {
    for (std::uint32_t i = 0; i < kCapacity; ++i) {
      cells_[i].sequence.store(i, std::memory_order_relaxed);
    }
  }

  // Any thread. False when full; `value` is then untouched.
  [[nodiscard]] bool push(T& value) {
    std::uint32_t at = tail_.load(std::memory_order_relaxed);
    while (true) {
      Cell& cell = cells_[at % kCapacity];
      // Pairs with the release in pop: the cell is empty again.
      const std::uint32_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto lead = static_cast<std::int32_t>(sequence - at);
      if (lead < 0) return false;
      if (lead > 0) {
        at = tail_.load(std::memory_order_relaxed);
        continue;
      }
      if (tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
        Atomics::writes(cell.value);
        cell.value = std::move(value);
        cell.sequence.store(at + 1, std::memory_order_release);  // pairs with the acquire in pop
        return true;
      }
    }
  }

  // The consumer only.
  [[nodiscard]] std::optional<T> pop() {
    Cell& cell = cells_[head_ % kCapacity];
    if (cell.sequence.load(std::memory_order_acquire) != head_ + 1) return std::nullopt;
    Atomics::writes(cell.value);  // moved from
    std::optional<T> value(std::move(cell.value));
    cell.sequence.store(head_ + kCapacity, std::memory_order_release);
    ++head_;
    return value;
  }

 private:
  struct Cell {
    Atomic sequence{0};
    T value{};
  };

  std::array<Cell, kCapacity> cells_;
  alignas(64) Atomic tail_{0};
  alignas(64) std::uint32_t head_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_MPSC_RING_H
