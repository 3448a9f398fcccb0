// The explorer of interleavings: its model of memory, by the litmus tests of the literature; that
// it finds what is planted; and the lock-free parts of the core under it.
#include "seqwal/sim/interleave.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/src/interleave_explorer.h"
#include "sim/src/interleave_scenarios.h"

namespace seqwal::sim::interleaving {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr Order kRelaxed = std::memory_order_relaxed;
constexpr Order kAcquire = std::memory_order_acquire;
constexpr Order kRelease = std::memory_order_release;
constexpr Order kSeqCst = std::memory_order_seq_cst;

// --- litmus tests -----------------------------------------------------------------------------

using Outcome = std::array<int, 4>;

// Up to four threads, two atomics and one plain variable, all zero at first, and what was read.
class Litmus final : public Scenario {
 public:
  using Body = std::function<void(Litmus&)>;

  explicit Litmus(std::vector<Body> bodies) : bodies_(std::move(bodies)) {}

  [[nodiscard]] std::uint32_t threads() const override {
    return static_cast<std::uint32_t>(bodies_.size());
  }
  void set_up() override {
    x_.emplace(0);
    y_.emplace(0);
    Execution::current().name_locations(std::vector<std::string>{"x", "y"});
    r = {};
    plain_ = 0;
  }
  void run(std::uint32_t thread) override { bodies_.at(thread)(*this); }
  void check() override { outcomes_.insert(r); }

  [[nodiscard]] ModelAtomic<int>& x() { return *x_; }
  [[nodiscard]] ModelAtomic<int>& y() { return *y_; }
  void write_plain() {
    ModelAtomics::writes(plain_);
    plain_ = 1;
  }
  [[nodiscard]] int read_plain() const {
    ModelAtomics::reads(plain_);
    return plain_;
  }
  [[nodiscard]] const std::set<Outcome>& outcomes() const { return outcomes_; }

  Outcome r{};

