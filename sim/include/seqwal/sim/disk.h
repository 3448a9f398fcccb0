// Disk: a disk that reorders, forgets and fails within limits, and the Device over it.
//
// Three stages: in flight → volatile cache → stable media, in sectors of 512 bytes. What reads see
// is the newest of cache and media. A write that completed is in the cache (or, without one, on the
// media); a durable write and a flush move to the media what they cover, and nothing else.
//
// Losing power leaves of every write that was not durable what a Fate says, each for itself, so
// that later ones may outlive earlier ones. Killing the process lets each write in flight land as a
// whole, or never. Never-written bytes read as noise.
//
// A write's bytes are taken when it is submitted and compared when it completes: whoever changed
// them in between broke the Device contract. A read's buffer is noise until it completes.
//
// It stays when its owner dies: attach() gives a Device to the next one, one at a time.
//
// Threads: one. What happens when is up to the driver: see has_event and run_event.
#ifndef SEQWAL_SIM_DISK_H
#define SEQWAL_SIM_DISK_H

#include <array>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seqwal/device.h"
#include "seqwal/sim/choice.h"
#include "seqwal/sim/fault.h"
#include "seqwal/sim/scheduler.h"
#include "seqwal/sim/timing.h"
#include "seqwal/sim/trace.h"
#include "seqwal/transfer.h"

namespace seqwal::sim {

inline constexpr std::uint64_t kSectorBytes = 512;

// A write as it was submitted, or left in the cache.
struct DiskWrite {
  std::uint64_t position = 0;
  std::span<const std::byte> bytes;
  bool durable = false;
};

// Sees what passes, before anything comes of it. All of it optional.
class DiskObserver {
 public:
  virtual ~DiskObserver() = default;
  virtual void on_write_submitted(const DiskWrite& /*write*/) {}
  virtual void on_read_submitted(std::uint64_t /*position*/, std::uint64_t /*length*/) {}
  virtual void on_read_failed(std::uint64_t /*position*/, std::uint64_t /*length*/) {}
  virtual void on_write_completed(const DiskWrite& /*write*/, int /*os_error*/) {}
  // A fault is about to strike.
  virtual void on_fault(Fault /*fault*/, std::uint64_t /*position*/) {}
  // The Device contract was broken by whoever uses the device.
  virtual void on_misuse(const char* /*what*/, std::uint64_t /*position*/) {}
};

struct DiskOptions {
  DeviceLimits limits;
  Timing timing;
  std::vector<Fault> faults;       // which may strike, one about every fault_period requests
  std::uint64_t fault_period = 0;  // 0: none
  std::uint64_t max_harm = 1;      // detected and best-effort faults, from arm() on
  std::vector<Nanoseconds> hang_times = {kNever};  // one of them, by choice
};

class SimDevice;

class Disk {
 public:
  Disk(const DiskOptions& options, Scheduler& scheduler, Choices& choices, Trace& trace);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // A Device for a new owner, or nothing while there is one.
  [[nodiscard]] std::unique_ptr<SimDevice> attach();

  void set_observer(DiskObserver* observer) { observer_ = observer; }

  // --- the driver's side
  // Something in flight may complete now.
  [[nodiscard]] bool has_event() const;
  // When the next one may, kNever if nothing is in flight.
  [[nodiscard]] Nanoseconds next_event() const;
  // Lets one of them happen. Precondition: has_event().
  void run_event();

  [[nodiscard]] std::size_t in_flight() const { return pending_.size(); }
  [[nodiscard]] std::size_t writes_in_flight() const;
  // Something in flight hangs, for a time or for ever.
  [[nodiscard]] bool hangs() const;
  // When what is in flight for longest was submitted, kNever if nothing is.
  [[nodiscard]] Nanoseconds in_flight_since() const;
  [[nodiscard]] std::size_t writes_cached() const { return cache_.size(); }

