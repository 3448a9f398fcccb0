// WorldPlan: what a world is like, drawn once from its world stream. Swarm: whole features are
// there or not, so that no two worlds look alike.
#ifndef SEQWAL_SIM_WORLD_PLAN_H
#define SEQWAL_SIM_WORLD_PLAN_H

#include <algorithm>
#include <cstdint>

#include "seqwal/log.h"
#include "seqwal/sim/choice.h"
#include "seqwal/sim/disk.h"
#include "seqwal/sim/world.h"

namespace seqwal::sim {

struct WorldPlan {
  Profile profile = Profile::crash;  // never swarm
  std::uint64_t capacity = 0;
  std::int64_t created_window = 0;
  FormatVersion version = FormatVersion::v0;
  std::int64_t origin = 0;  // offsets start behind this
  LogOptions log;
  RecoveryOptions recovery;
  DiskOptions disk;
  std::uint64_t clients = 1;
  std::uint64_t most_operations = 60;  // of a life
  // Sizes of bodies: one in that many is so large. 0 = never.
  std::uint64_t medium_one_in = 3;
  std::uint64_t large_one_in = 10;
  std::uint64_t longest_one_in = 0;
  std::uint64_t most_large = 4096;
  std::uint64_t trim_one_in = 6;
  std::uint64_t wait_one_in = 0;
  bool own_checksums = false;
  bool append_forms = false;           // gathered, in batches, made in place
  std::uint64_t waits_one_in = 0;      // operations that wait for what is durable
  std::uint64_t callback_workers = 0;  // 0: callbacks run on the log's fiber
  std::uint64_t callback_queue = 0;    // of each
  bool appends_from_callbacks = false;
  bool changes_version = false;
  bool trims_offline = false;
  bool bad_trims = false;
  std::uint64_t disk_one_in = 3;  // how often the disk goes first when a fiber could
  std::uint64_t kill_one_in = 4;  // crashes that are kills
  std::uint64_t close_one_in = 8;
  std::uint64_t resume_one_in = 2;      // lives that go on where the one before ended
  bool created_bare = false;            // by a writer that leaves no evidence
  std::uint64_t taken_over_one_in = 0;  // lives before which such a writer rewrites the headers
  std::uint64_t injuries = 0;           // of a life, at rest, each taken back
  std::uint64_t silent_one_in = 0;      // lives that fall silent for long before they crash

  // Block writes, whatever the log does.
  [[nodiscard]] std::uint64_t most_in_flight() const {
    const std::uint32_t most = std::min(log.blocks, disk.limits.depth);
    return log.depth == 0 ? most : std::min(most, log.depth);
  }

  // Requests may hang, and the log has something against it.
  [[nodiscard]] bool has_deadline_for_hangs() const {
    return log.append_deadline != kNever &&
           std::ranges::find(disk.faults, Fault::hang) != disk.faults.end();
  }
};

[[nodiscard]] WorldPlan draw_plan(Profile profile, Choices& choices);

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_WORLD_PLAN_H
