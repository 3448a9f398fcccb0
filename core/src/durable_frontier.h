// DurableFrontier: which block writes are durable, and up to where all of them are.
//
// Block writes are known by number, consecutive from 0. They complete in any order; the frontier is
// the first number that is not durable. Where a flush is needed, a written block becomes durable
// with the completion of a flush that was submitted after the block's completion was reaped.
// Pure bookkeeping, no I/O. One thread.
#ifndef SEQWAL_DURABLE_FRONTIER_H
#define SEQWAL_DURABLE_FRONTIER_H

#include <array>
#include <cstdint>

namespace seqwal {

class DurableFrontier {
 public:
  // More than block memory ever holds; a power of two, so that numbers may wrap around 2^32.
  static constexpr std::uint32_t kCapacity = 64;

  explicit DurableFrontier(bool needs_flush) : needs_flush_(needs_flush) {}

  // The device completed block write `number`. Precondition: within kCapacity of the frontier, and
  // not written before.
  void written(std::uint32_t number);

  // True when written blocks wait for a flush and none is in flight.
  [[nodiscard]] bool wants_flush() const { return waiting_ > 0 && !flushing_; }
  // A flush is being submitted: it covers what is written now.
  void flush_begins();
  // It completed well.
  void flush_ends();
  [[nodiscard]] bool flushing() const { return flushing_; }

  // Advances over contiguous durable blocks by at most one. True: block `frontier() - 1` and all
  // before it are durable now.
  [[nodiscard]] bool advance();
  // First block that is not known to be durable together with all before it.
  [[nodiscard]] std::uint32_t frontier() const { return frontier_; }

 private:
  enum class Stage : std::uint8_t { unwritten, written, covered, durable };

  [[nodiscard]] Stage& stage(std::uint32_t number) { return stages_[number % kCapacity]; }

  const bool needs_flush_;
  bool flushing_ = false;
  std::uint32_t frontier_ = 0;
  std::uint32_t waiting_ = 0;  // blocks in stage written
  std::array<Stage, kCapacity> stages_{};
};

}  // namespace seqwal

#endif  // SEQWAL_DURABLE_FRONTIER_H
