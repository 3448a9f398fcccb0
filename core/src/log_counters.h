// LogCounters: what LogMetrics counts. Written by the thread that polls, read by any: each addition
// is a plain load and a plain store.
#ifndef SEQWAL_LOG_COUNTERS_H
#define SEQWAL_LOG_COUNTERS_H

#include <array>
#include <atomic>
#include <cstdint>

#include "seqwal/metrics.h"

namespace seqwal {

template <typename T>
class Counter {
 public:
  // The thread that polls.
  void add(T value) { set(get() + value); }
  void set(T value) { value_.store(value, std::memory_order_relaxed); }
  // Any thread.
  [[nodiscard]] T get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<T> value_{0};
};

class HistogramCounter {
 public:
  void add(Nanoseconds latency) { counts_.at(LatencyHistogram::bucket_of(latency)).add(1); }
  void read(LatencyHistogram& into) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) into.counts.at(i) = counts_.at(i).get();
  }

 private:
  std::array<Counter<std::uint64_t>, LatencyHistogram::kBuckets> counts_;
};

struct LogCounters {
  Counter<std::uint64_t> records;
  Counter<std::uint64_t> record_bytes;
  Counter<std::uint64_t> block_writes;
  Counter<std::uint64_t> block_bytes;
  Counter<std::uint64_t> writes;
  Counter<std::uint64_t> header_writes;
  Counter<std::uint64_t> flushes;
  Counter<std::uint64_t> trim_reads;
  Counter<std::uint64_t> out_of_order;
  Counter<std::uint32_t> longest_overtaking;
  Counter<Nanoseconds> durable_time;
  Counter<Nanoseconds> written_time;
  HistogramCounter write_latency;
  HistogramCounter durable_latency;

  Counter<double> append_seconds;

  // As of the last poll.
  Counter<Nanoseconds> time;
  Counter<std::uint32_t> in_flight;
  Counter<std::uint32_t> depth;
  Counter<Nanoseconds> latency;
  Counter<std::uint32_t> callbacks_waiting;
  Counter<std::int64_t> ring_bytes_used;
  Counter<std::int64_t> trim_lag_bytes;
  Counter<std::uint32_t> blocks_used;
  Counter<std::uint32_t> slots_used;

  // By appenders, when they wake a thread that sleeps: a system call goes with it.
  std::atomic<std::uint64_t> wakes{0};
};

}  // namespace seqwal

#endif  // SEQWAL_LOG_COUNTERS_H
