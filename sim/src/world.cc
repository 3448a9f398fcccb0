#include "seqwal/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "injury.h"
#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "workload.h"
#include "world_plan.h"

namespace seqwal::sim {
namespace {

constexpr std::size_t kNoiseBytes = std::size_t{3} << 20U;
// Far beyond what a life of a healthy log needs.
constexpr std::uint64_t kMostSteps = 100'000;
// Virtual time that a fiber takes from wait to wait.
constexpr Nanoseconds kStepTime = 200;

class Run final : public EventSink {
 public:
  Run(const WorldOptions& options, Choices& choices, Trace& trace, WorldSupplies& supplies)
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
      oracle_.log_failed(event.offset);
    }
  }

 private:
  // Counts faults by what the process was doing, and passes everything on to the oracle.
  class Faults final : public DiskObserver {
   public:
    explicit Faults(Run& run) : run_(run) {}
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
    Run& run_;
  };

  // When this life ends by a crash.
  struct CrashPlan {
    bool crashes = true;
    std::uint64_t at_step = 0;       // 0: not by steps, but
    std::uint64_t at_operation = 0;  // when clients have done so many, and then
    std::uint64_t in_flight = 0;     // so many writes are in flight,
    std::uint64_t patience = 0;      // or so many steps have gone by;
    bool outlives_hangs = false;     // not while a request hangs and the log waits for it
  };

