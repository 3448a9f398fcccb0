#include "depth_control.h"

#include <algorithm>

namespace seqwal {
namespace {

constexpr std::uint32_t kFirst = 4;
constexpr std::uint32_t kWindow = 32;  // completions
constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

DepthControl::DepthControl(std::uint32_t fixed, std::uint64_t iops)
    : fixed_(fixed > 0), iops_(iops), depth_(iops > 0 ? 1 : kFirst) {
  if (fixed_) depth_ = fixed;
}

void DepthControl::completed(Nanoseconds now, Nanoseconds latency, std::uint64_t bytes) {
  if (!measured_) shortest_ = count_ == 0 ? latency : std::min(shortest_, latency);
  latencies_ += latency;
  bytes_ += bytes;
  if (++count_ == kWindow) close_window(now);
}

void DepthControl::close_window(Nanoseconds now) {
  const Nanoseconds mean = latencies_ / kWindow;
  // A device that has become slower is not compared with its past for ever. Where the depth is felt
  // for, that comes down to one write at a time, which queues behind nothing.
  const bool feels = !fixed_ && iops_ == 0;
  const Nanoseconds crept = feels ? shortest_ : shortest_ + shortest_ / 64;
  shortest_ = measured_ && (!feels || depth_ != 1) ? std::min(mean, crept) : mean;
  const auto elapsed = static_cast<std::uint64_t>(std::max<Nanoseconds>(now - begin_, 1));
  if (!fixed_ && iops_ > 0) {
    const std::uint64_t needed =
        (iops_ * static_cast<std::uint64_t>(shortest_) + kSecond - 1) / kSecond;
    depth_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(needed, 1, kMost));
  } else if (feels) {
    adapt(mean, bytes_ * 1'000'000 / elapsed);
  }
  measured_ = true;
  count_ = 0;
  bytes_ = 0;
  latencies_ = 0;
  begin_ = now;
  saturated_ = false;
}

void DepthControl::adapt(Nanoseconds mean, std::uint64_t rate) {
  if (saturated_ && mean * 10 <= shortest_ * 11) {
    depth_ = std::min(depth_ + 1, kMost);
  } else if (mean * 2 > shortest_ * 3 && rate * 20 <= last_rate_ * 21) {
    depth_ = std::max(depth_ - 1, 1U);
  }
  last_rate_ = rate;
}

}  // namespace seqwal
