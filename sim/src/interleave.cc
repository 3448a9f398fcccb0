#include "seqwal/sim/interleave.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <memory>

#include "interleave_explorer.h"
#include "interleave_scenarios.h"
#include "seqwal/check.h"

namespace seqwal::sim {

using namespace interleaving;

std::vector<std::string_view> interleave_scenarios() {
  std::vector<std::string_view> names = protocol_scenarios();
  for (const std::string_view name : buffer_scenarios()) names.push_back(name);
  return names;
}

InterleaveReport interleave(std::string_view scenario, const InterleaveOptions& options) {
  SEQWAL_REQUIRE(options.threads >= 2 && options.threads <= kMaxThreads);
  SEQWAL_REQUIRE(options.ops >= 1 && (options.threads - 1) * options.ops <= 8);
  const Scope scope{.threads = options.threads,
                    .ops = options.ops,
                    .rechecks = options.canary != InterleaveCanary::missing_recheck};
  std::unique_ptr<Scenario> made = make_protocol_scenario(scenario, scope);
  if (!made) made = make_buffer_scenario(scenario, scope);
  SEQWAL_REQUIRE(made != nullptr);
  Weakening weakening;
  if (options.canary == InterleaveCanary::weakened_order) {
    weakening = {.location = "published", .operation = Weakening::Operation::load};
  }
  return explore(scenario, *made, options, weakening);
}

std::string describe_violation(const InterleaveReport& report) {
  std::string text = fmt::format("{}: {}\n", report.scenario, report.violation);
  // More than that is going round in circles, and how it began tells.
  constexpr std::size_t kMostSteps = 300;
  const std::size_t shown = std::min(report.trace.size(), kMostSteps);
  for (std::size_t i = 0; i < shown; ++i) {
    const InterleaveStep& step = report.trace[i];
    text += fmt::format("{:4}  thread {}  {:18} {:12} {:8} {}", i + 1, step.thread, step.location,
                        step.operation, step.order, step.value);
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  if (shown < report.trace.size()) {
    text += fmt::format("... and {} more\n", report.trace.size() - shown);
  }
  return text;
}

}  // namespace seqwal::sim
