// LogMetrics: what a running log has done and what it is doing, at one moment. Log::metrics() takes
// one from any thread; its numbers are each right, but not all of the same instant.
//
// Cost: the log's thread counts in memory of its own, without a locked instruction; taking a
// snapshot reads some hundred words.
#ifndef SEQWAL_METRICS_H
#define SEQWAL_METRICS_H

#include <array>
#include <bit>
#include <cstdint>

#include "seqwal/types.h"

namespace seqwal {

// How many took how long. A bucket is a quarter of a power of two wide: within 25 % of the truth.
struct LatencyHistogram {
  static constexpr std::uint32_t kSteps = 4;  // to a power of two; the first four are 0..3 ns
  static constexpr std::uint32_t kBuckets = 40 * kSteps;  // up to about half an hour

  std::array<std::uint64_t, kBuckets> counts{};

  [[nodiscard]] static constexpr std::uint32_t bucket_of(Nanoseconds latency) {
    if (latency < kSteps) return static_cast<std::uint32_t>(latency < 0 ? 0 : latency);
    const auto value = static_cast<std::uint64_t>(latency);
    const auto power = static_cast<std::uint32_t>(std::bit_width(value)) - 1;  // 2 or more
    const auto step = static_cast<std::uint32_t>(value >> (power - 2)) % kSteps;
    const std::uint32_t bucket = (power - 1) * kSteps + step;
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  // The longest latency of a bucket.
  [[nodiscard]] static constexpr Nanoseconds upper_bound(std::uint32_t bucket) {
    if (bucket < kSteps) return static_cast<Nanoseconds>(bucket);
    const std::uint32_t power = bucket / kSteps + 1;
    const std::uint64_t step = bucket % kSteps;
    return static_cast<Nanoseconds>(((kSteps + step + 1) << (power - 2)) - 1);
  }

  [[nodiscard]] std::uint64_t total() const;
  // The latency that `share` of all did not exceed, 0 < share <= 1; 0 when there are none.
  [[nodiscard]] Nanoseconds percentile(double share) const;
};

// A log's state, as people name it.
enum class LogState : std::uint8_t { opened, recovered, running, failing, failed, closed };

struct LogMetrics {
  LogState state = LogState::opened;

  // --- since the log runs
  std::uint64_t records = 0;       // durable
  std::uint64_t record_bytes = 0;  // of them, headers included
  std::uint64_t block_writes = 0;  // durable
  std::uint64_t block_bytes = 0;   // of them, fill included: record_bytes / block_bytes is useful
  std::uint64_t writes = 0;        // requests completed: block writes, slices of long ones, padding
  std::uint64_t header_writes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t trim_reads = 0;
  std::uint64_t wakes = 0;               // by appenders, of a log that slept
  std::uint64_t out_of_order = 0;        // block writes that completed before an earlier one
  std::uint32_t longest_overtaking = 0;  // by so many of them at most
  // What order costs: the time from submission of a block write until it was durable together with
  // all before it, and until it was itself, summed over all. 1 when nothing is ever waited for.
  Nanoseconds durable_time = 0;
  Nanoseconds written_time = 0;
  [[nodiscard]] double order_tax() const {
    return written_time == 0
               ? 1
               : static_cast<double>(durable_time) / static_cast<double>(written_time);
  }
  LatencyHistogram write_latency;    // of requests that write blocks: submitted until completed
  LatencyHistogram durable_latency;  // of block writes: submitted until durable, by order too

  // Appends that are between claim and callback, summed over time: divided by time, how many there
  // are on average. As seen by poll.
  double append_seconds = 0;

  // --- now
  Nanoseconds time = 0;         // of the last poll, on the Host's clock
  std::uint32_t in_flight = 0;  // requests
  std::uint32_t depth = 0;      // block writes that may be
  Nanoseconds latency = 0;      // the shortest of late of a block write, which depth goes by
  std::uint32_t blocks_used = 0;
  std::uint32_t slots_used = 0;         // appended, and the callback not handed on
  std::uint32_t callbacks_waiting = 0;  // of those, durable: the executor has no room
  std::int64_t ring_bytes_used = 0;     // from what recovery needs to the end of the log
  std::int64_t ring_bytes = 0;
  std::int64_t trim_lag_bytes = 0;  // from the trim offset in both headers to the one wanted

  // --- as configured, 0: no limit known
  std::uint64_t iops = 0;
  std::uint64_t bytes_per_second = 0;
};

// What no log can exceed, on a volume that takes `iops` writes and `bytes_per_second` and answers
// after `latency`, with `clients` appends of `record_bytes` (headers included) in flight at once:
// the most records a second. 0 for a limit = there is none. With b(k) bytes for k records, rounded
// up to blocks, and x_k block writes of k records a second it is
//
//   max sum k*x_k   subject to   sum x_k <= iops,  sum b(k)*x_k <= bytes_per_second,
//                                sum k*x_k <= clients / latency,  1 <= k <= clients
[[nodiscard]] double best_records_per_second(double clients, double record_bytes, double iops,
                                             double bytes_per_second, Nanoseconds latency);

// How near a log came to that between two of its snapshots, with as many appends at a time, of that
// size on average, as it had, and as many in one write as it wrote: 1 = nobody could do better. 0
// where it acknowledged nothing, or knows of no limit. Cost: the square of the number of appends.
[[nodiscard]] double efficiency(const LogMetrics& from, const LogMetrics& to);

}  // namespace seqwal

#endif  // SEQWAL_METRICS_H
