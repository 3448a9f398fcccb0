// An image in memory, and a read-only Device over it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "seqwal/device.h"
#include "seqwal/recovery.h"

namespace seqwal::fuzz {

// What recovery gets to see.
struct HostileImage {
  std::span<const std::byte> bytes;  // of the whole device
  std::vector<bool> unreadable;      // by block of 4096 bytes
  DeviceLimits limits;
  bool last_first = false;         // which of the reads in flight completes first
  bool errors_keep_bytes = false;  // a failed read leaves rubbish, or all that it was asked for
  RecoveryOptions options;
  std::uint32_t frugal_mode = 0;  // in which mode it also reads with as little memory as possible
};

// Memory for images: zero where nobody wrote, and what nobody touched costs nothing.
class ImageMemory {
 public:
  ImageMemory();
  ~ImageMemory();
  ImageMemory(const ImageMemory&) = delete;
  ImageMemory& operator=(const ImageMemory&) = delete;

  static constexpr std::size_t kBytes = std::size_t{8} << 20U;

  [[nodiscard]] std::span<const std::byte> first(std::size_t bytes) const {
    return std::span(data_, kBytes).first(bytes);
  }
  // To write to. Precondition: inside of kBytes.
  [[nodiscard]] std::span<std::byte> at(std::uint64_t position, std::size_t length);
  // All zero again.
  void clear();

 private:
  std::byte* data_ = nullptr;
  std::vector<bool> touched_;  // by block
};

// Counts what is read. Aborts where it is asked for anything but reads and flushes, or for
// something behind `log_end_bytes`.
class ImageDevice final : public Device {
 public:
  ImageDevice(const HostileImage& image, std::uint64_t log_end_bytes);
  ~ImageDevice() override;

  const DeviceLimits& limits() const override { return limits_; }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override;
  void wake() override {}

  [[nodiscard]] std::uint64_t read_bytes() const { return read_bytes_; }

 private:
  struct Pending {
    IoToken token;
    DevicePosition position;
    std::array<IoSegment, kMaxSegments> segments{};
    std::size_t segment_count = 0;
  };
  void accept(const IoRequest& request);
  [[nodiscard]] int transfer(const Pending& pending) const;

  const HostileImage& image_;
  const DeviceLimits limits_;
  const std::uint64_t log_end_bytes_;
  std::vector<Pending> pending_;
  std::uint64_t read_bytes_ = 0;
};

}  // namespace seqwal::fuzz
