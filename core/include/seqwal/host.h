// Host: time and waiting, the second seam. In production the monotonic clock and a futex, in
// simulation virtual time and a fiber switch.
#ifndef SEQWAL_HOST_H
#define SEQWAL_HOST_H

#include <atomic>
#include <cstdint>

#include "seqwal/types.h"

namespace seqwal {

class Host {
 public:
  virtual ~Host() = default;

  // Monotonic. Any thread.
  [[nodiscard]] virtual Nanoseconds now() = 0;

  // Sleeps while `word` holds `expected`, until unpark_all(word), at most until `deadline`. Returns
  // at once when it holds something else. May return early for no reason. Any thread.
  virtual void park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                    Nanoseconds deadline) = 0;

  // Wakes everybody parked on `word`. The caller has changed `word` before. Any thread.
  virtual void unpark_all(const std::atomic<std::uint32_t>& word) = 0;

  // Names the calling thread (or fiber), never 0. Used to answer a blocking call from inside a
  // callback, which could never return, with would_block.
  [[nodiscard]] virtual std::uint64_t self() = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_HOST_H