  void live();
  void draw_crash();
  void drive();
  [[nodiscard]] bool crash_is_due();
  void crash();
  void stop_world();
  void pass_time();
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
  void take_over();
  void injure(SimDevice& device);
  [[nodiscard]] Result<RecoveryReport> read_injured(SimDevice& device);
  [[nodiscard]] bool recover(Log& log, SimDevice& device, bool resumes);
  [[nodiscard]] bool recover_again(SimDevice& device, RecoveryOptions options);
  [[nodiscard]] bool resume(Log& log);
  [[nodiscard]] bool reset(Log& log);
  void serve(Log& log, SimDevice& device);
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

State Run::state() const {
  if (phase_ != State::running) return phase_;
  if (failing_) return State::failing;
  if (closing_) return State::closing;
  if (oracle_.header_in_flight()) return State::header_writing;
  if (workload_ != nullptr && workload_->ring_full()) return State::full;
  return State::running;
}

// --- the driver -------------------------------------------------------------------------------

void Run::live() {
  phase_ = State::opening;
  dead_ = failing_ = overdue_ = gave_up_ = closing_ = false;
  steps_ = 0;
  workload_ = nullptr;
  choices_.begin_part();
  draw_crash();
  oracle_.process_begins();
  disk_.arm();
  scheduler_.spawn([this] { process(); });
  drive();
  report_.steps += steps_;
}

void Run::draw_crash() {
  crash_plan_ = CrashPlan{};
  if (plan_.profile == Profile::liveness ||
      choices_.one_in(Stream::crash, plan_.close_one_in, "close")) {
    crash_plan_.crashes = false;
    return;
  }
  if (choices_.one_in(Stream::crash, 16, "early crash")) {
    crash_plan_.at_step = 1 + choices_.choose(Stream::crash, 60, "at step");
    return;
  }
  crash_plan_.at_operation =
      1 + choices_.choose(Stream::crash, plan_.most_operations, "at operation");
  crash_plan_.in_flight = 2 + choices_.choose(Stream::crash, 12, "writes in flight");
  crash_plan_.patience = choices_.choose(Stream::crash, 200, "patience");
  crash_plan_.outlives_hangs =
      plan_.has_deadline_for_hangs() && choices_.one_in(Stream::crash, 2, "outlives hangs");
}

bool Run::crash_is_due() {
  if (!crash_plan_.crashes || dead_) return false;
  if (crash_plan_.at_step != 0) return steps_ >= crash_plan_.at_step;
  if (workload_ == nullptr || workload_->operations() < crash_plan_.at_operation) return false;
  if (crash_plan_.outlives_hangs && disk_.hangs() && !gave_up_) return false;
  return disk_.writes_in_flight() >= crash_plan_.in_flight || crash_plan_.patience-- == 0;
}

void Run::drive() {
  while (scheduler_.alive() > 0) {
    if (++steps_ > kMostSteps) {
      oracle_.violate(Invariant::i16_everything_resolves, "it goes on and on");
      if (steps_ > 2 * kMostSteps) break;
    }
    if (oracle_.violation() && !dead_) stop_world();
    if (crash_is_due()) crash();
    const bool fibers = scheduler_.runnable() > 0;
    const bool disk = !dead_ && disk_.has_event();
    if (fibers && !(disk && choices_.one_in(Stream::schedule, disk_one_in(), "disk first"))) {
      scheduler_.run_one();
      scheduler_.advance_to(scheduler_.now() + kStepTime);
    } else if (disk) {
      disk_.run_event();
    } else {
      pass_time();
    }
    if (steps_ > 2 * kMostSteps) break;
  }
}

void Run::pass_time() {
  const bool log_watches = workload_ != nullptr && has_deadline();
  const Nanoseconds next =
      std::min(scheduler_.next_deadline(), dead_ ? kNever : disk_.next_event());
  if (next != kNever) {
    scheduler_.advance_to(next);
  } else if (!dead_ && disk_.in_flight() > 0 && !log_watches) {
    crash();  // what is in flight hangs for ever: somebody will pull the plug
  } else {
    oracle_.violate(Invariant::i16_everything_resolves, "everybody sleeps, and nobody would wake");
    if (dead_) steps_ = 2 * kMostSteps;  // and nothing would wake them
  }
}

void Run::crash() {
  ++report_.crashes;
  report_.in_flight_at_crash += disk_.writes_in_flight();
  report_.appended += oracle_.appended_in_life();
  report_.acknowledged += oracle_.acknowledged_in_life();
  if (oracle_.wrapped()) ++report_.wrapped;
  const bool kill = choices_.one_in(Stream::crash, plan_.kill_one_in, "kill");
  count(kill ? kKillRow : kPowerCutRow);
  crashed_before_ = true;
  dead_ = true;
  if (kill) {
    disk_.kill();
  } else {
    disk_.lose_power();
  }
  oracle_.stop_listening();
}

// A promise was broken: what follows means nothing any more.
void Run::stop_world() {
  dead_ = true;
  oracle_.stop_listening();
  disk_.kill();
}

// --- the process ------------------------------------------------------------------------------

void Run::judge_error(const char* what, const Error& error) {
  if (dead_ || disk_.harmed() || oracle_.tainted()) return;
  // What a crash left unreadable is told, where it is asked for.
  if (error.code == ErrorCode::io_error && disk_.is_unreadable(0, disk_.size_bytes())) return;
  oracle_.violate(Invariant::i16_everything_resolves,
                  fmt::format("{} failed on a disk without a fault: {}", what, error.message()));
}

void Run::process() {
  if (dead_) return;
  const auto device = disk_.attach();
  if (!device || disk_.attach()) {
    oracle_.violate(Invariant::i17_one_owner, "two processes have the disk");
    return;
  }
  if (!oracle_.created() && !create(*device)) return;
  if (std::ranges::find(plan_.disk.faults, Fault::forged) != plan_.disk.faults.end() &&
      choices_.one_in(Stream::fault, 8, "forge")) {
    forge();
  }
  take_over();
  injure(*device);
  if (dead_) return;
  if (plan_.trims_offline && choices_.one_in(Stream::workload, 4, "trim offline") &&
      !trim_offline(*device)) {
    return;
  }
  phase_ = State::opening;
  LogOptions options = plan_.log;
  options.log_id = ++log_id_;
  auto log = Log::open(*device, scheduler_, options, this);
  if (dead_) return;
  trace_.note(Happened::opened, log ? 0 : 1 + static_cast<std::int64_t>(log.error().code));
  if (!log) {
    oracle_.refused_to_open(log.error());
    // Lies have destroyed it: nothing can be demanded of what follows, so start anew.
    if (oracle_.tainted()) oracle_.create_begins();
    return;
  }
  const bool resumes = choices_.one_in(Stream::workload, plan_.resume_one_in, "resume");
  if (!recover(**log, *device, resumes)) return;
  if (!(resumes && !salvaged_ ? resume(**log) : reset(**log))) return;
  serve(**log, *device);
}

bool Run::create(SimDevice& device) {
  phase_ = State::creating;
  oracle_.create_begins();
  const CreateOptions options{.capacity_bytes = plan_.capacity,
                              .version = plan_.version,
                              .node_id = 1,
                              .epoch = 1,
                              .window_bytes = plan_.created_window,
                              .log_id = ++log_id_,
                              .force = true};
  const auto created = create_log(device, scheduler_, options);
  if (dead_) return false;
  if (!created) {
    judge_error("create", created.error());
    return false;
  }
  if (plan_.origin != 0 || plan_.created_bare) {
    // As if the log had run for long: offsets are where arithmetic gets narrow.
    for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
      const std::uint64_t at = std::uint64_t{slot} * kBlockBytes;
      const HeaderSlot found = decode_wal_header(disk_.visible().subspan(at, kBlockBytes));
      WalHeader header = found.header;
      if (plan_.origin != 0) header.trim = Offset{plan_.origin - 1};
      std::array<std::byte, kBlockBytes> bytes{};
      encode_wal_header(header, bytes, plan_.created_bare ? std::nullopt : found.evidence);
      disk_.put(at, bytes);
    }
  }
  oracle_.create_done(plan_.capacity, plan_.origin);
  if (plan_.created_bare) oracle_.evidence_is_gone();
  return true;
}