 private:
  const std::vector<Body> bodies_;
  std::optional<ModelAtomic<int>> x_;
  std::optional<ModelAtomic<int>> y_;
  int plain_ = 0;
  std::set<Outcome> outcomes_;
};

InterleaveReport explore_litmus(Litmus& litmus) {
  return explore("litmus", litmus, {.preemptions = 4, .stale_reads = 4, .random_schedules = 500});
}

// All that the model allows.
std::set<Outcome> outcomes_of(std::vector<Litmus::Body> bodies) {
  Litmus litmus(std::move(bodies));
  const InterleaveReport report = explore_litmus(litmus);
  EXPECT_EQ(report.violations, 0U) << describe_violation(report);
  EXPECT_TRUE(report.complete);
  return litmus.outcomes();
}

std::string violation_of(std::vector<Litmus::Body> bodies) {
  Litmus litmus(std::move(bodies));
  return explore_litmus(litmus).violation;
}

std::set<Outcome> store_buffering(Order store, Order load) {
  return outcomes_of({[=](Litmus& it) {
                        it.x().store(1, store);
                        it.r[0] = it.y().load(load);
                      },
                      [=](Litmus& it) {
                        it.y().store(1, store);
                        it.r[1] = it.x().load(load);
                      }});
}

TEST(InterleaveMemory, StoreBufferingNeedsSequentialConsistency) {
  EXPECT_THAT(store_buffering(kRelaxed, kRelaxed),
              UnorderedElementsAre(Outcome{0, 0}, Outcome{0, 1}, Outcome{1, 0}, Outcome{1, 1}));
  EXPECT_THAT(store_buffering(kRelease, kAcquire), Contains(Outcome{0, 0}));
  EXPECT_THAT(store_buffering(kSeqCst, kAcquire), Contains(Outcome{0, 0}));
  EXPECT_THAT(store_buffering(kRelease, kSeqCst), Contains(Outcome{0, 0}));
  EXPECT_THAT(store_buffering(kSeqCst, kSeqCst),
              UnorderedElementsAre(Outcome{0, 1}, Outcome{1, 0}, Outcome{1, 1}));
}

std::set<Outcome> message_passing(Order store, Order load) {
  return outcomes_of({[=](Litmus& it) {
                        it.x().store(1, kRelaxed);
                        it.y().store(1, store);
                      },
                      [=](Litmus& it) {
                        it.r[0] = it.y().load(load);
                        it.r[1] = it.x().load(kRelaxed);
                      }});
}

TEST(InterleaveMemory, AMessageNeedsReleaseAndAcquire) {
  const Outcome lost{1, 0};
  EXPECT_THAT(message_passing(kRelaxed, kRelaxed), Contains(lost));
  EXPECT_THAT(message_passing(kRelease, kRelaxed), Contains(lost));
  EXPECT_THAT(message_passing(kRelaxed, kAcquire), Contains(lost));
  EXPECT_THAT(message_passing(kRelease, kAcquire),
              UnorderedElementsAre(Outcome{0, 0}, Outcome{0, 1}, Outcome{1, 1}));
  EXPECT_THAT(message_passing(kSeqCst, kSeqCst), Not(Contains(lost)));
}

TEST(InterleaveMemory, OneLocationIsCoherent) {
  const auto outcomes = outcomes_of({[](Litmus& it) {
                                       it.x().store(1, kRelaxed);
                                       it.x().store(2, kRelaxed);
                                       it.r[3] = it.x().load(kRelaxed);
                                     },
                                     [](Litmus& it) {
                                       it.r[0] = it.x().load(kRelaxed);
                                       it.r[1] = it.x().load(kRelaxed);
                                     }});
  std::set<Outcome> expected;
  for (int first = 0; first <= 2; ++first) {
    for (int second = first; second <= 2; ++second) expected.insert({first, second, 0, 2});
  }
  EXPECT_EQ(outcomes, expected);
}

TEST(InterleaveMemory, CausalityIsTransitive) {
  const auto outcomes = outcomes_of({[](Litmus& it) { it.x().store(1, kRelease); },
                                     [](Litmus& it) {
                                       it.r[0] = it.x().load(kAcquire);
                                       it.y().store(1, kRelease);
                                     },
                                     [](Litmus& it) {
                                       it.r[1] = it.y().load(kAcquire);
                                       it.r[2] = it.x().load(kRelaxed);
                                     }});
  EXPECT_THAT(outcomes, Not(Contains(Outcome{1, 1, 0})));
  EXPECT_THAT(outcomes, IsSupersetOf({Outcome{1, 1, 1}, Outcome{0, 1, 0}, Outcome{1, 0, 0}}));
}

// Thread 1 continues what thread 0 releases, or breaks it.
std::set<Outcome> release_sequence(const Litmus::Body& between) {
  return outcomes_of({[](Litmus& it) {
                        it.y().store(1, kRelaxed);
                        it.x().store(1, kRelease);
                      },
                      between,
                      [](Litmus& it) {
                        it.r[0] = it.x().load(kAcquire);
                        it.r[1] = it.y().load(kRelaxed);
                      }});
}

TEST(InterleaveMemory, AReadModifyWriteContinuesAReleaseSequenceAndAStoreEndsIt) {
  const auto continued = release_sequence([](Litmus& it) { it.x().fetch_add(2, kRelaxed); });
  EXPECT_THAT(continued, Contains(Outcome{3, 1}));
  EXPECT_THAT(continued, Not(Contains(Outcome{3, 0})));
  const auto ended = release_sequence([](Litmus& it) {
    if (it.x().load(kRelaxed) == 1) it.x().store(3, kRelaxed);
  });
  EXPECT_THAT(ended, IsSupersetOf({Outcome{3, 0}, Outcome{3, 1}}));
}

std::set<Outcome> independent_reads(Order load) {
  return outcomes_of({[](Litmus& it) { it.x().store(1, kSeqCst); },
                      [](Litmus& it) { it.y().store(1, kSeqCst); },
                      [=](Litmus& it) {
                        it.r[0] = it.x().load(load);
                        it.r[1] = it.y().load(load);
                      },
                      [=](Litmus& it) {
                        it.r[2] = it.y().load(load);
                        it.r[3] = it.x().load(load);
                      }});
}

TEST(InterleaveMemory, IndependentWritesAreSeenInOneOrderOnlySequentiallyConsistent) {
  EXPECT_THAT(independent_reads(kAcquire), Contains(Outcome{1, 0, 1, 0}));
  EXPECT_THAT(independent_reads(kSeqCst), Not(Contains(Outcome{1, 0, 1, 0})));
}

TEST(InterleaveMemory, ReadModifyWritesLoseNothing) {
  const auto add = [](std::size_t slot) {
    return [=](Litmus& it) { it.r.at(slot) = it.x().fetch_add(1, kRelaxed); };
  };
  EXPECT_THAT(outcomes_of({add(0), add(1)}), UnorderedElementsAre(Outcome{0, 1}, Outcome{1, 0}));
}

TEST(InterleaveMemory, AWeakSwapMayFailForNoReason) {
  const auto outcomes = outcomes_of({[](Litmus& it) {
    int expected = 0;
    it.r[0] = it.x().compare_exchange_weak(expected, 5, kRelaxed) ? 1 : 0;
    it.r[1] = expected;
    it.r[2] = it.x().load(kRelaxed);
  }});
  EXPECT_THAT(outcomes, UnorderedElementsAre(Outcome{1, 0, 5}, Outcome{0, 0, 0}));
}

// A limit, on purpose: the standard allows 1, 1.
TEST(InterleaveMemory, LoadsAreNotBuffered) {
  const auto outcomes = outcomes_of({[](Litmus& it) {
                                       it.r[0] = it.x().load(kRelaxed);
                                       it.y().store(1, kRelaxed);
                                     },
                                     [](Litmus& it) {
                                       it.r[1] = it.y().load(kRelaxed);
                                       it.x().store(1, kRelaxed);
                                     }});
  EXPECT_THAT(outcomes, UnorderedElementsAre(Outcome{0, 0}, Outcome{0, 1}, Outcome{1, 0}));
}

std::string plain_message(Order store, Order load) {
  return violation_of({[=](Litmus& it) {
                         it.write_plain();
                         it.x().store(1, store);
                       },
                       [=](Litmus& it) {
                         if (it.x().load(load) == 1) it.r[0] = it.read_plain();
                       }});
}

TEST(InterleaveMemory, ARaceOnPlainDataIsFound) {
  EXPECT_EQ(plain_message(kRelease, kAcquire), "");
  EXPECT_THAT(plain_message(kRelaxed, kAcquire), HasSubstr("data race"));
  EXPECT_THAT(plain_message(kRelease, kRelaxed), HasSubstr("data race"));
  EXPECT_EQ(violation_of({[](Litmus& it) { it.r[0] = it.read_plain(); },
                          [](Litmus& it) { it.r[1] = it.read_plain(); }}),
            "");
}

TEST(InterleaveSchedule, SleepingForEverAndSpinningForEverAreFound) {
  EXPECT_EQ(violation_of({[](Litmus& it) { Execution::current().wait_and_clear(it.x().id()); },
                          [](Litmus& it) { it.x().store(1, kRelaxed); }}),
            "");
  EXPECT_THAT(violation_of({[](Litmus& it) { Execution::current().wait_and_clear(it.x().id()); },
                            [](Litmus& it) { it.y().store(1, kRelaxed); }}),
              HasSubstr("lost wake-up"));
  EXPECT_THAT(violation_of({[](Litmus& it) {
                while (it.x().load(kRelaxed) == 0) Execution::current().pause();
              }}),
              HasSubstr("does not come to an end"));
}

// Parked is left by unparking, not by the word that changes later.
TEST(InterleaveSchedule, ParkingLooksAtTheWordFirst) {
  const Litmus::Body parks = [](Litmus& it) {
    Execution::current().park(it.x().id(), 0, it.y().id());
  };
  EXPECT_EQ(violation_of({parks,
                          [](Litmus& it) {
                            it.x().store(1, kRelaxed);
                            it.y().fetch_add(1, kRelaxed);
                          }}),
            "");
  EXPECT_THAT(violation_of({parks, [](Litmus& it) { it.x().store(1, kRelaxed); }}),
              HasSubstr("lost wake-up"));
}

// --- the lock-free parts ----------------------------------------------------------------------

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kSchedules = 500;
#else
constexpr std::uint64_t kSchedules = 40'000;
#endif

std::uint64_t schedules() {
  return std::getenv("SEQWAL_LONG") != nullptr ? kSchedules * 50 : kSchedules;
}

class InterleaveScenario : public testing::TestWithParam<std::string_view> {};

TEST_P(InterleaveScenario, HoldsInEverySmallScope) {
  for (const auto& [threads, ops] : {std::pair{2U, 1U}, {2U, 2U}, {3U, 1U}, {3U, 2U}}) {
    const InterleaveReport report = interleave(GetParam(), {.threads = threads,
                                                            .ops = ops,
                                                            .max_schedules = schedules(),
                                                            .random_schedules = schedules() / 10});
    EXPECT_EQ(report.violations, 0U) << describe_violation(report);
    EXPECT_GT(report.schedules, 0U);
  }
}

// Nothing depends on addresses, so the same options explore the same.
TEST_P(InterleaveScenario, IsDeterministic) {
  const InterleaveOptions options{.max_schedules = 1000, .random_schedules = 0};
  const InterleaveReport first = interleave(GetParam(), options);
  const InterleaveReport second = interleave(GetParam(), options);
  EXPECT_EQ(first.schedules, second.schedules);
  EXPECT_EQ(first.states, second.states);
}

INSTANTIATE_TEST_SUITE_P(All, InterleaveScenario, testing::ValuesIn(interleave_scenarios()),
                         [](const auto& test) { return std::string(test.param); });

TEST(InterleaveCanaries, TheWeakenedOrderIsCaught) {
  for (const char* scenario :
       {"doorbell", "seal", "sleep", "rotation", "slots", "space", "long", "stop", "stop_full"}) {
    const InterleaveReport report =
        interleave(scenario, {.canary = InterleaveCanary::weakened_order});
    EXPECT_EQ(report.violations, 1U) << scenario;
    EXPECT_THAT(report.violation, AnyOf(HasSubstr("data race"), HasSubstr("lost wake-up")));
    EXPECT_THAT(describe_violation(report), HasSubstr("published")) << scenario;
  }
}

TEST(InterleaveCanaries, TheMissingSecondLookIsCaught) {
  for (const char* scenario :
       {"doorbell", "ticket", "sleep", "rotation", "slots", "space", "long"}) {
    const InterleaveReport report =
        interleave(scenario, {.canary = InterleaveCanary::missing_recheck});
    EXPECT_EQ(report.violations, 1U) << scenario;
    EXPECT_THAT(report.violation, HasSubstr("lost wake-up"));
    EXPECT_THAT(describe_violation(report), HasSubstr("sleeping           store        seq_cst"))
        << scenario;
  }
}

// The orders without which something breaks, each made relaxed.
TEST(InterleaveCanaries, EveryOrderThatMattersIsMissed) {
  using enum Weakening::Operation;
  struct Case {
    const char* location;
    Weakening::Operation operation;
    const char* scenario;
  };
  for (const auto& [location, operation, scenario] : {Case{"published", load, "seal"},
                                                      Case{"published", change, "seal"},
                                                      Case{"sealed", load, "rotation"},
                                                      Case{"sealed", store, "rotation"},
                                                      Case{"released.blocks", load, "rotation"},
                                                      Case{"released.blocks", store, "rotation"},
                                                      Case{"released.tickets", load, "slots"},
                                                      Case{"released.tickets", store, "slots"},
                                                      Case{"tail", load, "sleep"},
                                                      Case{"tail", change, "sleep"},
                                                      Case{"sleeping", load, "doorbell"},
                                                      Case{"sleeping", store, "doorbell"},
                                                      Case{"epoch", load, "room"},
                                                      Case{"epoch", change, "room"},
                                                      Case{"waiters", load, "room"},
                                                      Case{"waiters", change, "room"},
                                                      Case{"closed", load, "close"},
                                                      Case{"inside", load, "close"},
                                                      Case{"inside", change, "close"},
                                                      Case{"sequence", load, "ring"},
                                                      Case{"sequence", store, "ring"}}) {
    const Scope scope{.threads = std::string_view(scenario) == "close" ? 3U : 2U, .ops = 2};
    auto made = make_protocol_scenario(scenario, scope);
    if (!made) made = make_buffer_scenario(scenario, scope);
    const InterleaveReport report = explore(scenario, *made, {.max_schedules = 20'000},
                                            {.location = location, .operation = operation});
    EXPECT_EQ(report.violations, 1U) << scenario << " with a relaxed " << location;
  }
}

TEST(InterleaveCanaries, AViolationIsToldStepByStep) {
  const InterleaveReport report =
      interleave("doorbell", {.ops = 1, .canary = InterleaveCanary::missing_recheck});
  EXPECT_EQ(describe_violation(report),
            "doorbell: lost wake-up: everybody sleeps, and not everything is done\n"
            "   1  thread 0  sleeping           store        relaxed  0\n"
            "   2  thread 0  published          load         seq_cst  0\n"
            "   3  thread 1  published          add          seq_cst  0 -> 1\n"
            "   4  thread 1  sleeping           load         seq_cst  0\n"
            "   5  thread 0  sleeping           store        seq_cst  1\n"
            "   6  thread 0  woken              wait\n");
}

}  // namespace
}  // namespace seqwal::sim::interleaving
