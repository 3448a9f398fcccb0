#include "bench/bound.h"

#include <cmath>

#include "seqwal/format.h"
#include "seqwal/metrics.h"

namespace seqwal::bench {

Bound bound_of(const Volume& volume, std::uint64_t in_flight, std::uint64_t record_bytes) {
  const auto clients = static_cast<double>(in_flight);
  const double best = best_records_per_second(
      clients, static_cast<double>(record_bytes + kRecordHeaderBytes), volume.writes_per_second,
      volume.bytes_per_second, static_cast<Nanoseconds>(std::llround(volume.latency_s * 1e9)));
  return {.records_per_second = best, .mean_latency_s = clients / best};
}

double open_loop_mean_latency_s(const Volume& volume) {
  return volume.latency_s + 1 / (2 * volume.writes_per_second);
}

}  // namespace seqwal::bench
