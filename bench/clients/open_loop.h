// OpenLoop: records that arrive at times drawn beforehand, however long those before them take. The
// latency of a record counts from its intended arrival, so that waiting in front of a log that
// falls behind is not hidden.
//
// Arrivals are independent of each other (a Poisson process), drawn by comparing uniform numbers
// only (von Neumann's method), so that the same options give the same arrivals on every machine.
//
// Threads: run_due and next_due by one, which may be the one that polls; the rest as of Clients.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "bench/clients/clients.h"

namespace seqwal::bench {

// Times between arrivals, exponential with mean 1 s / `per_second`.
class Arrivals {
 public:
  // 1 <= per_second <= 1,000,000,000.
  Arrivals(std::uint64_t per_second, std::uint64_t seed) : per_second_(per_second), random_(seed) {}

  [[nodiscard]] Nanoseconds next_gap();

 private:
  [[nodiscard]] std::uint64_t draw();

  const std::uint64_t per_second_;
  std::mt19937_64 random_;
};

class OpenLoop final : public Clients {
 public:
  // Of `options`: arrivals_per_second, record_bytes and seed.
  OpenLoop(Target& target, Host& host, Meter& meter, const ClientOptions& options);

  // The first one arrives a gap later.
  void start() override;
  void nudge() override;
  void stop() override;
  [[nodiscard]] bool idle() const override { return stopping_.load() && in_flight_.load() == 0; }

  // When the next one arrives, kNever after stop().
  [[nodiscard]] Nanoseconds next_due() const;
  // Appends those that have arrived by `now`.
  void run_due(Nanoseconds now);

 private:
  bool append(Nanoseconds arrival);
  void called_back(Nanoseconds arrival, const AppendResult& result);

  Target& target_;
  Host& host_;
  Meter& meter_;
  Arrivals arrivals_;
  const std::vector<std::byte> body_;
  Nanoseconds next_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> in_flight_{0};  // those that wait for room too

  std::mutex mutex_;                 // held while appending: first come, first served
  std::deque<Nanoseconds> waiting_;  // arrived, and found no room
  std::atomic<std::size_t> waiters_{0};
};

// An OpenLoop on a thread of its own, which sleeps until the next arrival.
[[nodiscard]] std::unique_ptr<Clients> make_open_loop_clients(Target& target, Host& host,
                                                              Meter& meter,
                                                              const ClientOptions& options);

}  // namespace seqwal::bench
