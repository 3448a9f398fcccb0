#include "seqwal/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "seqwal/format.h"

namespace seqwal {

std::uint64_t LatencyHistogram::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Nanoseconds LatencyHistogram::percentile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total())));
  std::uint64_t seen = 0;
  for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts.at(bucket);
    if (seen >= wanted && seen > 0) return upper_bound(bucket);
  }
  return 0;
}

namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

// A write of k records, `clients` at most, costs one operation and b(k) bytes. How often which size
// is written is a linear program with two limits, so an optimum is a single size that spends one of
// them, or two sizes that spend both.
double best_of_volume(double clients, double record_bytes, double iops, double bytes_per_second) {
  const double operations = iops > 0 ? iops : kUnlimited;
  const double bytes = bytes_per_second > 0 ? bytes_per_second : kUnlimited;
  const auto block_bytes = [&](double records) {
    return kBlockBytes * std::ceil(records * record_bytes / kBlockBytes);
  };
  const auto most = static_cast<std::uint32_t>(std::round(std::clamp(clients, 1.0, 1024.0)));
  double best = 0;
  for (std::uint32_t i = 1; i <= most; ++i) {
    const double k = i;
    const double rate = std::min(operations, bytes / block_bytes(k));
    best = std::max(best, k * rate);
    // Both limits spent: x_i + x_j = operations, b_i x_i + b_j x_j = bytes.
    for (std::uint32_t j = i + 1; j <= most && operations < kUnlimited && bytes < kUnlimited; ++j) {
      const double small = block_bytes(k);
      const double large = block_bytes(j);
      if (large <= small || bytes < small * operations || bytes > large * operations) continue;
      const double of_large = (bytes - small * operations) / (large - small);
      best = std::max(best, k * (operations - of_large) + j * of_large);
    }
  }
  return best;
}

double best_by_latency(double clients, Nanoseconds latency) {
  return latency > 0 ? clients * 1e9 / static_cast<double>(latency) : kUnlimited;
}

}  // namespace

// The third limit, clients / latency, only scales the best of the volume down.
double best_records_per_second(double clients, double record_bytes, double iops,
                               double bytes_per_second, Nanoseconds latency) {
  return std::min(best_of_volume(clients, record_bytes, iops, bytes_per_second),
                  best_by_latency(clients, latency));
}

double efficiency(const LogMetrics& from, const LogMetrics& to) {
  const double seconds = static_cast<double>(to.time - from.time) / 1e9;
  const auto records = static_cast<double>(to.records - from.records);
  if (seconds <= 0 || records <= 0 || (to.iops == 0 && to.bytes_per_second == 0)) return 0;
  const double appends = (to.append_seconds - from.append_seconds) / seconds;
  const double record_bytes = static_cast<double>(to.record_bytes - from.record_bytes) / records;
  // Clients that come back together are more at once than on average.
  const auto writes = static_cast<double>(to.block_writes - from.block_writes);
  const double at_once = std::max(appends, writes > 0 ? records / writes : 0);
  const double best = std::min(best_of_volume(at_once, record_bytes, static_cast<double>(to.iops),
                                              static_cast<double>(to.bytes_per_second)),
                               best_by_latency(appends, to.latency));
  return records / seconds / best;
}

}  // namespace seqwal
