#include "bench/bound.h"

#include <algorithm>

#include "seqwal/format.h"

namespace seqwal::bench {
namespace {

double block_bytes(std::uint64_t records, std::uint64_t record_bytes) {
  return static_cast<double>(round_up_to_block(records * (record_bytes + kRecordHeaderBytes)));
}

}  // namespace

// A linear program with two limits has its best point at one size of block write, or at a mixture
// of two that uses up both limits.
Bound bound_of(const Volume& volume, std::uint64_t in_flight, std::uint64_t record_bytes) {
  const double writes = volume.writes_per_second;
  const double bytes = volume.bytes_per_second;
  double best = 0;
  for (std::uint64_t large = 1; large <= in_flight; ++large) {
    const double large_bytes = block_bytes(large, record_bytes);
    best = std::max(best, static_cast<double>(large) * std::min(writes, bytes / large_bytes));
    if (writes * large_bytes <= bytes) continue;
    for (std::uint64_t small = 1; small < large; ++small) {
      const double small_bytes = block_bytes(small, record_bytes);
      if (writes * small_bytes >= bytes) break;
      const double large_writes = (bytes - writes * small_bytes) / (large_bytes - small_bytes);
      best = std::max(best, static_cast<double>(large) * large_writes +
                                static_cast<double>(small) * (writes - large_writes));
    }
  }
  const auto clients = static_cast<double>(in_flight);
  best = std::min(best, clients / volume.latency_s);
  return {.records_per_second = best, .mean_latency_s = clients / best};
}

}  // namespace seqwal::bench