// Where a record stands or the next one could, stands now what only its length gives away.
void Run::forge() {
  const auto reading = naive_read(disk_.visible(), NaiveMode::standard);
  if (!reading) return;
  const std::size_t count = reading->records.size();
  const std::size_t index = choices_.choose(Stream::fault, count + 1, "forge at");
  const Offset offset = index < count ? Offset{reading->records[index].offset}
                                      : round_up_to_block(Offset{reading->end});
  const Geometry geometry(plan_.capacity);
  const std::int64_t left = geometry.left_in_cycle(offset);
  if (left < kRecordHeaderBytes) return;
  const std::array<std::int64_t, 8> lengths = {
      left,        left + 1,
      left + 4096, left - 1,
      left / 2,    kRecordHeaderBytes,
      0xFFFFFFFF,  std::int64_t{kMaxBodyBytes} + kRecordHeaderBytes + 1};
  const std::int64_t length =
      lengths.at(choices_.choose(Stream::fault, lengths.size(), "length of the forgery"));
  std::array<std::byte, kRecordHeaderBytes> bytes{};
  encode_record_header(
      {.kind = choices_.choose(Stream::fault, 2, "forged padding") == 1 ? RecordKind::padding
                                                                        : RecordKind::data,
       .body_length_bytes =
           static_cast<std::uint32_t>(std::max<std::int64_t>(length - kRecordHeaderBytes, 0)),
       .offset = offset,
       .body_checksum = 0},
      bytes);
  if (choices_.choose(Stream::fault, 2, "forged badly") == 1) bytes.back() ^= std::byte{1};
  disk_.forge(geometry.position(offset).value, bytes);
}

bool Run::trim_offline(SimDevice& device) {
  const auto reading = naive_read(disk_.visible(), NaiveMode::standard, {}, NaiveRules::evidence);
  if (!reading || reading->records.empty()) return true;
  phase_ = State::recovering;
  const std::size_t index =
      choices_.choose(Stream::workload, reading->records.size(), "trim offline at");
  const Offset offset{reading->records[index].offset};
  oracle_.trim_offline_begins(offset);
  const auto trimmed = trim_log(device, scheduler_, offset, this);
  if (dead_) return false;
  if (!trimmed) {
    // What it wrote may still land: nobody goes on with this device.
    judge_error("offline trim", trimmed.error());
    return false;
  }
  oracle_.trim_done(offset, trimmed);
  return true;
}

