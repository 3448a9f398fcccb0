// Explorer: runs a scenario over all schedules within a budget, then over random ones.
//
// Systematic: depth first over the decisions of an Execution, each run from the start. Where a run
// comes to a state that was seen with as much budget left, it is not branched further. Equal states
// are found by hash, of what each thread has read and each location was given: runs that differ
// only in the order of independent operations meet there.
#ifndef SEQWAL_SIM_INTERLEAVE_EXPLORER_H
#define SEQWAL_SIM_INTERLEAVE_EXPLORER_H

#include <string_view>

#include "interleave_model.h"
#include "seqwal/sim/interleave.h"

namespace seqwal::sim::interleaving {

// `options.threads`, `ops` and `canary` are the scenario's business.
[[nodiscard]] InterleaveReport explore(std::string_view name, Scenario& scenario,
                                       const InterleaveOptions& options,
                                       const Weakening& weakening = {});

}  // namespace seqwal::sim::interleaving

#endif  // SEQWAL_SIM_INTERLEAVE_EXPLORER_H
