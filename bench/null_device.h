// NullDevice: completes everything at once, and keeps nothing but the two WAL headers. There stands
// an empty log, so large that nothing ever has to be trimmed.
#pragma once

#include <array>
#include <cstddef>
#include <deque>

#include "seqwal/device.h"
#include "seqwal/format.h"

namespace seqwal::bench {

class NullDevice final : public Device {
 public:
  NullDevice();

  const DeviceLimits& limits() const override { return limits_; }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds /*deadline*/) override {}
  void wake() override {}

 private:
  void transfer(const IoRequest& request);

  DeviceLimits limits_;
  std::array<std::byte, kHeaderAreaBytes> headers_{};
  std::deque<IoToken> done_;
};

}  // namespace seqwal::bench