// A writer that knows no evidence had the log: it writes the headers, and carries on what it read
// behind them.
void Run::take_over() {
  if (!choices_.one_in(Stream::workload, plan_.taken_over_one_in, "taken over")) return;
  const NaiveHeaders found = naive_headers(disk_.visible());
  if (oracle_.tainted() || oracle_.between_timelines() || disk_.writes_cached() > 0 ||
      !found.slots[0] || !found.slots[1] || disk_.is_unreadable(0, kHeaderAreaBytes)) {
    return;
  }
  for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
    const std::uint64_t at = std::uint64_t{slot} * kBlockBytes;
    WalHeader header = decode_wal_header(disk_.visible().subspan(at, kBlockBytes)).header;
    header.stamp += 1'000'000;
    std::array<std::byte, kBlockBytes> bytes{};
    encode_wal_header(header, bytes);
    disk_.put(at, std::span(bytes).first(kWalHeaderBytes));
  }
  oracle_.evidence_is_gone();
}

// Each injury is recovered from by a reader, judged, and taken back.
void Run::injure(SimDevice& device) {
  if (plan_.injuries == 0 || oracle_.tainted() || oracle_.between_timelines() ||
      disk_.writes_cached() > 0)
    return;
  phase_ = State::recovering;
  const NaiveHeaders headers = naive_headers(disk_.visible());
  oracle_.measure_watermark();
  const bool sound = headers.slots[0] && headers.slots[1] && !disk_.is_unreadable(0, 8192);
  for (std::uint64_t i = 0; i < plan_.injuries && !dead_; ++i) {
    const Injury injury(disk_, choices_, oracle_.precious(), plan_.capacity, sound, older_);
    if (!injury.hurts()) continue;
    oracle_.recovery_begins();
    const Result<RecoveryReport> result = read_injured(device);
    if (dead_) break;
    const Oracle::Injury outcome =
        oracle_.judge_injury(result, injury.hits_header(), injury.kind() == InjuryKind::stale);
    trace_.note(Happened::injured, static_cast<std::int64_t>(injury.kind()),
                static_cast<std::int64_t>(injury.position()), static_cast<std::int64_t>(outcome));
    switch (outcome) {
      case Oracle::Injury::harmless:
        ++report_.injuries.harmless;
        break;
      case Oracle::Injury::alarm:
        ++report_.injuries.alarms;
        break;
      case Oracle::Injury::detected:
        ++report_.injuries.detected;
        break;
      case Oracle::Injury::silent:
        ++report_.injuries.silent;
        break;
      case Oracle::Injury::revived:
        ++report_.injuries.revived;
        break;
    }
  }
  oracle_.forget_read_errors();
  if (older_.empty() || choices_.one_in(Stream::fault, 4, "remember the disk")) {
    older_.assign(disk_.visible().begin(), disk_.visible().end());
  }
}

Result<RecoveryReport> Run::read_injured(SimDevice& device) {
  RecoveryOptions options = plan_.recovery;
  options.mode = static_cast<RecoveryMode>(choices_.choose(Stream::fault, 3, "mode"));
  const auto recovery = Recovery::open(device, scheduler_, options, this);
  if (!recovery) return std::unexpected(recovery.error());
  while (!dead_) {
    const auto record = (*recovery)->next();
    if (!record) return std::unexpected(record.error());
    if (!*record) break;
    oracle_.recovered(**record);
  }
  return (*recovery)->report();
}

