// The theoretical bound: the best that any log can do on a volume, whatever it knows.
//
// Computed by the log's own best_records_per_second (metrics.h), which says how.
#pragma once

#include <cstdint>

namespace seqwal::bench {

struct Volume {
  double writes_per_second = 0;  // I
  double bytes_per_second = 0;   // B
  double latency_s = 0;          // L
};

struct Bound {
  double records_per_second = 0;
  double mean_latency_s = 0;
};

// `in_flight` appends at a time of bodies of `record_bytes`. Both at least 1; all of the volume
// greater than 0. Cost: in_flight squared.
[[nodiscard]] Bound bound_of(const Volume& volume, std::uint64_t in_flight,
                             std::uint64_t record_bytes);

// The best mean latency of records that arrive independently of each other, at a rate well above I:
// writes begin 1/I apart at best, so a record waits for half of that on average, and then L.
[[nodiscard]] double open_loop_mean_latency_s(const Volume& volume);

}  // namespace seqwal::bench
