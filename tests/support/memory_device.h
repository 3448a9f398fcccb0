// MemoryDevice: a Device in memory, deterministic and under the test's control.
//
// As it comes it is the simplest good disk: requests complete in order, at the next reap. What a
// test may change, all of it at any time:
//
//   order       in_order; shuffled (each reap completes one or more, picked by a seed); or held:
//               nothing completes until the test says which: pending(), complete(i),
//               complete_all(), fail(i, errno). Completing applies the effect to the image at once;
//               reap then hands the completion out.
//   payload     taken from the buffers at completion (default) or at submit; a real disk does it at
//               any moment between. With check_buffers, a buffer that changes in between aborts.
//   faults      add_fault(): fail the n-th write, read or flush with an errno, of which the first
//               bytes may land all the same.
//   wait        returns at once (default), so that a single-threaded test never blocks, and
//               idle_waits() counts those with nothing to reap; or blocks, for tests with threads.
//
// What it aborts the test for: overlapping requests in flight (at least one of them a write), and
// destruction with something in flight.
//
// What it holds:
//   image()          everything completed, as reads see it;
//   durable_image()  what is left when power is lost now and the volatile cache with it: durable
//                    writes, and what a flush covered. The same as image() without volatile cache.
//                    What is in flight is in neither of them.
// A failed flush or durable write drops silently what it covered from the cache: it stays in
// image(), but no later flush makes it durable.
//
// Threads: one at a time; wake() any.
#ifndef SEQWAL_TESTS_SUPPORT_MEMORY_DEVICE_H
#define SEQWAL_TESTS_SUPPORT_MEMORY_DEVICE_H

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "seqwal/device.h"

namespace seqwal::testing_support {

enum class CompletionOrder : std::uint8_t { in_order, shuffled, held };
enum class PayloadMoment : std::uint8_t { at_completion, at_submit };
enum class WaitMode : std::uint8_t { returns_at_once, blocks };

// A request in flight that has not completed.
struct PendingIo {
  IoToken token;
  IoKind kind = IoKind::read;
  bool durable = false;
  DevicePosition position;
  std::uint64_t length_bytes = 0;
};

struct InjectedFault {
  IoKind kind = IoKind::write;
  std::uint64_t nth = 1;           // 1 = the next one submitted after add_fault
  int os_error = 5;                // EIO
  std::uint64_t landed_bytes = 0;  // of a write: this much of it reaches image(), never durably
  bool persistent = false;         // every one from the n-th on
};

// How many requests were submitted and valid.
struct IoCounts {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t durable_writes = 0;  // counted in writes too
  std::uint64_t flushes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
};

class MemoryDevice final : public Device {
 public:
  // What the limits of a MemoryDevice are unless said otherwise: depth 32, no volatile cache.
  [[nodiscard]] static DeviceLimits default_limits();

  // All zero. limits.size_bytes is ignored, the size given counts.
  explicit MemoryDevice(std::uint64_t size_bytes, const DeviceLimits& limits = default_limits());
  // With these contents, all of them durable.
  explicit MemoryDevice(std::vector<std::byte> image,
                        const DeviceLimits& limits = default_limits());
  ~MemoryDevice() override;

  const DeviceLimits& limits() const override { return limits_; }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override;
  void wake() override;
  // Checks what the contract demands, and remembers.
  int use_memory(std::span<const std::span<std::byte>> regions) override;

  // --- control
  void set_order(CompletionOrder order, std::uint64_t seed = 1);
  void set_payload_moment(PayloadMoment moment) { payload_moment_ = moment; }
  void set_check_buffers(bool on) { check_buffers_ = on; }
  void set_wait_mode(WaitMode mode) { wait_mode_ = mode; }
  void add_fault(const InjectedFault& fault);
  void set_use_memory_answer(int os_error) { use_memory_answer_ = os_error; }
  // The process is gone: what is in flight never completes, nothing more is accepted or reaped.
  void abandon();

