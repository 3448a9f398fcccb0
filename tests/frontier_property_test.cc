// DurableFrontier against a model that remembers moments instead of stages: any order of
// completions, flushes that begin and end anywhere between them.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "core/src/durable_frontier.h"

namespace seqwal {
namespace {

// When a block write completed, and when flushes ran. That is all.
class FrontierModel {
 public:
  explicit FrontierModel(bool needs_flush) : needs_flush_(needs_flush) {}

  void written(std::uint32_t number) {
    if (number >= written_at_.size()) written_at_.resize(number + 1);
    written_at_[number] = ++moment_;
  }
  void flush_begins() { flush_began_ = ++moment_; }
  void flush_ends() {
    covered_before_ = *flush_began_;
    flush_began_.reset();
  }

  [[nodiscard]] bool flushing() const { return flush_began_.has_value(); }
  // Some block is neither covered by a flush that has ended nor by the one in flight.
  [[nodiscard]] bool wants_flush() const {
    return needs_flush_ && !flushing() && std::ranges::any_of(written_at_, [this](auto moment) {
             return moment > covered_before_;
           });
  }
  [[nodiscard]] bool is_durable(std::uint32_t number) const {
    if (number >= written_at_.size() || written_at_[number] == 0) return false;
    return !needs_flush_ || written_at_[number] < covered_before_;
  }

 private:
  const bool needs_flush_;
  std::uint64_t moment_ = 0;
  std::vector<std::uint64_t> written_at_;     // by number; 0 = not yet
  std::optional<std::uint64_t> flush_began_;  // the one in flight
  std::uint64_t covered_before_ = 0;          // when the last flush that ended had begun
};

enum class Action : std::uint8_t { submit, complete, flush_begins, flush_ends, advance };

struct Step {
  Action action{};
  std::uint8_t which = 0;  // how many are submitted, or which one completes
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  static constexpr const char* kNames[] = {"submit", "complete", "flush begins", "flush ends",
                                           "advance"};
  return out << kNames[static_cast<std::size_t>(step.action)] << ' ' << int{step.which};
}

rc::Gen<std::vector<Step>> arbitrary_steps() {
  const auto action = rc::gen::weightedElement<Action>({{3, Action::submit},
                                                        {12, Action::complete},
                                                        {3, Action::flush_begins},
                                                        {3, Action::flush_ends},
                                                        {4, Action::advance}});
  const auto step = rc::gen::construct<Step>(action, rc::gen::arbitrary<std::uint8_t>());
  return rc::gen::scale(4, rc::gen::container<std::vector<Step>>(step));
}

struct FrontierRun {
  explicit FrontierRun(bool needs_flush) : frontier(needs_flush), model(needs_flush) {}

  void take(const Step& step) {
    switch (step.action) {
      case Action::submit:
        for (int i = 0; i < 1 + step.which % 8 && submitted < most(); ++i) {
          in_flight.push_back(submitted++);
        }
        return;
      case Action::complete:
        if (!in_flight.empty()) complete(step.which % in_flight.size());
        return;
      case Action::flush_begins:
        if (model.flushing()) return;
        frontier.flush_begins();
        model.flush_begins();
        return;
      case Action::flush_ends:
        if (!model.flushing()) return;
        frontier.flush_ends();
        model.flush_ends();
        return;
      case Action::advance:
        while (frontier.advance()) {
          RC_ASSERT(model.is_durable(passed));
          ++passed;
        }
        RC_ASSERT(!model.is_durable(passed));
    }
  }

  void complete(std::size_t index) {
    if (index > 0) out_of_order = true;
    frontier.written(in_flight[index]);
    model.written(in_flight[index]);
    in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void compare() const {
    RC_ASSERT(frontier.frontier() == passed);
    RC_ASSERT(frontier.flushing() == model.flushing());
    RC_ASSERT(frontier.wants_flush() == model.wants_flush());
  }

  // The blocks that may be known at once.
  [[nodiscard]] std::uint32_t most() const { return passed + DurableFrontier::kCapacity; }

  DurableFrontier frontier;
  FrontierModel model;
  std::uint32_t submitted = 0;
  std::uint32_t passed = 0;  // what advance has gone over
  std::vector<std::uint32_t> in_flight;
  bool out_of_order = false;
};

RC_GTEST_PROP(DurableFrontier, IsTheModelInAnyOrderOfCompletionsAndFlushes, (bool needs_flush)) {
  const std::vector<Step> steps = *arbitrary_steps();
  FrontierRun run(needs_flush);
  for (const Step& step : steps) {
    run.take(step);
    run.compare();
  }
  // However it was left, what is still to come makes everything durable.
  while (!run.in_flight.empty()) run.complete(run.in_flight.size() - 1);
  for (const Action last :
       {Action::flush_ends, Action::flush_begins, Action::flush_ends, Action::advance}) {
    run.take({.action = last});
    run.compare();
  }
  RC_ASSERT(run.passed == run.submitted);
  RC_CLASSIFY(run.out_of_order, "out of order");
  RC_CLASSIFY(run.submitted > DurableFrontier::kCapacity, "round the ring");
}

}  // namespace
}  // namespace seqwal
