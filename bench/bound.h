// The theoretical bound: the best that any log can do on a volume, whatever it knows.
//
// A volume lets I writes and B bytes a second begin, each takes at least L. A block write of k
// records costs one write and b(k) bytes, rounded up to blocks. With N appends in flight all the
// time and x_k block writes of k records a second, the best throughput is
//
//   max sum k*x_k   subject to   sum x_k <= I,  sum b(k)*x_k <= B,  sum k*x_k <= N/L,  1 <= k <= N
//
// and the best mean latency N over that. Acknowledging in order has the same bound: one write in
// flight that carries everybody attains it.
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

}  // namespace seqwal::bench
