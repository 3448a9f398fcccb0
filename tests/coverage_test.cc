// What is called impossible in the histogram of faults and states does not happen.
#include "seqwal/sim/coverage.h"

#include <gtest/gtest.h>

#include "seqwal/sim/campaign.h"

namespace seqwal::sim {
namespace {

TEST(Coverage, NothingImpossibleHappens) {
  const CampaignReport report = run_campaign({.cycles = 4000});
  ASSERT_FALSE(report.violation) << report.violating_seed;
  for (std::size_t row = 0; row < kCoverageRows; ++row) {
    for (std::size_t state = 0; state < kStates; ++state) {
      const std::string_view why = why_impossible(row, static_cast<State>(state));
      if (why.empty()) continue;
      EXPECT_EQ(report.total.coverage.at(row).at(state), 0U)
          << coverage_row_name(row) << " while " << kStateNames.at(state) << ": " << why;
    }
  }
}

TEST(Coverage, MostCellsCanBeReached) {
  std::size_t possible = 0;
  for (std::size_t row = 1; row < kCoverageRows; ++row) {
    for (std::size_t state = 0; state < kStates; ++state) {
      if (why_impossible(row, static_cast<State>(state)).empty()) ++possible;
    }
  }
  EXPECT_EQ(possible, 20 * kStates - 20U);
}

}  // namespace
}  // namespace seqwal::sim