bool Run::recover(Log& log, SimDevice& device, bool resumes) {
  phase_ = State::recovering;
  salvaged_ = false;
  RecoveryOptions options = plan_.recovery;
  if (resumes) options.mode = RecoveryMode::prefix;
  oracle_.recovery_begins();
  const auto visit = [this](const RecoveredRecord& record) {
    if (!dead_) oracle_.recovered(record);
    return true;
  };
  auto report = log.recover(visit, options);
  if (dead_) return false;
  if (!report && report.error().code == ErrorCode::damaged) {
    oracle_.recovery_refused(report.error());
    options.salvage = salvaged_ = true;
    oracle_.recovery_begins();
    report = log.recover(visit, options);
    if (dead_) return false;
  }
  if (!report) {
    judge_error("recovery", report.error());
    return false;
  }
  trace_.note(Happened::recovered, static_cast<std::int64_t>(report->records), report->first.value,
              report->last.value);
  oracle_.opened(log.headers());
  oracle_.recovery_done(*report, options.mode);
  if (crashed_before_ || healed_before_) ++report_.cycles;
  crashed_before_ = healed_before_ = false;
  if (!choices_.one_in(Stream::workload, 8, "recover again")) return true;
  // What a resume keeps is what was recovered last, and a read may fail this time only.
  if (resumes && plan_.profile != Profile::crash) return true;
  const bool well = recover_again(device, options);
  oracle_.opened(log.headers());
  return well;
}

// Another way to read it, perhaps: it holds the same promises, and the log did not change.
bool Run::recover_again(SimDevice& device, RecoveryOptions options) {
  if (options.mode != RecoveryMode::prefix) {
    options.mode = static_cast<RecoveryMode>(choices_.choose(Stream::workload, 3, "mode"));
  }
  oracle_.recovery_begins();
  const auto recovery = Recovery::open(device, scheduler_, options, this);
  if (dead_) return false;
  if (!recovery) {
    judge_error("opening for recovery", recovery.error());
    return false;
  }
  oracle_.opened((*recovery)->headers());
  while (true) {
    const auto record = (*recovery)->next();
    if (dead_) return false;
    if (!record) {
      judge_error("recovery", record.error());
      return false;
    }
    if (!*record) break;
    oracle_.recovered(**record);
  }
  oracle_.recovery_done((*recovery)->report(), options.mode);
  return true;
}

bool Run::resume(Log& log) {
  phase_ = State::resetting;
  oracle_.resume_begins();
  const auto end = log.resume();
  if (dead_) return false;
  // What a crash left unreadable counts as damage where there is no evidence. Else: it holds
  // records of a writer that leaves none.
  const bool unreadable = disk_.is_unreadable(0, disk_.size_bytes());
  if (!end && (end.error().code == ErrorCode::unknown_tail ||
               (end.error().code == ErrorCode::wrong_state && unreadable))) {
    oracle_.resume_refused();
    return reset(log);
  }
  if (!end) {
    judge_error("resume", end.error());
    return false;
  }
  ++report_.resumes;
  trace_.note(Happened::resumed, end->value);
  oracle_.resume_done(*end);
  return true;
}

bool Run::reset(Log& log) {
  phase_ = State::resetting;
  ResetOptions options;
  if (plan_.changes_version && choices_.one_in(Stream::workload, 3, "other version")) {
    const bool is_v1 = log.headers().header().version == FormatVersion::v1;
    options.version = is_v1 ? FormatVersion::v0 : FormatVersion::v1;
  }
  oracle_.reset_begins();
  const auto start = log.reset(options);
  if (dead_) return false;
  if (!start) {
    judge_error("reset", start.error());
    return false;
  }
  trace_.note(Happened::reset, start->value);
  oracle_.reset_done(*start);
  return true;
}