  // --- held requests, in submission order
  [[nodiscard]] std::vector<PendingIo> pending() const;
  void complete(std::size_t index);
  void complete_all();
  // Nothing of it lands.
  void fail(std::size_t index, int os_error);

  // --- contents and counters
  [[nodiscard]] const std::vector<std::byte>& image() const { return image_; }
  [[nodiscard]] std::vector<std::byte>& image() { return image_; }  // to damage it
  [[nodiscard]] const std::vector<std::byte>& durable_image() const;
  [[nodiscard]] const IoCounts& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t idle_waits() const { return idle_waits_; }
  [[nodiscard]] const std::vector<std::span<std::byte>>& memory() const { return memory_; }
  [[nodiscard]] std::uint64_t memory_calls() const { return memory_calls_; }
  // Writes that came from it.
  [[nodiscard]] std::uint64_t writes_from_memory() const { return writes_from_memory_; }
  [[nodiscard]] std::size_t in_flight() const { return pending_.size() + done_.size(); }

 private:
  struct Pending {
    PendingIo io;
    std::array<IoSegment, kMaxSegments> segments{};
    std::size_t segment_count = 0;
    std::vector<std::byte> payload;  // of a write, when taken at submit
    std::uint64_t buffer_hash = 0;   // of a write, when buffers are checked
    std::uint64_t submitted_at = 0;  // of a flush: it covers writes reaped before
    std::optional<InjectedFault> fault;
  };
  // A completed write that only the volatile cache has.
  struct CachedWrite {
    std::uint64_t order = 0;      // of completion
    std::uint64_t reaped_at = 0;  // 0 = not yet
    std::uint64_t position = 0;
    std::vector<std::byte> bytes;
  };
  struct Done {
    PendingIo io;
    int os_error = 0;
    std::uint64_t order = 0;  // of the CachedWrite it made, 0 = none
  };

  void accept(const IoRequest& request);
  [[nodiscard]] bool is_from_memory(const IoSegment& segment) const;
  void forbid_overlap(const PendingIo& io) const;
  [[nodiscard]] std::optional<InjectedFault> next_fault(IoKind kind);
  void count(const PendingIo& io);
  [[nodiscard]] Pending take(std::size_t index);
  void complete_one(std::size_t index);
  void complete_some(std::size_t wanted);
  void finish(const Pending& pending, int os_error, std::uint64_t landed_bytes);
  void apply_read(const Pending& pending);
  [[nodiscard]] std::uint64_t apply_write(const Pending& pending, std::uint64_t landed_bytes,
                                          bool failed);
  void settle_cache(std::uint64_t reaped_before, bool kept);
  void make_durable(std::uint64_t position, std::span<const std::byte> bytes, std::uint64_t order);
  void mark_reaped(const Done& done);
  [[nodiscard]] std::uint64_t next_random();

  DeviceLimits limits_;
  std::vector<std::byte> image_;
  std::vector<std::byte> stable_;            // with a volatile cache only
  std::vector<std::uint64_t> stable_order_;  // per 512 bytes: which write it is from
  std::deque<CachedWrite> cache_;
  std::deque<Pending> pending_;
  std::deque<Done> done_;
  std::uint64_t write_order_ = 0;  // counts completed writes
  std::uint64_t moment_ = 0;       // counts reaped writes and submitted flushes
  CompletionOrder order_ = CompletionOrder::in_order;
  PayloadMoment payload_moment_ = PayloadMoment::at_completion;
  WaitMode wait_mode_ = WaitMode::returns_at_once;
  bool check_buffers_ = false;
  bool abandoned_ = false;
  std::uint64_t random_ = 1;
  std::vector<InjectedFault> faults_;  // nth counts down
  IoCounts counts_;
  std::uint64_t idle_waits_ = 0;
  std::vector<std::span<std::byte>> memory_;  // announced
  std::uint64_t memory_calls_ = 0;
  std::uint64_t writes_from_memory_ = 0;
  int use_memory_answer_ = 0;

  std::mutex wake_mutex_;  // of woken_
  std::condition_variable woken_changed_;
  bool woken_ = false;
};

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_MEMORY_DEVICE_H
