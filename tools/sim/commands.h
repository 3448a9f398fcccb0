// The commands of seqwal-sim. Each adds itself to the command line and, when it is the one that was
// asked for, puts what is to be run into `action`.
#pragma once

#include <string>

#include "cli.h"
#include "seqwal/sim/campaign.h"

namespace seqwal::tool {

void add_run(CLI::App& app, Action& action);
void add_canary(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action);
void add_exhaustive(CLI::App& app, Action& action);
void add_interleave(CLI::App& app, Action& action);

// Option --profile.
void add_profile_option(CLI::App& command, sim::Profile& profile, const std::string& description);
// As many as there are cores, unless asked for otherwise.
void add_threads_option(CLI::App& command, unsigned& threads);

// How this program was called: what is printed to be run again begins with it.
[[nodiscard]] std::string_view program();
[[nodiscard]] std::string_view name_of(sim::Profile profile);

// The world in which a promise was broken.
struct BrokenWorld {
  std::uint64_t seed = 0;
  sim::Profile profile = sim::Profile::swarm;
  std::uint64_t cycles = 0;  // of the campaign until then
  bool shrink = true;
};
// Says that a promise was broken, makes the run smaller and keeps it in a file unless that is not
// wanted, and ends with the command that replays it. Returns Exit::damage.
Exit tell_violation(const sim::Violation& violation, const BrokenWorld& world);
// The same for a run that ended the process: `how` it did.
Exit tell_panic(const std::string& how, const BrokenWorld& world);

}  // namespace seqwal::tool
