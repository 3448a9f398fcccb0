// PosixHost: the monotonic clock and a futex.
#ifndef SEQWAL_BACKENDS_POSIX_HOST_H
#define SEQWAL_BACKENDS_POSIX_HOST_H

#include "seqwal/host.h"

namespace seqwal {

// Stateless; one instance may serve any number of logs. Thread-safe.
class PosixHost final : public Host {
 public:
  [[nodiscard]] Nanoseconds now() override;
  void park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
            Nanoseconds deadline) override;
  void unpark_all(const std::atomic<std::uint32_t>& word) override;
  [[nodiscard]] std::uint64_t self() override;
};

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_POSIX_HOST_H
