// Meter: what is counted while a measurement runs. Clients report to it; between begin() and end()
// it counts.
//
// Threads: reports from any; begin, end and the sums from one. Each thread that reports latencies
// has a histogram of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "bench/latencies.h"
#include "bench/target.h"
#include "seqwal/error.h"
#include "seqwal/log.h"

namespace seqwal::bench {

struct Tally {
  Latencies latencies;
  std::uint64_t out_of_order = 0;  // called back after one with a greater offset
  std::uint64_t overcap = 0;       // appends refused because the log was full
  std::uint64_t failed = 0;        // called back with another status than durable, or refused
  std::uint64_t arrived = 0;       // open loop: records whose time came
  Nanoseconds late = 0;            // sum of how much later whoever appends them was there
};

class Meter {
 public:
  // Trims `target` whenever a quarter of `section_bytes` is durable that is not trimmed. Not owned.
  Meter(Target& target, std::int64_t section_bytes);

  void begin() { counting_.store(true, std::memory_order_relaxed); }
  void end() { counting_.store(false, std::memory_order_relaxed); }

  // In each callback. Trims as it goes.
  void called_back(const AppendResult& result);
  // When a client knows that its record is durable.
  void latency(Nanoseconds time);
  // Open loop: a record arrived, and was appended so much later, or began to wait for room.
  void arrived(Nanoseconds late);
  // An append was refused for good, or, with over_capacity, for now.
  void refused(ErrorCode code);

  // When nobody reports any more.
  [[nodiscard]] Tally tally() const;
  // The first refusal that was for good.
  [[nodiscard]] ErrorCode first_refusal() const { return first_refusal_.load(); }

 private:
  [[nodiscard]] Latencies& of_this_thread();
  void trim_up_to(Offset offset);

  Target& target_;
  const std::int64_t trim_every_;
  const std::uint64_t id_;  // among all meters of this process
  std::atomic<bool> counting_{false};

  std::atomic<std::int64_t> greatest_{-1};  // offset called back
  std::atomic<std::int64_t> trimmed_{-1};   // asked for
  std::atomic<std::uint64_t> out_of_order_{0};
  std::atomic<std::uint64_t> overcap_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> arrived_{0};
  std::atomic<Nanoseconds> late_{0};
  std::atomic<ErrorCode> first_refusal_{ErrorCode::over_capacity};

  std::mutex mutex_;  // guards the list, not what is in it
  std::vector<std::unique_ptr<Latencies>> latencies_;
};

}  // namespace seqwal::bench
