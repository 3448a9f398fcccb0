// Atomics: where the lock-free parts take their atomics from, as a template parameter.
//
// Production has the standard's. The explorer of interleavings (sim/) puts a model of memory in
// their place and runs the same code. Plain data that threads hand to each other is announced with
// reads and writes, so that the model sees a race; production has nothing there.
#ifndef SEQWAL_ATOMICS_H
#define SEQWAL_ATOMICS_H

#include <atomic>
#include <cstddef>
#include <span>

namespace seqwal {

struct StdAtomics {
  template <typename T>
  using Atomic = std::atomic<T>;

  template <typename... Objects>
  static void reads(const Objects&... /*objects*/) {}
  template <typename... Objects>
  static void writes(const Objects&... /*objects*/) {}
  static void writes_bytes(std::span<const std::byte> /*bytes*/) {}
};

}  // namespace seqwal

#endif  // SEQWAL_ATOMICS_H
