// The Device over io_uring. One ring, one owner thread at a time.
//
// A ring belongs to the thread that made it, since that is what lets the kernel leave results where
// they are until the owner asks for them (no interruptions, no locks). The Device contract allows
// the owner to change while nothing is in flight: then the new owner makes itself a new ring.
#ifndef SEQWAL_BACKENDS_URING_DEVICE_H
#define SEQWAL_BACKENDS_URING_DEVICE_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "file.h"
#include "raw_ring.h"
#include "request_slot.h"
#include "seqwal/device.h"
#include "seqwal/error.h"

namespace seqwal {

class UringDevice final : public Device {
 public:
  struct Opened {
    std::unique_ptr<Device> device;
    std::string notes;  // which optional features were refused, and why; mostly empty
  };

  // Takes `file` over when it succeeds, leaves it alone when io_uring doesn't work here
  // (unsupported, with the reason).
  // Precondition: limits.depth >= 1.
  [[nodiscard]] static Result<Opened> open(File& file, const DeviceLimits& limits,
                                           RingFactory factory = open_system_ring);
  // Waits a few seconds for what is still in flight. What still doesn't come back is leaked on
  // purpose, with ring, descriptor and lock: the kernel may yet write to it.
  ~UringDevice() override;
  UringDevice(const UringDevice&) = delete;
  UringDevice& operator=(const UringDevice&) = delete;

  const DeviceLimits& limits() const override { return limits_; }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override;
  void wake() override;
  int use_memory(std::span<const std::span<std::byte>> regions) override;

 private:
  enum class WakeState : std::uint32_t { awake, asleep, notified };

  UringDevice(File file, File wake_file, const DeviceLimits& limits, RingFactory factory);

  void attach();
  int register_memory();
  [[nodiscard]] std::optional<std::uint32_t> buffer_of(std::span<const iovec> vectors) const;
  void start(const IoRequest& request);
  void issue(std::uint32_t slot);
  void collect();
  void take_results();
  void take_result(std::uint32_t slot, std::int64_t result);
  void finish(std::uint32_t slot, int os_error);
  void submit_queued();
  void judge_submission(int result);
  void fail_queued(int os_error);
  void sleep(Nanoseconds deadline);
  void sleep_without_ring(Nanoseconds deadline);
  [[nodiscard]] std::size_t in_kernel() const { return in_flight_ - done_.size(); }

  // Owner thread only, but for limits_ (constant) and wake_state_ and wake_file_ (any thread).
  File file_;
  File wake_file_;  // an eventfd
  DeviceLimits limits_;
  RingFactory factory_;
  std::unique_ptr<RequestSlot[]> slots_;
  std::vector<std::uint32_t> free_;
  SlotQueue done_;                     // finished, not reaped
  std::vector<std::uint64_t> queued_;  // ids in the order they were queued; the last ones may
                                       // still be in the ring's queue
  std::size_t in_flight_ = 0;          // accepted, not reaped
  std::vector<iovec> memory_;          // as it was announced
  bool memory_registered_ = false;     // all of it, with ring_
  std::unique_ptr<RawRing> ring_;
  std::uint64_t owner_ = 0;  // the thread that ring_ was made by and for
  int ring_error_ = 0;       // why there is no ring
  bool wake_armed_ = false;
  Nanoseconds stalled_since_ = kNever;  // the kernel refuses to take requests since then
  std::atomic<WakeState> wake_state_{WakeState::awake};
};

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_URING_DEVICE_H
