// Timing: how long a simulated disk takes. The same models serve chaos and performance.
//
//   any_order    no time at all: any request in flight may complete next, by choice
//   exponential  base + exponential jitter
//   tails        the same, but one in some hundred takes a hundred times as long
//
// A throttle stands before all of them: at most iops requests and bytes_per_second bytes a second
// begin; what exceeds it queues, in order. The way cloud volumes do it. What of its rates nobody
// uses it keeps for a while, if it is told to. And it may stall: answer nobody for some time, again
// and again.
#ifndef SEQWAL_SIM_TIMING_H
#define SEQWAL_SIM_TIMING_H

#include <cstdint>

#include "seqwal/sim/choice.h"
#include "seqwal/types.h"

namespace seqwal::sim {

enum class TimingModel : std::uint8_t { any_order, exponential, tails };

class Timing {
 public:
  struct Options {
    TimingModel model = TimingModel::any_order;
    Nanoseconds base = 100'000;
    Nanoseconds jitter = 50'000;         // mean of the exponential part
    std::uint64_t iops = 0;              // 0 = no limit
    std::uint64_t bytes_per_second = 0;  // 0 = no limit
    std::uint64_t tail_one_in = 200;
    Nanoseconds saved = 0;        // the throttle keeps what nobody used for so long
    Nanoseconds stall = 0;        // nobody is answered for so long,
    Nanoseconds stall_every = 0;  // once in this time; 0 = never
  };

  Timing() = default;
  explicit Timing(const Options& options) : options_(options) {}

  // When a request of `bytes` that is submitted now completes.
  [[nodiscard]] Nanoseconds completion(Nanoseconds now, std::uint64_t bytes, Choices& choices);
  [[nodiscard]] bool any_order() const { return options_.model == TimingModel::any_order; }

 private:
  [[nodiscard]] Nanoseconds begin(Nanoseconds now, std::uint64_t bytes);
  [[nodiscard]] Nanoseconds after_stall(Nanoseconds time) const;
  [[nodiscard]] Nanoseconds exponential(Choices& choices) const;

  Options options_;
  Nanoseconds next_operation_ = 0;  // when the throttle lets the next one begin
  Nanoseconds next_byte_ = 0;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_TIMING_H