void Run::serve(Log& log, SimDevice& device) {
  phase_ = State::running;
  Workload workload(plan_, log, oracle_, scheduler_, choices_, trace_, supplies_.noise(), dead_);
  workload_ = &workload;
  std::uint64_t working = plan_.clients;
  const bool drains = plan_.profile == Profile::liveness;
  for (std::uint64_t i = 0; i < plan_.clients; ++i) {
    scheduler_.spawn([&] {
      workload.run_client(crash_plan_.crashes);
      if (working == 1 && !dead_) {
        if (drains) {
          disk_.heal();
          healed_before_ = true;
          if (!log.failure()) workload.fill_and_drain();
        }
        // A log that gave up may be left alone while what it gave up on completes.
        if (gave_up_ && choices_.one_in(Stream::workload, 2, "closes late")) {
          scheduler_.sleep(plan_.log.append_deadline);
        }
        closing_ = true;
        log.close();
      }
      --working;
    });
  }
  for (bool told = false; !log.finished();) {
    if (dead_ && !std::exchange(told, true)) log.close();
    const Nanoseconds until = log.poll(scheduler_.now());
    check_deadline(log);
    if (!log.finished()) device.wait(until);
  }
  if (disk_.in_flight() > 0) leave_hanging(log, device);
  (void)log.poll(scheduler_.now());  // what a dead device gives back
  const auto is_working = [&working] { return working > 0; };
  for (Nanoseconds nap = kStepTime; is_working(); nap *= 2) scheduler_.sleep(nap);
  workload_ = nullptr;
  if (dead_) return;
  if (gave_up_ && (log.durable() != durable_then_ || log.trimmed() != trimmed_then_)) {
    oracle_.violate(Invariant::i15_nothing_succeeds_after_failure,
                    "what the log gave up on counted when it completed");
  }
  const bool graceful = !log.failure().has_value();
  trace_.note(Happened::closed, graceful ? 1 : 0);
  oracle_.closed(graceful);
  report_.appended += oracle_.appended_in_life();
  report_.acknowledged += oracle_.acknowledged_in_life();
}

// A log whose device does not answer comes to its end, and everybody is told.
void Run::check_deadline(const Log& log) {
  if (dead_ || !has_deadline() || gave_up_ || disk_.in_flight() == 0) return;
  const Nanoseconds age = scheduler_.now() - disk_.in_flight_since();
  if (age < plan_.log.append_deadline) return;
  overdue_ = true;
  gave_up_ = log.failure().has_value() && log.failure()->os_error == ETIMEDOUT;
  if (!gave_up_ && age < plan_.log.append_deadline * 3 / 2) return;
  gave_up_ = true;
  if (!failing_) {
    oracle_.violate(Invariant::i16_everything_resolves,
                    fmt::format("a request is in flight for {} ns, and the log goes on", age));
  }
  oracle_.gave_up();
  durable_then_ = log.durable();
  trimmed_then_ = log.trimmed();
}

// The log is closed, and what it gave up on is still in flight. The process lives on, or dies of
// it.
void Run::leave_hanging(Log& log, SimDevice& device) {
  if (!dead_ && !overdue_) {
    oracle_.violate(Invariant::i19_buffers_left_alone,
                    "the log has finished, and the device still has requests of it");
    stop_world();
    return;
  }
  if (choices_.one_in(Stream::workload, 2, "lives on")) {
    while (!dead_ && disk_.next_event() != kNever) {
      device.wait(kNever);
      (void)log.poll(scheduler_.now());
    }
  }
  if (dead_ || disk_.in_flight() == 0) return;
  count(kKillRow);
  crashed_before_ = true;
  disk_.kill();
}

}  // namespace

WorldSupplies::WorldSupplies() : noise_(kNoiseBytes) {
  for (std::size_t at = 0; at < noise_.size(); at += 8) {
    const std::uint64_t word = mix(at + 1);
    for (std::size_t i = 0; i < 8; ++i) noise_[at + i] = static_cast<std::byte>(word >> (8 * i));
  }
}

WorldSupplies::~WorldSupplies() = default;

WorldReport run_world(const WorldOptions& options, Choices& choices, Trace& trace,
                      WorldSupplies& supplies) {
  return Run(options, choices, trace, supplies).run();
}

}  // namespace seqwal::sim
