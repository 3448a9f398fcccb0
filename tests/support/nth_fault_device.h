// NthFaultDevice: a MemoryDevice whose n-th request meets a fault, once or from then on.
//
// Every request is made of raw operations and finished by Transfer, as in a real device, so that
// short and refused ones are faults like any other.
//
// Threads: one.
#ifndef SEQWAL_TESTS_SUPPORT_NTH_FAULT_DEVICE_H
#define SEQWAL_TESTS_SUPPORT_NTH_FAULT_DEVICE_H

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "seqwal/device.h"
#include "seqwal/transfer.h"
#include "tests/support/memory_device.h"

namespace seqwal::testing_support {

enum class NthFaultKind : std::uint8_t {
  error,   // fails with os_error; half of a write lands, or all of it, or nothing, by turns
  pieces,  // raw operations move half of what they are asked for, in whole blocks
  again,   // raw operations do nothing and say os_error, once or for ever
  zero,    // raw operations move nothing
  hang,    // does not complete before release_hung()
};

struct NthFault {
  std::string_view name;
  NthFaultKind kind = NthFaultKind::error;
  std::optional<IoKind> target;  // none: any
  int os_error = 0;
  std::uint64_t nth = 0;  // 1 = the first request that it may strike; 0 = never
  bool persistent = false;
};

class NthFaultDevice final : public Device {
 public:
  NthFaultDevice(std::uint64_t size_bytes, const DeviceLimits& limits);

  const DeviceLimits& limits() const override { return memory_->limits(); }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override { memory_->wait(deadline); }
  void wake() override { memory_->wake(); }

  void set_fault(const NthFault& fault) { fault_ = fault; }
  // Hangs strike only from now on, or no more: who waits without a deadline would wait for ever.
  void allow_hangs(bool allowed) { hangs_allowed_ = allowed; }
  // How often the fault has struck.
  [[nodiscard]] std::uint64_t strikes() const { return strikes_; }
  [[nodiscard]] bool hangs() const;
  // What hangs completes, done (0) or failed.
  void release_hung(int os_error);
  [[nodiscard]] std::size_t in_flight() const { return pending_.size() + done_.size(); }
  // The process is gone, with everything in flight; the fault goes on. The next one finds what
  // reads saw, or what a power cut leaves, and what `change` makes of it.
  void restart(bool power_cut, const std::function<void(std::span<std::byte>)>& change = {});
  [[nodiscard]] const MemoryDevice& memory() const { return *memory_; }

 private:
  struct Pending {
    IoRequest request;  // its segments are the transfer's
    Transfer transfer;
    bool struck = false;
    bool hangs = false;
    std::size_t raw_bytes = 0;  // of the raw operation in flight
  };

  [[nodiscard]] bool meets_fault(const IoRequest& request);
  void issue(std::uint32_t id, Pending& pending);
  void fail_by_fault(Pending& pending);
  void finish(std::uint32_t id, int os_error);

  void prepare_memory();

  std::unique_ptr<MemoryDevice> memory_;
  NthFault fault_;
  bool hangs_allowed_ = false;
  std::uint64_t seen_ = 0;
  std::uint64_t strikes_ = 0;
  std::uint32_t last_id_ = 0;
  std::map<std::uint32_t, Pending> pending_;
  std::deque<IoCompletion> done_;
};

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_NTH_FAULT_DEVICE_H
