// DepthControl: how many block writes are in flight at once.
//
// A volume with limits needs no more than its rate times its latency; what is beyond only keeps
// records from merging. Where no limit is known the depth is felt for: one more while latency stays
// near the shortest seen and the depth is what holds writes back, one less when latency has grown
// and throughput has not. Pure bookkeeping on the clock of poll. One thread.
#ifndef SEQWAL_DEPTH_CONTROL_H
#define SEQWAL_DEPTH_CONTROL_H

#include <cstdint>

#include "seqwal/types.h"

namespace seqwal {

class DepthControl {
 public:
  static constexpr std::uint32_t kMost = 32;

  // `fixed` > 0: that, whatever happens. Else by `iops`, or felt for where that is 0.
  DepthControl(std::uint32_t fixed, std::uint64_t iops);

  [[nodiscard]] std::uint32_t depth() const { return depth_; }
  // A write waits because so many are in flight.
  void saturated() { saturated_ = true; }
  // A write of `bytes` completed, `latency` after it was submitted.
  void completed(Nanoseconds now, Nanoseconds latency, std::uint64_t bytes);
  // The shortest latency of late, 0 until one is known: the mean over some writes, of the first
  // writes the shortest.
  [[nodiscard]] Nanoseconds latency() const { return shortest_; }

 private:
  void close_window(Nanoseconds now);
  void adapt(Nanoseconds mean, std::uint64_t rate);

  const bool fixed_;
  const std::uint64_t iops_;
  std::uint32_t depth_;
  Nanoseconds shortest_ = 0;

  // Of the window that is being filled.
  std::uint32_t count_ = 0;
  std::uint64_t bytes_ = 0;
  Nanoseconds latencies_ = 0;
  Nanoseconds begin_ = 0;
  bool saturated_ = false;
  // Of the windows before.
  bool measured_ = false;        // there were some
  std::uint64_t last_rate_ = 0;  // bytes in a millisecond
};

}  // namespace seqwal

#endif  // SEQWAL_DEPTH_CONTROL_H
