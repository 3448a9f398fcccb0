// CountingDevice: passes everything on to another Device, and counts the writes.
#pragma once

#include <atomic>
#include <cstdint>

#include "seqwal/device.h"

namespace seqwal::bench {

struct WriteCount {
  std::uint64_t writes = 0;
  std::uint64_t bytes = 0;
};

class CountingDevice final : public Device {
 public:
  // `device` is not owned and must outlive this.
  explicit CountingDevice(Device& device) : device_(device) {}

  const DeviceLimits& limits() const override { return device_.limits(); }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override {
    return device_.reap(completions);
  }
  void wait(Nanoseconds deadline) override { device_.wait(deadline); }
  int use_memory(std::span<const std::span<std::byte>> regions) override {
    return device_.use_memory(regions);
  }
  void wake() override { device_.wake(); }

  // Accepted so far. Any thread.
  [[nodiscard]] WriteCount written() const;

 private:
  Device& device_;
  std::atomic<std::uint64_t> writes_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace seqwal::bench
