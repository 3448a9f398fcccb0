// WorldRun: one world from its first life to its last. The driver (world.cc) lets fibers and the
// disk go on, and ends lives; the process (world_process.cc) is what a life does, on a fiber.
#ifndef SEQWAL_SIM_WORLD_RUN_H
#define SEQWAL_SIM_WORLD_RUN_H

#include <cstdint>
#include <vector>

#include "seqwal/sim/world.h"
#include "workload.h"
#include "world_plan.h"

namespace seqwal::sim {

// Virtual time that a fiber takes from wait to wait.
inline constexpr Nanoseconds kStepTime = 200;

class WorldRun final : public EventSink {
 public:
  WorldRun(const WorldOptions& options, Choices& choices, Trace& trace, WorldSupplies& supplies)
      : options_(options),
        choices_(choices),
        trace_(trace),
        supplies_(supplies),
        plan_(draw_plan(options.profile, choices)),
        scheduler_(choices, trace, supplies.fibers()),
        disk_(plan_.disk, scheduler_, choices, trace),
        oracle_(disk_),
        faults_(*this) {
    disk_.set_observer(&faults_);
    if (plan_.callback_workers > 0) oracle_.expect_late_callbacks();
    trace_.note(Happened::world, static_cast<std::int64_t>(plan_.capacity),
                static_cast<std::int64_t>(plan_.version), static_cast<std::int64_t>(plan_.profile));
  }

  WorldReport run() {
    // Lives without a crash count for nothing, but there is an end to everything.
    const std::uint64_t most_lives = options_.cycles * 4 + 8;
    while (report_.cycles < options_.cycles && report_.lives < most_lives && !oracle_.violation()) {
      ++report_.lives;
      live();
    }
    report_.faults = disk_.fault_counts();
    report_.trace_hash = trace_.hash();
    report_.events = trace_.rows();
    report_.violation = oracle_.violation();
    return report_;
  }

  void on_event(const Event& event) override {
    if (dead_) return;
    trace_.note(Happened::event, static_cast<std::int64_t>(event.kind), event.offset.value,
                event.value, event.os_error);
    if (event.kind == EventKind::failed) {
      failing_ = true;
      disk_.owner_fails();
      oracle_.log_failed(event.offset);
    }
  }

 private:
  // Counts faults by what the process was doing, and passes everything on to the oracle.
  class Faults final : public DiskObserver {
   public:
    explicit Faults(WorldRun& run) : run_(run) {}
    void on_write_submitted(const DiskWrite& write) override {
      run_.oracle_.on_write_submitted(write);
    }
    void on_write_completed(const DiskWrite& write, int os_error) override {
      run_.oracle_.on_write_completed(write, os_error);
    }
    void on_read_submitted(std::uint64_t position, std::uint64_t length) override {
      run_.oracle_.on_read_submitted(position, length);
    }
    void on_read_failed(std::uint64_t position, std::uint64_t length) override {
      run_.oracle_.on_read_failed(position, length);
    }
    void on_fault(Fault fault, std::uint64_t position) override {
      run_.count(static_cast<std::size_t>(fault));
      if (run_.plan_.profile != Profile::canary) run_.oracle_.on_fault(fault, position);
    }
    void on_misuse(const char* what, std::uint64_t position) override {
      run_.oracle_.on_misuse(what, position);
    }

   private:
    WorldRun& run_;
  };

  // When this life ends by a crash.
  struct CrashPlan {
    bool crashes = true;
    std::uint64_t at_step = 0;       // 0: not by steps, but
    std::uint64_t at_operation = 0;  // when clients have done so many, and then
    std::uint64_t in_flight = 0;     // so many writes are in flight,
    std::uint64_t patience = 0;      // or one less after so many steps, and so on;
    std::uint64_t waited = 0;        // steps since it was one more
    bool stalls = false;             // until then the disk answers nobody who can go on
    bool falls_silent = false;       // clients end, all is answered, and nobody appends for long
    bool outlives_hangs = false;     // not while a request hangs and the log waits for it
  };

  void live();
  void draw_crash();
  void drive();
  [[nodiscard]] bool crash_is_due();
  void crash();
  void stop_world();
  void pass_time(bool disk_stalls);
  // Clients have done what they should before the crash.
  [[nodiscard]] bool crash_is_near() const;
  // What is in flight stays there, while somebody has work for the disk or will have it soon.
  [[nodiscard]] bool disk_stalls() const;
  // A disk slows down before it dies, so that much is in flight then.
  [[nodiscard]] std::uint64_t disk_one_in() const {
    const bool dying = crash_plan_.at_operation != 0 && workload_ != nullptr &&
                       workload_->operations() * 2 >= crash_plan_.at_operation;
    return plan_.disk_one_in * (dying ? 8 : 1);
  }

  // The process, on a fiber.
  void process();
  [[nodiscard]] bool create(SimDevice& device);
  void forge();
  [[nodiscard]] bool trim_offline(SimDevice& device);
  void injure(SimDevice& device);
  void count_injury(Oracle::Injury outcome);
  [[nodiscard]] Result<RecoveryReport> read_injured(SimDevice& device);
  [[nodiscard]] bool recover(Log& log, SimDevice& device, bool resumes);
  [[nodiscard]] bool recover_again(SimDevice& device, RecoveryOptions options);
  [[nodiscard]] bool resume(Log& log);
  [[nodiscard]] bool reset(Log& log);
  void serve(Log& log, SimDevice& device);
  void fall_silent(Workload& workload);
  void check_deadline(const Log& log);
  void leave_hanging(Log& log, SimDevice& device);
  void judge_error(const char* what, const Error& error);

  [[nodiscard]] bool has_deadline() const { return plan_.log.append_deadline != kNever; }
  [[nodiscard]] State state() const;
  void count(std::size_t row) { ++report_.coverage.at(row).at(static_cast<std::size_t>(state())); }

  const WorldOptions options_;
  Choices& choices_;
  Trace& trace_;
  WorldSupplies& supplies_;
  const WorldPlan plan_;
  Scheduler scheduler_;
  Disk disk_;
  Oracle oracle_;
  Faults faults_;
  WorldReport report_;

  // Of this life.
  State phase_ = State::opening;
  bool dead_ = false;
  bool failing_ = false;
  bool overdue_ = false;  // a request was, and the log may give up on what is in flight
  bool gave_up_ = false;
  Offset durable_then_;
  Offset trimmed_then_;
  bool closing_ = false;
  bool silent_ = false;  // for long
  CrashPlan crash_plan_;
  std::uint64_t steps_ = 0;
  Workload* workload_ = nullptr;
  bool salvaged_ = false;
  // From life to life.
  std::uint64_t log_id_ = 0;
  std::vector<std::byte> older_;  // what the disk held once
  bool crashed_before_ = false;
  bool healed_before_ = false;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_WORLD_RUN_H
