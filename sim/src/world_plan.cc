#include "world_plan.h"

#include <algorithm>
#include <initializer_list>

namespace seqwal::sim {
namespace {

class Draw {
 public:
  explicit Draw(Choices& choices) : choices_(choices) {}
  std::uint64_t below(std::uint64_t n, const char* label) {
    return choices_.choose(Stream::world, n, label);
  }
  bool has(const char* label) { return below(2, label) == 1; }
  bool one_in(std::uint64_t n, const char* label) {
    return choices_.one_in(Stream::world, n, label);
  }
  template <typename T>
  T of(std::initializer_list<T> values, const char* label) {
    return *(values.begin() + below(values.size(), label));
  }

 private:
  Choices& choices_;
};

void draw_disk(WorldPlan& plan, Draw& draw) {
  DeviceLimits& limits = plan.disk.limits;
  limits.size_bytes = plan.capacity + (draw.one_in(4, "larger device") ? 8192 : 0);
  limits.size_is_exact = limits.size_bytes == plan.capacity;
  limits.block_bytes = draw.of<std::uint32_t>({512, 4096}, "device block");
  limits.buffer_alignment_bytes = draw.of<std::uint32_t>({512, 4096}, "buffer alignment");
  limits.atomic_write_bytes =
      std::max(draw.of<std::uint32_t>({512, 512, 4096, 16384}, "atomic unit"), limits.block_bytes);
  limits.max_transfer_bytes =
      draw.of<std::uint32_t>({1U << 20U, 65536, 16384, 8192}, "longest transfer");
  limits.depth = draw.of<std::uint32_t>(
      {32, 32, 32, 32, 16, 32, 32, 32, 16, 32, 32, 16, 8, 32, 32, 2}, "device depth");
  limits.volatile_cache = draw.has("volatile cache");
  limits.durable_write = DurableWrite::free;
  if (limits.volatile_cache) {
    // Where a flush makes durable, waves leave less in flight.
    limits.durable_write = draw.one_in(3, "flush") ? DurableWrite::flush : DurableWrite::fua;
  }
  Timing::Options timing;
  timing.model = draw.of<TimingModel>({TimingModel::any_order, TimingModel::any_order,
                                       TimingModel::exponential, TimingModel::tails},
                                      "timing");
  timing.base = 20'000;
  timing.jitter = draw.of<Nanoseconds>({5'000, 500, 50'000}, "jitter");
  timing.tail_one_in = 20;
  if (timing.model != TimingModel::any_order && draw.one_in(4, "throttled")) timing.iops = 50'000;
  plan.disk.timing = Timing(timing);
}

// Each fault of the profile is there in half of the worlds.
void draw_faults(WorldPlan& plan, Draw& draw) {
  const auto allowed = [&](const FaultInfo& fault) {
    switch (fault.fault_class) {
      case FaultClass::tolerated:
        return fault.fault != Fault::none;
      case FaultClass::detected:
        return plan.profile == Profile::faults || plan.profile == Profile::liveness ||
               plan.profile == Profile::media;
      case FaultClass::best_effort:
        return plan.profile == Profile::media;
    }
    return false;
  };
  if (plan.profile == Profile::canary) {
    plan.disk.faults = {Fault::flush_lies, Fault::lost_write};
    plan.disk.fault_period = 20;
    return;
  }
  for (const FaultInfo& fault : kFaultTable) {
    if (allowed(fault) && draw.has("fault")) plan.disk.faults.push_back(fault.fault);
  }
  const bool any = plan.profile != Profile::crash || draw.has("faults at all");
  plan.disk.fault_period = any ? draw.of<std::uint64_t>({200, 60, 20, 6, 100}, "fault period") : 0;
  plan.disk.max_harm = 1 + draw.below(3, "most harm");
}

void draw_log(WorldPlan& plan, Draw& draw) {
  plan.log.blocks =
      draw.of<std::uint32_t>({16, 16, 16, 32, 16, 16, 8, 16, 32, 16, 4, 16, 8, 2}, "blocks");
  plan.log.slots = draw.of<std::uint32_t>({128, 64, 256, 32, 16}, "slots");
  plan.log.depth = draw.of<std::uint32_t>(
      {16, 8, 32, 12, 16, 0, 16, 24, 6, 32, 16, 3, 16, 12, 2, 16, 16, 1}, "depth");
  plan.log.window_bytes = draw.one_in(8, "small window")
                              ? static_cast<std::int64_t>(draw.below(9, "window") * 4096)
                              : 0;
  plan.log.window_step_bytes = 4096 * static_cast<std::int64_t>(1 + draw.below(4, "window step"));
  plan.recovery.read_ahead_bytes =
      draw.of<std::uint32_t>({65536, 16384, 4096, 32768, 65536, 16384, 4096, 262144}, "read ahead");
  plan.recovery.reads_in_flight = static_cast<std::uint32_t>(1 + draw.below(4, "reads in flight"));
}

void draw_workload(WorldPlan& plan, Draw& draw) {
  plan.clients = 1 + draw.below(4, "clients");
  plan.most_operations = draw.of<std::uint64_t>({12, 8, 18, 36}, "operations");
  plan.medium_one_in = draw.of<std::uint64_t>({3, 2, 8, 0}, "medium bodies");
  plan.large_one_in = draw.of<std::uint64_t>({16, 6, 40, 0}, "large bodies");
  plan.most_large = draw.of<std::uint64_t>({12'288, 5'000, 32'768}, "largest");
  plan.longest_one_in = draw.one_in(8, "longest bodies") ? 40 : 0;
  plan.trim_one_in = draw.of<std::uint64_t>({6, 4, 12}, "trims");
  plan.wait_one_in = draw.of<std::uint64_t>({0, 4, 2}, "blocking appends");
  plan.own_checksums = draw.one_in(4, "own checksums");
  plan.append_forms = draw.one_in(2, "append forms");
  plan.waits_one_in = draw.of<std::uint64_t>({0, 0, 0, 12}, "waits for durable");
  plan.log.reservations = draw.of<std::uint32_t>({4, 1, 2}, "reservations");
  plan.callback_workers = draw.of<std::uint64_t>({0, 0, 0, 0, 1, 2, 3, 0}, "callback workers");
  plan.callback_queue = draw.of<std::uint64_t>({64, 8, 1}, "callback queue");
  plan.appends_from_callbacks = draw.one_in(4, "appends from callbacks");
  plan.changes_version = draw.one_in(4, "changes version");
  plan.trims_offline = draw.one_in(4, "trims offline");
  plan.bad_trims = draw.one_in(4, "bad trims");
  plan.disk_one_in = draw.of<std::uint64_t>({80, 160, 80, 320, 40, 10}, "speed of the disk");
  plan.kill_one_in = draw.of<std::uint64_t>({4, 2, 0}, "kills");
  plan.close_one_in = draw.of<std::uint64_t>({8, 4, 0, 16}, "closes");
  // Until the numbers of block writes have come round in the tail's 8 bits.
  if (draw.one_in(200, "long lives")) plan.most_operations = 2000;
  plan.resume_one_in = draw.of<std::uint64_t>({2, 0, 2, 1, 3, 8}, "resumes");
  plan.created_bare = draw.one_in(8, "created bare");
  plan.taken_over_one_in = draw.one_in(8, "taken over") ? 4 : 0;
}

// Limits that the log keeps, whatever the disk would take.
void draw_policy(WorldPlan& plan, Draw& draw) {
  if (draw.one_in(16, "paced operations")) {
    plan.log.iops = draw.of<std::uint64_t>({500'000, 100'000, 20'000}, "iops");
  }
  if (draw.one_in(16, "paced bytes")) {
    plan.log.bytes_per_second =
        draw.of<std::uint64_t>({std::uint64_t{4} << 30U, std::uint64_t{256} << 20U}, "bytes");
  }
  plan.log.plug = draw.of<Nanoseconds>({0, 60'000, 0, 2'000}, "plug");
}

// Far beyond what a healthy disk takes, tails and all: nobody sits through virtual time.
void draw_deadline(WorldPlan& plan, Draw& draw) {
  constexpr Nanoseconds kDeadline = 1'000'000'000;
  const bool none = draw.one_in(5, "no deadline");
  plan.log.append_deadline = none ? kNever : kDeadline;
  if (!none) plan.disk.hang_times = {kNever, kDeadline * 3 / 2, kDeadline / 2, kDeadline * 5 / 4};
}

}  // namespace

WorldPlan draw_plan(Profile profile, Choices& choices) {
  Draw draw(choices);
  WorldPlan plan;
  plan.profile = profile;
  if (profile == Profile::swarm) {
    plan.profile = draw.of<Profile>(
        {Profile::crash,  Profile::crash,  Profile::crash, Profile::crash,  Profile::faults,
         Profile::faults, Profile::faults, Profile::media, Profile::media,  Profile::liveness,
         Profile::crash,  Profile::crash,  Profile::crash, Profile::faults, Profile::faults,
         Profile::faults, Profile::media,  Profile::crash, Profile::rot,    Profile::rot},
        "profile");
  }
  const auto most =
      draw.of<std::uint64_t>({32, 48, 40, 96, 24, 40, 32, 254, 48, 12, 32, 3,  32, 40, 16, 24,
                              32, 40, 48, 64, 24, 40, 32, 128, 48, 12, 32, 24, 32, 40, 16, 24},
                             "size of the section");
  const std::uint64_t blocks = most / 2 + 1 + draw.below((most + 1) / 2, "blocks of the section");
  plan.capacity = 8192 + 4096 * blocks;
  plan.created_window =
      draw.has("created with a small window")
          ? static_cast<std::int64_t>(4096 * (1 + draw.below(8, "created window")))
          : 0;
  plan.version = draw.has("version 1") ? FormatVersion::v1 : FormatVersion::v0;
  // Where narrow arithmetic would break.
  const auto origin =
      draw.of<std::uint64_t>({0, 0, 0, std::uint64_t{1} << 31U, std::uint64_t{1} << 32U,
                              std::uint64_t{1} << 33U, std::uint64_t{1} << 62U},
                             "origin");
  if (origin != 0) {
    plan.origin = static_cast<std::int64_t>(origin - 4096 * draw.below(64, "before the origin"));
  }
  draw_disk(plan, draw);
  if (plan.profile == Profile::rot) plan.injuries = 1 + draw.below(4, "injuries");
  draw_faults(plan, draw);
  draw_log(plan, draw);
  draw_policy(plan, draw);
  draw_workload(plan, draw);
  draw_deadline(plan, draw);
  if (plan.profile == Profile::rot) {
    plan.silent_one_in = draw.of<std::uint64_t>({0, 4, 2, 8}, "silences");
  }
  return plan;
}

}  // namespace seqwal::sim
