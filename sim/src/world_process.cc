// What a process does in a world: one life of the log.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "fiber_executor.h"
#include "foreign_writer.h"
#include "injury.h"
#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "world_run.h"

namespace seqwal::sim {
namespace {

// A log that nobody appends to says after a second how far it is durable.
constexpr Nanoseconds kSilence = 2'000'000'000;

}  // namespace

void WorldRun::judge_error(const char* what, const Error& error) {
  if (dead_ || disk_.harmed() || oracle_.tainted()) return;
  // What a crash left unreadable is told, where it is asked for.
  if (error.code == ErrorCode::io_error && disk_.is_unreadable(0, disk_.size_bytes())) return;
  oracle_.violate(Invariant::i16_everything_resolves,
                  fmt::format("{} failed on a disk without a fault: {}", what, error.message()));
}

void WorldRun::process() {
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
  if (choices_.one_in(Stream::workload, plan_.taken_over_one_in, "taken over") &&
      ForeignWriter(disk_, choices_, oracle_, supplies_.noise()).take()) {
    ++report_.foreign_lives;
  }
  injure(*device);
  if (dead_) return;
  if (plan_.trims_offline && choices_.one_in(Stream::workload, 4, "trim offline") &&
      !trim_offline(*device)) {
    return;
  }
  phase_ = State::opening;
  LogOptions options = plan_.log;
  options.log_id = ++log_id_;
  std::optional<FiberExecutor> executor;
  if (plan_.callback_workers > 0) {
    executor.emplace(scheduler_, plan_.callback_workers, plan_.callback_queue,
                     [this](Offset offset) { oracle_.handed_on(offset); });
    options.executor = &*executor;
  }
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
  if (executor) executor->start();
  serve(**log, *device);
  if (!executor) return;
  executor->stop();
  for (Nanoseconds nap = kStepTime; !executor->ended(); nap *= 2) scheduler_.sleep(nap);
}

bool WorldRun::create(SimDevice& device) {
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

// Where a record stands, or behind one, where the next one or padding could, stands now what only
// its length or its checksum gives away.
void WorldRun::forge() {
  const auto choose = [&](std::uint64_t n, const char* label) {
    return choices_.choose(Stream::fault, n, label);
  };
  const auto reading = naive_read(disk_.visible(), NaiveMode::standard);
  if (!reading) return;
  const Geometry geometry(plan_.capacity);
  const std::vector<NaiveRecord>& records = reading->records;
  Offset offset = round_up_to_block(Offset{reading->end});
  if (const std::size_t index = choose(records.size() + 1, "forge at"); index < records.size()) {
    const NaiveRecord* record = &records[index];
    offset = Offset{record->offset};
    if (const std::uint64_t behind = choose(3, "forge behind"); behind > 0) {
      const auto jumps = [&](const NaiveRecord& last, const NaiveRecord& first) {
        return geometry.next_cycle(Offset{last.offset}).value <= first.offset;
      };
      const auto last = std::ranges::adjacent_find(records, jumps);
      if (behind == 2 && last != records.end()) record = &*last;
      offset =
          round_up_to_block(Offset{record->offset + kRecordHeaderBytes + std::ssize(record->body)});
    }
  }
  const std::int64_t left = geometry.left_in_cycle(offset);
  if (left < kRecordHeaderBytes) return;
  std::array<std::byte, kRecordHeaderBytes> bytes{};
  const std::uint64_t position = geometry.position(offset).value;
  if (choose(4, "forge what stands there") == 3) {
    std::ranges::copy(disk_.visible().subspan(position, bytes.size()), bytes.begin());
    bytes.back() ^= std::byte{1};
  } else {
    const std::array<std::int64_t, 8> lengths = {
        left,        left + 1,
        left + 4096, left - 1,
        left / 2,    kRecordHeaderBytes,
        0xFFFFFFFF,  std::int64_t{kMaxBodyBytes} + kRecordHeaderBytes + 1};
    const std::int64_t length = lengths.at(choose(lengths.size(), "length of the forgery"));
    encode_record_header(
        {.kind = choose(2, "forged padding") == 1 ? RecordKind::padding : RecordKind::data,
         .body_length_bytes =
             static_cast<std::uint32_t>(std::max<std::int64_t>(length - kRecordHeaderBytes, 0)),
         .offset = offset,
         .body_checksum = 0},
        bytes);
    if (choose(2, "forged badly") == 1) bytes.back() ^= std::byte{1};
  }
  disk_.forge(position, bytes);
}

bool WorldRun::trim_offline(SimDevice& device) {
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

// Each injury is recovered from by a reader, judged, and taken back.
void WorldRun::injure(SimDevice& device) {
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
    count_injury(outcome);
  }
  oracle_.forget_read_errors();
  if (older_.empty() || choices_.one_in(Stream::fault, 4, "remember the disk")) {
    older_.assign(disk_.visible().begin(), disk_.visible().end());
  }
}

void WorldRun::count_injury(Oracle::Injury outcome) {
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
  switch (oracle_.ended()) {
    case Oracle::Ended::abruptly:
      ++report_.injuries.after_crashes;
      break;
    case Oracle::Ended::silent:
      ++report_.injuries.after_silence;
      break;
    case Oracle::Ended::closed:
      ++report_.injuries.after_closes;
      break;
  }
}

Result<RecoveryReport> WorldRun::read_injured(SimDevice& device) {
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

bool WorldRun::recover(Log& log, SimDevice& device, bool resumes) {
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
bool WorldRun::recover_again(SimDevice& device, RecoveryOptions options) {
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

bool WorldRun::resume(Log& log) {
  phase_ = State::resetting;
  const bool adopts = !log.headers().evidence() && !oracle_.last_recovered().empty();
  oracle_.resume_begins();
  const auto end = log.resume();
  if (dead_) return false;
  // What a crash left unreadable counts as damage where there is no evidence. Else: it holds
  // records of a writer that leaves none.
  const bool unreadable = disk_.is_unreadable(0, disk_.size_bytes());
  if (!end && (end.error().code == ErrorCode::unknown_tail ||
               (end.error().code == ErrorCode::wrong_state && unreadable))) {
    oracle_.resume_refused();
    ++report_.not_adopted;
    return reset(log);
  }
  if (!end) {
    judge_error("resume", end.error());
    return false;
  }
  ++report_.resumes;
  if (adopts) ++report_.adopted;
  trace_.note(Happened::resumed, end->value);
  oracle_.resume_done(*end);
  return true;
}

bool WorldRun::reset(Log& log) {
  phase_ = State::resetting;
  ResetOptions options;
  if (plan_.changes_version && choices_.one_in(Stream::workload, 3, "other version")) {
    const bool is_v1 = log.headers().header().version == FormatVersion::v1;
    options.version = is_v1 ? FormatVersion::v0 : FormatVersion::v1;
    ++(is_v1 ? report_.downgraded : report_.upgraded);
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

void WorldRun::serve(Log& log, SimDevice& device) {
  phase_ = State::running;
  Workload workload(plan_, log, oracle_, scheduler_, choices_, trace_, supplies_.noise(), dead_);
  workload_ = &workload;
  std::uint64_t working = plan_.clients;
  const bool drains = plan_.profile == Profile::liveness;
  for (std::uint64_t i = 0; i < plan_.clients; ++i) {
    scheduler_.spawn([&] {
      workload.run_client(crash_plan_.crashes && !crash_plan_.falls_silent);
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
        if (crash_plan_.falls_silent) {
          fall_silent(workload);
        } else {
          closing_ = true;
          log.close();
        }
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

// Nobody appends until the log has said how far it is durable, and until the crash.
void WorldRun::fall_silent(Workload& workload) {
  workload.settle();
  if (!dead_) scheduler_.sleep(kSilence);
  if (dead_) return;
  trace_.note(Happened::silent);
  oracle_.silent_for_long();
  silent_ = true;
  while (!dead_) scheduler_.yield();
}

// A log whose device does not answer comes to its end, and everybody is told.
void WorldRun::check_deadline(const Log& log) {
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
void WorldRun::leave_hanging(Log& log, SimDevice& device) {
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

}  // namespace seqwal::sim
