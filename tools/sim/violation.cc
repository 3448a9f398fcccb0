// What is told about a broken promise, and the smaller run that is kept of it.
#include <fmt/format.h>
#include <fmt/ostream.h>

#include <fstream>
#include <limits>

#include "commands.h"
#include "guard.h"

namespace seqwal::tool {
namespace {

constexpr std::uint64_t kShrinkAttempts = 10'000;
constexpr std::uint64_t kForkedShrinkAttempts = 1'000;

void tell(const std::string& what, const BrokenWorld& world) {
  diagnose("broken promise", fmt::format("seed {}, after {} cycles", world.seed, world.cycles),
           what);
}

std::string replay_by_seed(const BrokenWorld& world) {
  return fmt::format("{} replay --seed {} --profile {}", program(), world.seed,
                     name_of(world.profile));
}

void keep(const std::string& what, const BrokenWorld& world, const sim::ChoiceList& original,
          const sim::ChoiceList& smaller) {
  tell(what, world);
  const std::string file = fmt::format("seqwal-sim-{}.replay", world.seed);
  const sim::Recording recording{
      .why = what, .bug = {}, .profile = world.profile, .seed = std::nullopt, .list = smaller};
  std::ofstream out(file);
  out << recording.to_text();
  out.close();
  if (smaller.size() > 0 && out) {
    fmt::print(stderr, "a smaller run has {1} choices instead of {0}; the whole one: {2}\n",
               original.size(), smaller.size(), replay_by_seed(world));
    fmt::print(stderr, "{} replay {} --trace\n", program(), file);
  } else {
    fmt::print(stderr, "{}\n", replay_by_seed(world));
  }
}

Exit tell_as_it_is(const std::string& what, const BrokenWorld& world) {
  tell(what, world);
  fmt::print(stderr, "{}\n", replay_by_seed(world));
  return Exit::damage;
}

// Writes down what is chosen as it is chosen: the process is going to die.
class DiaryChoices final : public sim::Choices {
 public:
  DiaryChoices(std::uint64_t seed, std::ostream& diary) : from_(seed), diary_(diary) {}
  std::uint64_t choose(sim::Stream stream, std::uint64_t n, const char* label) override {
    const std::uint64_t value = from_.choose(stream, n, label);
    bool& begins = begins_.at(static_cast<std::size_t>(stream));
    fmt::print(diary_, "{} {} {}\n", static_cast<int>(stream), value, begins ? 1 : 0);
    diary_.flush();
    begins = false;
    return value;
  }
  void begin_group(sim::Stream stream) override {
    begins_.at(static_cast<std::size_t>(stream)) = true;
  }
  void begin_part() override {
    fmt::print(diary_, "{} 0 0\n", sim::kStreams);
    begins_ = {};
  }

 private:
  sim::SeedChoices from_;
  std::ostream& diary_;
  std::array<bool, sim::kStreams> begins_{};
};

sim::ChoiceList record_until_death(std::uint64_t seed, sim::Profile profile) {
  const std::string file = fmt::format("seqwal-sim-{}.choices", seed);
  (void)run_in_child(
      [&] {
        std::ofstream out(file);
        DiaryChoices choices(seed, out);
        sim::Trace trace;
        sim::WorldSupplies supplies;
        (void)sim::run_world({.profile = profile, .cycles = sim::kCyclesPerWorld}, choices, trace,
                             supplies);
        return 0;
      },
      nullptr, true);
  sim::ChoiceList list;
  std::ifstream in(file);
  std::size_t stream = 0;
  sim::ChoiceList::Answer answer;
  while (in >> stream >> answer.value >> answer.begins_group) {
    if (stream < sim::kStreams) {
      list.parts.back().at(stream).push_back(answer);
    } else {
      list.parts.emplace_back();
    }
  }
  in.close();
  (void)std::remove(file.c_str());
  return list;
}

}  // namespace

Exit tell_violation(const sim::Violation& violation, const BrokenWorld& world) {
  const auto text = [&](const std::string& what) {
    return fmt::format("{}: {}", to_string(violation.invariant), what);
  };
  if (!world.shrink) return tell_as_it_is(text(violation.what), world);
  sim::WorldSupplies supplies;
  const sim::ChoiceList list = sim::record_seed(world.seed, world.profile, supplies);
  sim::Recording recording{
      .why = {}, .bug = {}, .profile = world.profile, .seed = std::nullopt, .list = {}};
  std::string what = violation.what;
  std::uint64_t events = std::numeric_limits<std::uint64_t>::max();
  const sim::ChoiceList smaller =
      sim::shrink(list, kShrinkAttempts, [&](const sim::ChoiceList& candidate) {
        recording.list = candidate;
        const sim::WorldReport report = sim::replay(recording, supplies);
        const auto& found = report.violation;
        if (!found || found->invariant != violation.invariant) return false;
        // Simpler choices that make a longer story are no gain.
        if (report.events > events) return false;
        events = report.events;
        what = found->what;
        return true;
      });
  keep(text(what), world, list, smaller);
  return Exit::damage;
}

Exit tell_panic(const std::string& how, const BrokenWorld& world) {
  if (!world.shrink) return tell_as_it_is(how, world);
  sim::Recording recording{
      .why = {}, .bug = {}, .profile = world.profile, .seed = std::nullopt, .list = {}};
  const sim::ChoiceList list = record_until_death(world.seed, world.profile);
  const sim::ChoiceList smaller =
      sim::shrink(list, kForkedShrinkAttempts, [&](const sim::ChoiceList& candidate) {
        recording.list = candidate;
        const Ended ended = run_in_child(
            [&] {
              sim::WorldSupplies supplies;
              (void)sim::replay(recording, supplies);
              return 0;
            },
            nullptr, true);
        return ended.how == how;
      });
  keep(how, world, list, smaller);
  return Exit::damage;
}

}  // namespace seqwal::tool