  // The power goes and comes back: what is left is stable. The device of the owner is dead.
  void lose_power();
  // The process is gone. The device of the owner is dead.
  void kill();
  // No more faults from now on; ENODEV and EROFS are over, what hangs goes on.
  void heal();
  // The owner goes on with nothing: a flush that is in flight then may lie, where flushes do.
  void owner_fails();
  // Faults may strike again, with a new budget.
  void arm();
  // Somebody else wrote these bytes there, durably: the fault of that name.
  void forge(std::uint64_t position, std::span<const std::byte> bytes);

  // --- exhaustive runs: who decides is the caller, not a choice
  [[nodiscard]] std::vector<DiskWrite> uncertain_writes() const;
  void complete(std::size_t index);  // of what is in flight, in order of submission
  [[nodiscard]] IoKind kind_in_flight(std::size_t index) const { return pending_[index].kind; }
  [[nodiscard]] const std::vector<std::byte>& stable() const { return stable_; }
  // Before anybody looks: these bytes stand there, durably.
  void put(std::uint64_t position, std::span<const std::byte> bytes);
  void replace_contents(std::span<const std::byte> image);
  // Sectors cannot be read from now on, and again can.
  void spoil(std::uint64_t position, std::uint64_t length);
  void mend(std::uint64_t position, std::uint64_t length) { mark_readable(position, length); }

