// RecordingDevice: a Device around another one that writes down every write and flush: what, where,
// when it was submitted, and when its completion was reaped. From that every state can be rebuilt
// that a power cut at any moment could have left on the disk, whatever it did with what it was not
// yet bound to keep.
//
// A moment is a number that grows with every submission and every completion. A power cut at moment
// m comes after everything that happened at m or before, and before everything after it.
#ifndef SEQWAL_TESTS_SUPPORT_RECORDING_DEVICE_H
#define SEQWAL_TESTS_SUPPORT_RECORDING_DEVICE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "seqwal/device.h"

namespace seqwal::testing_support {

struct RecordedIo {
  IoToken token;
  IoKind kind = IoKind::write;  // or a flush
  bool durable = false;
  std::uint64_t position = 0;
  std::vector<std::byte> bytes;  // of a write, as they were when it was submitted
  std::uint64_t submitted = 0;   // moments
  std::uint64_t completed = 0;   // 0: never, or not well
  std::uint64_t settled = 0;     // from then on it is on stable media, whatever happens; 0: never
};

class RecordingDevice final : public Device {
 public:
  // `disk` and `durable_write` are what the log is told of the device, and what its promises are
  // judged by; the device below must keep at least as much.
  RecordingDevice(Device& device, bool volatile_cache, DurableWrite durable_write);

  const DeviceLimits& limits() const override { return limits_; }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override { device_.wait(deadline); }
  void wake() override { device_.wake(); }
  int use_memory(std::span<const std::span<std::byte>> regions) override {
    return device_.use_memory(regions);
  }

  [[nodiscard]] std::uint64_t moment() const { return moment_; }
  [[nodiscard]] const std::vector<RecordedIo>& history() const { return history_; }

 private:
  void settle(const RecordedIo& flush);

  Device& device_;
  DeviceLimits limits_;
  std::uint64_t moment_ = 0;
  std::vector<RecordedIo> history_;  // in the order of submission
};

// Rebuilds what stood on the disk, moment by moment.
class Replay {
 public:
  // What a cut leaves of a write that was not settled: writes over `sectors` (a copy of what the
  // disk held) as much of `bytes` as it likes.
  using Fate = std::function<void(std::span<std::byte> sectors, std::span<const std::byte> bytes)>;

  Replay(std::vector<std::byte> before, const std::vector<RecordedIo>& history)
      : image_(std::move(before)), history_(history) {}

  // Goes on to this moment, never back.
  void advance(std::uint64_t moment);
  // How many writes a cut now may lose.
  [[nodiscard]] std::size_t unsettled() const;
  // What a cut now leaves. `fate` is called for each write that it may lose, in their order.
  [[nodiscard]] std::vector<std::byte> cut(const Fate& fate) const;

 private:
  [[nodiscard]] bool is_settled(const RecordedIo& io) const {
    return io.settled != 0 && io.settled <= moment_;
  }

  std::vector<std::byte> image_;  // everything before first_, which is settled
  const std::vector<RecordedIo>& history_;
  std::size_t first_ = 0;
  std::size_t end_ = 0;  // submitted by now
  std::uint64_t moment_ = 0;
};

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_RECORDING_DEVICE_H
