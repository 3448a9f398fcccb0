#include "interleave_explorer.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "seqwal/check.h"
#include "seqwal/sim/choice.h"

namespace seqwal::sim::interleaving {
namespace {

constexpr std::uint32_t kMostPreemptions = 7;
constexpr std::uint32_t kMostStaleReads = 7;
// A random schedule has no bound on preemptions; but loads must not be old for ever.
constexpr Budget kRandomBudget{.preemptions = 1U << 30U, .stale_reads = 16};

using Decisions = std::vector<std::uint32_t>;

class DepthFirst final : public Chooser {
 public:
  std::uint32_t choose(std::uint32_t count, ChoiceKind /*kind*/) override {
    if (pruned_) return 0;
    if (depth_ == path_.size()) path_.push_back({.taken = 0, .count = count});
    SEQWAL_CHECK(path_[depth_].count == count);
    return path_[depth_++].taken;
  }

  bool seen(std::uint64_t state, std::uint32_t preemptions, std::uint32_t stale_reads) override {
    if (pruned_) return true;
    if (depth_ < path_.size()) return false;
    std::uint64_t& visits = visits_[state];
    pruned_ = (visits & at_most(preemptions, stale_reads)) != 0;
    visits |= std::uint64_t{1} << (preemptions * 8 + stale_reads);
    return pruned_;
  }

  // The next run. False: there is none.
  bool advance() {
    while (!path_.empty() && path_.back().taken + 1 == path_.back().count) path_.pop_back();
    depth_ = 0;
    pruned_ = false;
    if (path_.empty()) return false;
    ++path_.back().taken;
    return true;
  }

  [[nodiscard]] std::uint64_t states() const { return visits_.size(); }
  [[nodiscard]] Decisions decisions() const {
    Decisions decisions;
    for (const Decision& decision : path_) decisions.push_back(decision.taken);
    return decisions;
  }

 private:
  struct Decision {
    std::uint32_t taken = 0;
    std::uint32_t count = 0;
  };

  // One bit for each pair of budgets spent, none of them greater than these.
  static std::uint64_t at_most(std::uint32_t preemptions, std::uint32_t stale_reads) {
    const std::uint64_t row = (std::uint64_t{2} << stale_reads) - 1;
    std::uint64_t mask = 0;
    for (std::uint32_t i = 0; i <= preemptions; ++i) mask |= row << (i * 8);
    return mask;
  }

  std::vector<Decision> path_;
  std::size_t depth_ = 0;
  bool pruned_ = false;
  std::unordered_map<std::uint64_t, std::uint64_t> visits_;
};

// By a seed. Each run draws how restless it is, from a switch at every other step to one in 32.
class Random final : public Chooser {
 public:
  explicit Random(std::uint64_t seed) : choices_(seed) {}

  void begin() {
    decisions_.clear();
    calm_ = 2U << draw(5);
    fresh_ = 2U << draw(4);
  }
  std::uint32_t choose(std::uint32_t count, ChoiceKind kind) override {
    std::uint32_t taken = 0;
    switch (kind) {
      case ChoiceKind::free:
        taken = draw(count);
        break;
      case ChoiceKind::preemption:
        if (draw(calm_) == 0) taken = 1 + draw(count - 1);
        break;
      case ChoiceKind::read:
        if (draw(fresh_) == 0) taken = 1 + draw(count - 1);
        break;
    }
    decisions_.push_back(taken);
    return taken;
  }
  bool seen(std::uint64_t /*state*/, std::uint32_t /*preemptions*/,
            std::uint32_t /*stale_reads*/) override {
    return false;
  }
  [[nodiscard]] const Decisions& decisions() const { return decisions_; }

 private:
  std::uint32_t draw(std::uint32_t count) {
    return static_cast<std::uint32_t>(choices_.choose(Stream::schedule, count, "interleaving"));
  }

  SeedChoices choices_;
  std::uint32_t calm_ = 2;
  std::uint32_t fresh_ = 2;
  Decisions decisions_;
};

class Replay final : public Chooser {
 public:
  explicit Replay(Decisions decisions) : decisions_(std::move(decisions)) {}
  std::uint32_t choose(std::uint32_t /*count*/, ChoiceKind /*kind*/) override {
    return next_ < decisions_.size() ? decisions_[next_++] : 0;
  }
  bool seen(std::uint64_t /*state*/, std::uint32_t /*preemptions*/,
            std::uint32_t /*stale_reads*/) override {
    return false;
  }

 private:
  Decisions decisions_;
  std::size_t next_ = 0;
};

void tell_violation(Execution& execution, Scenario& scenario, const Decisions& decisions,
                    const Budget& budget, InterleaveReport& report) {
  Replay replay(decisions);
  SEQWAL_CHECK(!execution.run(scenario, replay, budget, true));
  report.violations = 1;
  report.violation = execution.violation();
  report.trace = std::exchange(execution.trace(), {});
}

void explore_all(Execution& execution, Scenario& scenario, const Budget& budget,
                 std::uint64_t max_schedules, InterleaveReport& report) {
  DepthFirst chooser;
  do {
    if (report.schedules == max_schedules) {
      report.states = chooser.states();
      return;
    }
    ++report.schedules;
    if (!execution.run(scenario, chooser, budget, false)) {
      tell_violation(execution, scenario, chooser.decisions(), budget, report);
      return;
    }
  } while (chooser.advance());
  report.states = chooser.states();
  report.complete = true;
}

// The same violation is easier to read with fewer preemptions and fewer old values.
void simplify(Execution& execution, Scenario& scenario, const Budget& budget,
              std::uint64_t max_schedules, InterleaveReport& report) {
  for (std::uint32_t sum = 0; sum < budget.preemptions + budget.stale_reads; ++sum) {
    for (std::uint32_t stale = 0; stale <= std::min(sum, budget.stale_reads); ++stale) {
      if (sum - stale > budget.preemptions) continue;
      InterleaveReport simpler;
      explore_all(execution, scenario, {.preemptions = sum - stale, .stale_reads = stale},
                  max_schedules, simpler);
      if (simpler.violations == 0) continue;
      report.violation = std::move(simpler.violation);
      report.trace = std::move(simpler.trace);
      return;
    }
  }
}

}  // namespace

InterleaveReport explore(std::string_view name, Scenario& scenario,
                         const InterleaveOptions& options, const Weakening& weakening) {
  SEQWAL_REQUIRE(options.preemptions <= kMostPreemptions);
  SEQWAL_REQUIRE(options.stale_reads <= kMostStaleReads);
  InterleaveReport report;
  report.scenario = name;
  Execution execution;
  execution.weaken(weakening);
  const Budget budget{.preemptions = options.preemptions, .stale_reads = options.stale_reads};
  explore_all(execution, scenario, budget, options.max_schedules, report);
  if (report.violations > 0) {
    simplify(execution, scenario, budget, options.max_schedules, report);
    return report;
  }
  Random chooser(options.seed);
  while (report.random_schedules < options.random_schedules) {
    ++report.random_schedules;
    chooser.begin();
    if (!execution.run(scenario, chooser, kRandomBudget, false)) {
      tell_violation(execution, scenario, Decisions(chooser.decisions()), kRandomBudget, report);
      simplify(execution, scenario, budget, options.max_schedules, report);
      return report;
    }
  }
  return report;
}

}  // namespace seqwal::sim::interleaving
