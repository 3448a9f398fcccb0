// What the histogram of faults and states says of the generator: a cell that stays empty is a hole
// in it, unless nothing can ever be counted there.
#ifndef SEQWAL_SIM_COVERAGE_H
#define SEQWAL_SIM_COVERAGE_H

#include <cstddef>
#include <string_view>

#include "seqwal/sim/world.h"

namespace seqwal::sim {

// "again", …, "power-cut", "kill". Precondition: row < kCoverageRows.
[[nodiscard]] std::string_view coverage_row_name(std::size_t row);

// Why that cannot happen in this state; nothing where it can.
[[nodiscard]] std::string_view why_impossible(std::size_t row, State state);

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_COVERAGE_H
