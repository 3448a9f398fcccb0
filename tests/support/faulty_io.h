// The two raw interfaces of the backends with faults put in: for each operation a plan says whether
// it proceeds, is cut short, or fails without being done.
//
// A short result is short in truth: only that part of the transfer is done (in whole 512-byte
// sectors, since direct I/O can't do less), so that a device which took it for the whole loses
// bytes, and a test sees it.
#ifndef SEQWAL_TESTS_SUPPORT_FAULTY_IO_H
#define SEQWAL_TESTS_SUPPORT_FAULTY_IO_H

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "backends/src/raw_io.h"
#include "backends/src/raw_ring.h"
#include "seqwal/device.h"

namespace seqwal::testing_support {

struct RawCall {
  std::uint64_t number = 0;  // 0, 1, 2, … over all calls of this object
  IoKind kind = IoKind::read;
  bool durable = false;
  std::uint64_t position_bytes = 0;
  std::uint64_t length_bytes = 0;
};

// What a plan answers for an operation that does not come back: never, or when a Hanging says so.
inline constexpr std::int64_t kHangs = std::numeric_limits<std::int64_t>::min();

// Where operations hang. Threads: any.
class Hanging {
 public:
  // All that hang, now and later, come back: done after all, or with this result and not done.
  void release(std::optional<std::int64_t> result = {});
  [[nodiscard]] bool released() const;
  [[nodiscard]] std::optional<std::int64_t> result() const;
  [[nodiscard]] std::uint64_t count() const;  // that have hung so far
  void begin();
  void wait();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  std::optional<std::int64_t> result_;
  std::uint64_t count_ = 0;
};

// nothing = proceed; n > 0 = report n bytes, and do no more than that; 0 or a negative errno =
// report it and do nothing. Called by one thread at a time.
using FaultPlan = std::function<std::optional<std::int64_t>(const RawCall&)>;

// Every transfer is short, EAGAIN or EINTR now and then, for all kinds of sizes; a function of the
// call's number and the seed.
[[nodiscard]] FaultPlan harassment(std::uint64_t seed);

class FaultyIo final : public RawIo {
 public:
  explicit FaultyIo(FaultPlan plan, std::shared_ptr<Hanging> hanging = {})
      : plan_(std::move(plan)), hanging_(std::move(hanging)) {}

  std::int64_t read(int fd, std::span<const iovec> vectors, std::uint64_t position_bytes) override;
  std::int64_t write(int fd, std::span<const iovec> vectors, std::uint64_t position_bytes,
                     bool durable) override;
  std::int64_t flush(int fd) override;

  [[nodiscard]] std::uint64_t calls() const { return calls_.load(); }

 private:
  std::optional<std::int64_t> ask(RawCall call);

  FaultPlan plan_;
  std::shared_ptr<Hanging> hanging_;
  std::mutex mutex_;  // of plan_
  std::atomic<std::uint64_t> calls_{0};
};

// What a faulty ring does beside its operations. Shared by all rings of one factory.
struct RingScript {
  FaultPlan plan;
  std::shared_ptr<Hanging> hanging = {};  // where what hangs comes back from, if at all
  std::deque<int> submit_results;         // each submission uses one up: nonzero = refused with it
  bool submit_always_refused = false;
  int submit_refusal = 0;         // with that
  std::deque<int> setup_results;  // each set-up uses one up: nonzero = refused with it
  int register_refusal = 0;       // buffers are refused with that
  std::uint64_t setups = 0;
  std::uint64_t registrations = 0;     // of buffers, not counting letting go
  std::uint64_t fixed_operations = 0;  // with a registered buffer
  std::uint64_t operations = 0;
};

// Rings over the real io_uring, with faults. The script is looked at by the device's owner thread.
[[nodiscard]] RingFactory faulty_rings(const std::shared_ptr<RingScript>& script);

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_FAULTY_IO_H
