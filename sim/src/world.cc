#include "seqwal/sim/world.h"

#include <algorithm>

#include "world_run.h"

namespace seqwal::sim {
namespace {

constexpr std::size_t kNoiseBytes = std::size_t{3} << 20U;
// Far beyond what a life of a healthy log needs.
constexpr std::uint64_t kMostSteps = 100'000;
// A disk that stalls waits so long for whoever sleeps.
constexpr Nanoseconds kStallTime = 30'000;

}  // namespace

State WorldRun::state() const {
  if (phase_ != State::running) return phase_;
  if (failing_) return State::failing;
  if (closing_) return State::closing;
  if (oracle_.header_in_flight()) return State::header_writing;
  if (workload_ != nullptr && workload_->ring_full()) return State::full;
  return State::running;
}

// --- the driver -------------------------------------------------------------------------------

void WorldRun::live() {
  phase_ = State::opening;
  dead_ = failing_ = overdue_ = gave_up_ = closing_ = silent_ = false;
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

void WorldRun::draw_crash() {
  crash_plan_ = CrashPlan{};
  if (plan_.profile == Profile::liveness ||
      choices_.one_in(Stream::crash, plan_.close_one_in, "close")) {
    crash_plan_.crashes = false;
    return;
  }
  if (choices_.one_in(Stream::crash, plan_.silent_one_in, "silent")) {
    crash_plan_.falls_silent = true;
    return;
  }
  if (choices_.one_in(Stream::crash, 20, "early crash")) {
    crash_plan_.at_step = 1 + choices_.choose(Stream::crash, 60, "at step");
    return;
  }
  crash_plan_.at_operation =
      1 + choices_.choose(Stream::crash, plan_.most_operations, "at operation");
  crash_plan_.in_flight =
      std::min(2 + choices_.choose(Stream::crash, 12, "writes in flight"), plan_.most_in_flight());
  crash_plan_.patience = 4 + choices_.choose(Stream::crash, 16, "patience");
  crash_plan_.outlives_hangs =
      plan_.has_deadline_for_hangs() && choices_.one_in(Stream::crash, 2, "outlives hangs");
  crash_plan_.stalls = choices_.choose(Stream::crash, 4, "stalls") != 0;
}

bool WorldRun::crash_is_near() const {
  return crash_plan_.crashes && !dead_ && crash_plan_.at_operation != 0 && workload_ != nullptr &&
         workload_->operations() >= crash_plan_.at_operation;
}

bool WorldRun::disk_stalls() const {
  if (!crash_plan_.stalls || !crash_is_near() || disk_.hangs()) return false;
  return scheduler_.runnable() > 0 ||
         scheduler_.next_deadline() - scheduler_.now_time() <= kStallTime;
}

bool WorldRun::crash_is_due() {
  if (!crash_plan_.crashes || dead_) return false;
  if (crash_plan_.falls_silent) return silent_;
  if (crash_plan_.at_step != 0) return steps_ >= crash_plan_.at_step;
  if (!crash_is_near()) return false;
  if (crash_plan_.outlives_hangs && disk_.hangs() && !gave_up_) return false;
  if (disk_.writes_in_flight() >= crash_plan_.in_flight) return true;
  if (crash_plan_.waited++ == crash_plan_.patience) {
    crash_plan_.waited = 0;
    --crash_plan_.in_flight;
  }
  return false;
}

void WorldRun::drive() {
  while (scheduler_.alive() > 0) {
    if (++steps_ > kMostSteps) {
      oracle_.violate(Invariant::i16_everything_resolves, "it goes on and on");
      if (steps_ > 2 * kMostSteps) break;
    }
    if (oracle_.violation() && !dead_) stop_world();
    if (crash_is_due()) crash();
    const bool fibers = scheduler_.runnable() > 0;
    const bool stalls = disk_stalls();
    const bool disk = !dead_ && !stalls && disk_.has_event();
    if (fibers && !(disk && choices_.one_in(Stream::schedule, disk_one_in(), "disk first"))) {
      scheduler_.run_one();
      scheduler_.advance_to(scheduler_.now() + kStepTime);
    } else if (disk) {
      disk_.run_event();
    } else {
      pass_time(stalls);
    }
    if (steps_ > 2 * kMostSteps) break;
  }
}

void WorldRun::pass_time(bool disk_stalls) {
  const bool log_watches = workload_ != nullptr && has_deadline();
  const Nanoseconds next =
      std::min(scheduler_.next_deadline(), dead_ || disk_stalls ? kNever : disk_.next_event());
  if (next != kNever) {
    scheduler_.advance_to(next);
  } else if (!dead_ && disk_.in_flight() > 0 && !log_watches) {
    crash();  // what is in flight hangs for ever: somebody will pull the plug
  } else {
    oracle_.violate(Invariant::i16_everything_resolves, "everybody sleeps, and nobody would wake");
    if (dead_) steps_ = 2 * kMostSteps;  // and nothing would wake them
  }
}

void WorldRun::crash() {
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
void WorldRun::stop_world() {
  dead_ = true;
  oracle_.stop_listening();
  disk_.kill();
}

WorldSupplies::WorldSupplies() : noise_(kNoiseBytes) {
  for (std::size_t at = 0; at < noise_.size(); at += 8) {
    const std::uint64_t word = mix(at + 1);
    for (std::size_t i = 0; i < 8; ++i) noise_[at + i] = static_cast<std::byte>(word >> (8 * i));
  }
}

WorldSupplies::~WorldSupplies() = default;

WorldReport run_world(const WorldOptions& options, Choices& choices, Trace& trace,
                      WorldSupplies& supplies) {
  return WorldRun(options, choices, trace, supplies).run();
}

}  // namespace seqwal::sim
