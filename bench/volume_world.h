// VolumeWorld: one measurement of appends on a simulated volume, in virtual time.
//
// Everything takes no time but the disk: what is seen is policy alone (what is written together,
// and when), without the noise of a machine. Integers decide, so the same options give the same
// figures everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench/bound.h"
#include "bench/clients/clients.h"
#include "bench/figures.h"
#include "bench/target.h"
#include "seqwal/types.h"

namespace seqwal::bench {

// What a volume grants, and how long it takes.
struct VolumeProfile {
  const char* name = "";
  std::uint64_t iops = 0;
  std::uint64_t bytes_per_second = 0;
  Nanoseconds base = 0;    // of every request, and
  Nanoseconds jitter = 0;  // the mean of an exponential part
  Nanoseconds saved = 0;   // what nobody used of its rates is kept for so long
  Nanoseconds stall = 0;   // once a second it answers nobody for so long
};

// essd-pl1-20g, gp3, nvme.
[[nodiscard]] std::optional<VolumeProfile> find_profile(const std::string& name);
// What the profile promises to clients that need so long to come back.
[[nodiscard]] Volume volume_of(const VolumeProfile& profile, Nanoseconds return_time);

struct VolumeRun {
  VolumeProfile profile;
  ClientOptions clients;
  TargetOptions target;
  double warmup_s = 0.5;
  double seconds = 2;
  Nanoseconds return_time = 0;  // after which clients hear of their callbacks, on average
  std::uint64_t seed = 1;       // of the disk, and of who comes back late
};

[[nodiscard]] Result<Figures> run_volume(const VolumeRun& run);

}  // namespace seqwal::bench
