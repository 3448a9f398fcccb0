#include "bench/volume_world.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "bench/clients/open_loop.h"
#include "bench/late_target.h"
#include "seqwal/sim/choice.h"
#include "seqwal/sim/disk.h"
#include "seqwal/sim/scheduler.h"
#include "seqwal/sim/timing.h"
#include "seqwal/sim/trace.h"

namespace seqwal::bench {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kCapacity = 64 * kMiB;
constexpr std::uint32_t kDepth = 256;
// Clients whose append found no room try again then.
constexpr Nanoseconds kNudgeEvery = 1'000'000;

// The first grants what the table of bounds is about. Latencies are round numbers of the kind that
// such volumes have, not measurements.
constexpr std::array<VolumeProfile, 3> kProfiles = {{
    {.name = "essd-pl1-20g",
     .iops = 2800,
     .bytes_per_second = 120 * kMiB,
     .base = 200'000,
     .jitter = 50'000},
    {.name = "gp3",
     .iops = 3000,
     .bytes_per_second = 125 * kMiB,
     .base = 500'000,
     .jitter = 100'000},
    {.name = "nvme",
     .iops = 100'000,
     .bytes_per_second = 1024 * kMiB,
     .base = 60'000,
     .jitter = 20'000},
}};

sim::DiskOptions disk_options(const VolumeProfile& profile) {
  sim::DiskOptions options;
  options.limits.size_bytes = kCapacity;
  options.limits.depth = kDepth;
  options.limits.volatile_cache = false;
  options.limits.durable_write = DurableWrite::free;
  options.timing = sim::Timing({.model = sim::TimingModel::exponential,
                                .base = profile.base,
                                .jitter = profile.jitter,
                                .iops = profile.iops,
                                .bytes_per_second = profile.bytes_per_second,
                                .saved = profile.saved,
                                .stall = profile.stall,
                                .stall_every = profile.stall == 0 ? 0 : 1'000'000'000});
  return options;
}

Nanoseconds to_nanoseconds(double seconds) { return static_cast<Nanoseconds>(seconds * 1e9); }

class World {
 public:
  explicit World(const VolumeRun& run)
      : run_(run),
        choices_(run.seed),
        scheduler_(choices_, trace_, fibers_),
        disk_(disk_options(run.profile), scheduler_, choices_, trace_),
        volume_(disk_.attach()),
        device_(*volume_) {}

  Result<Figures> run() {
    const auto created =
        create_log(device_, scheduler_, {.capacity_bytes = kCapacity, .force = true});
    if (!created) return std::unexpected(created.error());
    auto opened = open_target(device_, scheduler_, run_.target);
    if (!opened) return std::unexpected(std::move(opened.error()));
    LateTarget target(**opened, scheduler_, run_.return_time, run_.seed);
    Meter meter(target, static_cast<std::int64_t>(kCapacity - kHeaderAreaBytes));
    const auto clients = make_clients(target, meter);

    clients->start();
    pass(target, *clients, to_nanoseconds(run_.warmup_s));
    meter.begin();
    const Nanoseconds began = scheduler_.now();
    const WriteCount before = device_.written();
    const auto metrics_before = target.metrics();
    pass(target, *clients, to_nanoseconds(run_.seconds));
    meter.end();
    const WriteCount after = device_.written();
    const auto metrics_after = target.metrics();
    const Nanoseconds ended = scheduler_.now();
    clients->stop();
    target.close();
    while (!target.finished() || target.next_due() != kNever) step(target, kNever);

    Figures figures{
        .record_bytes = run_.clients.record_bytes,
        .seconds = static_cast<double>(ended - began) * 1e-9,
        .cpu_s = 0,
        .written = {.writes = after.writes - before.writes, .bytes = after.bytes - before.bytes},
        .tally = meter.tally(),
        .order_tax = {},
        .log_efficiency = {}};
    note_metrics(figures, metrics_before, metrics_after);
    return figures;
  }

 private:
  std::unique_ptr<Clients> make_clients(LateTarget& target, Meter& meter) {
    if (run_.clients.arrivals_per_second == 0) {
      return make_callback_clients(target, scheduler_, meter, run_.clients);
    }
    auto open_loop = std::make_unique<OpenLoop>(target, scheduler_, meter, run_.clients);
    open_loop_ = open_loop.get();
    return open_loop;
  }

  void pass(LateTarget& target, Clients& clients, Nanoseconds time) {
    const Nanoseconds end = scheduler_.now() + time;
    Nanoseconds nudge = scheduler_.now() + kNudgeEvery;
    while (scheduler_.now() < end) {
      step(target, std::min(nudge, end));
      if (scheduler_.now() < nudge) continue;
      clients.nudge();
      nudge += kNudgeEvery;
    }
  }

  // Polls the target, then lets the time go on to whatever is next, `limit` at the latest.
  void step(LateTarget& target, Nanoseconds limit) {
    const Nanoseconds due = target.finished() ? kNever : target.poll(scheduler_.now());
    if (due <= scheduler_.now()) return;
    const Nanoseconds arrival = open_loop_ == nullptr ? kNever : open_loop_->next_due();
    scheduler_.advance_to(std::min({due, limit, disk_.next_event(), target.next_due(), arrival}));
    while (disk_.has_event()) disk_.run_event();
    target.run_due(scheduler_.now());
    if (arrival <= scheduler_.now()) open_loop_->run_due(scheduler_.now());
  }

  const VolumeRun& run_;
  sim::SeedChoices choices_;
  sim::Trace trace_;
  sim::FiberPool fibers_;
  sim::Scheduler scheduler_;
  sim::Disk disk_;
  std::unique_ptr<sim::SimDevice> volume_;
  CountingDevice device_;
  OpenLoop* open_loop_ = nullptr;  // the clients, if they are one
};

}  // namespace

std::optional<VolumeProfile> find_profile(const std::string& name) {
  const auto found = std::ranges::find(kProfiles, name, &VolumeProfile::name);
  if (found == kProfiles.end()) return std::nullopt;
  return *found;
}

Volume volume_of(const VolumeProfile& profile, Nanoseconds return_time) {
  return {.writes_per_second = static_cast<double>(profile.iops),
          .bytes_per_second = static_cast<double>(profile.bytes_per_second),
          .latency_s = static_cast<double>(profile.base + profile.jitter + return_time) * 1e-9};
}

Result<Figures> run_volume(const VolumeRun& run) { return World(run).run(); }

}  // namespace seqwal::bench
