#include "seqwal/sim/timing.h"

#include <algorithm>
#include <array>
#include <bit>

namespace seqwal::sim {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr unsigned kFractionBits = 10;

// -log2(u) for u = draw / 2^32, in units of 2^-kFractionBits. Integers only, so that every machine
// computes the same: the exponent exactly, the mantissa by the line between its ends (off by at
// most 0.09).
std::uint64_t minus_log2(std::uint64_t draw) {
  const auto exponent = static_cast<unsigned>(std::bit_width(draw)) - 1;
  const std::uint64_t mantissa = (draw << (32U - exponent)) & 0xFFFFFFFFU;
  const std::uint64_t whole = std::uint64_t{32 - exponent} << kFractionBits;
  return whole - (mantissa >> (32U - kFractionBits));
}

}  // namespace

// The draw counts from its simple end: 0 is the shortest.
Nanoseconds Timing::exponential(Choices& choices) const {
  const std::uint64_t draw =
      (std::uint64_t{1} << 32U) - choices.choose(Stream::latency, 0xFFFFFFFFU, "jitter");
  // log2 to natural: times ln 2 = 710 / 1024.
  const std::uint64_t scaled = minus_log2(draw) * 710 / 1024;
  return static_cast<Nanoseconds>(static_cast<std::uint64_t>(options_.jitter) * scaled >>
                                  kFractionBits);
}

Nanoseconds Timing::begin(Nanoseconds now, std::uint64_t bytes) {
  Nanoseconds start = now;
  const auto wait_for = [&](Nanoseconds& next, std::uint64_t cost) {
    start = std::max(start, next);
    next = std::max(next, start - options_.saved) + static_cast<Nanoseconds>(cost);
  };
  if (options_.iops != 0) wait_for(next_operation_, kSecond / options_.iops);
  if (options_.bytes_per_second != 0) {
    wait_for(next_byte_, bytes * kSecond / options_.bytes_per_second);
  }
  return start;
}

// Stalls come at the end of each interval.
Nanoseconds Timing::after_stall(Nanoseconds time) const {
  if (options_.stall_every == 0) return time;
  const Nanoseconds end = (time / options_.stall_every + 1) * options_.stall_every;
  return time < end - options_.stall ? time : end;
}

Nanoseconds Timing::completion(Nanoseconds now, std::uint64_t bytes, Choices& choices) {
  const Nanoseconds start = begin(now, bytes);
  if (any_order()) return after_stall(start);
  Nanoseconds took = options_.base + exponential(choices);
  if (options_.model == TimingModel::tails &&
      choices.one_in(Stream::latency, options_.tail_one_in, "tail")) {
    took *= 100;
  }
  return after_stall(start + took);
}

}  // namespace seqwal::sim