  // --- contents
  // What reads see.
  [[nodiscard]] std::span<const std::byte> visible() const {
    return has_cache_ ? visible_ : stable_;
  }
  // True when nothing but the media is needed to read back [position, position + bytes.size()).
  [[nodiscard]] bool is_stable(std::uint64_t position, std::span<const std::byte> bytes) const;
  [[nodiscard]] bool is_unreadable(std::uint64_t position, std::uint64_t length) const;
  [[nodiscard]] const DeviceLimits& limits() const { return options_.limits; }
  [[nodiscard]] std::uint64_t size_bytes() const { return options_.limits.size_bytes; }
  [[nodiscard]] const std::array<std::uint64_t, kFaults>& fault_counts() const {
    return fault_counts_;
  }
  [[nodiscard]] std::uint64_t writes_submitted() const { return writes_submitted_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  // A fault above `tolerated` has struck since the last arm().
  [[nodiscard]] bool harmed() const { return harmed_; }

 private:
  friend class SimDevice;

  struct Pending {
    IoToken token;
    IoKind kind = IoKind::read;
    bool durable = false;
    std::uint64_t position = 0;
    std::uint64_t length = 0;
    std::array<IoSegment, kMaxSegments> segments{};
    std::size_t segment_count = 0;
    Transfer transfer;
    std::vector<std::byte> bytes;      // of a write, as it was submitted
    bool at_once = false;              // it was transferred as a whole
    std::vector<std::uint64_t> parts;  // of a write, else: [from, to) that were, pairwise
    Nanoseconds since = 0;
    Nanoseconds due = 0;
    std::uint64_t number = 0;  // of submission
    std::uint64_t moment = 0;  // of a flush: it covers writes reaped before
    Fault fault = Fault::none;
    int repeats = 0;  // how often the fault still strikes
  };
  // A completed write that only the cache has.
  struct Cached {
    std::uint64_t number = 0;
    std::uint64_t reaped = 0;  // moment, 0 = not yet
    bool dropped = false;      // by a failed flush: seen by reads, never to become durable
    std::uint64_t position = 0;
    std::vector<std::byte> bytes;
  };
  // A cancelled write that lands when nobody expects it any more.
  struct Late {
    std::uint64_t position = 0;
    std::vector<std::byte> bytes;
  };
  struct Done {
    IoToken token;
    int os_error = 0;
    std::uint64_t first_cached = 1;  // numbers of what it left in the cache
    std::uint64_t last_cached = 0;
  };

  // SimDevice's calls.
  [[nodiscard]] std::size_t submit(std::span<const IoRequest> requests);
  [[nodiscard]] std::size_t reap(std::span<IoCompletion> completions);
  void detach();

  void accept(const IoRequest& request);
  [[nodiscard]] bool is_valid(const IoRequest& request) const;
  void forbid_overlap(const Pending& added);
  [[nodiscard]] Fault draw_fault(const Pending& pending);
  void strike(Fault fault, std::uint64_t position);
  void step(std::size_t index);
  [[nodiscard]] std::int64_t raw_result(Pending& pending);
  void reschedule(Pending& pending);
  [[nodiscard]] std::int64_t end_of_hang(Pending& pending, std::int64_t left);
  void finish(std::size_t index, int os_error);
  void finish_read(Pending& pending);
  void finish_write(Pending& pending, int os_error);
  void finish_flush(const Pending& pending, int os_error);
  void check_buffers(const Pending& pending);
  void land(std::uint64_t position, std::span<const std::byte> bytes, bool durable);
  void show(std::uint64_t position, std::span<const std::byte> bytes);
  void keep_in_cache(std::uint64_t position, std::vector<std::byte>&& bytes);
  void land_late();
  void settle_cache();
  void make_durable(std::uint64_t position, std::span<const std::byte> bytes, std::uint64_t number);
  void apply_fate(std::uint64_t number, std::uint64_t position, std::span<const std::byte> bytes);
  void keep_units(std::uint64_t number, std::uint64_t position, std::span<const std::byte> bytes,
                  const std::function<bool(std::uint64_t)>& kept);
  void spoil_unit(std::uint64_t number, std::uint64_t position, std::uint64_t length,
                  bool unreadable);
  void overwrite(std::uint64_t number, std::uint64_t position, std::span<const std::byte> bytes);
  void mark_readable(std::uint64_t position, std::uint64_t length);
  void die();
  [[nodiscard]] std::vector<std::byte> take_memory();
  void give_back(std::vector<std::byte>&& memory);

  DiskOptions options_;
  Scheduler& scheduler_;
  Choices& choices_;
  Trace& trace_;
  DiskObserver* observer_ = nullptr;
  SimDevice* owner_ = nullptr;

  const bool has_cache_;
  std::vector<std::byte> stable_;
  std::vector<std::byte> visible_;            // with a cache only
  std::vector<std::uint64_t> stable_number_;  // per sector: which write it is from
  std::vector<Cached> cache_;                 // in order of completion
  std::vector<Pending> pending_;              // in order of submission
  std::deque<Done> done_;
  std::vector<Late> late_;
  std::vector<std::byte> before_;              // what stale reads give
  std::vector<std::uint64_t> unreadable_;      // sectors
  std::vector<std::vector<std::byte>> spare_;  // memory of writes, used again

  std::uint64_t number_ = 0;
  std::uint64_t moment_ = 0;
  bool armed_ = false;
  std::uint64_t harm_left_ = 0;
  int broken_ = 0;  // EROFS, ENODEV: sticky
  bool harmed_ = false;
  std::array<std::uint64_t, kFaults> fault_counts_{};
  std::uint64_t writes_submitted_ = 0;
  std::uint64_t bytes_read_ = 0;
};

// What one owner sees of the disk. Dead after lose_power and kill: then everything fails at once
// with ENODEV, and what the owner does no longer matters to anybody.
class SimDevice final : public Device {
 public:
  explicit SimDevice(Disk& disk) : disk_(disk) {}
  ~SimDevice() override;
  SimDevice(const SimDevice&) = delete;
  SimDevice& operator=(const SimDevice&) = delete;

  const DeviceLimits& limits() const override { return disk_.limits(); }
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override;
  void wake() override;

  [[nodiscard]] bool dead() const { return dead_; }

 private:
  friend class Disk;
  void die(std::vector<IoToken> tokens);

  Disk& disk_;
  bool dead_ = false;
  bool woken_ = false;
  std::vector<IoToken> orphans_;  // accepted before death, answered after it
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_DISK_H
