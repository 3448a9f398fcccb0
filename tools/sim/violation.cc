// What is told about a broken promise, and the smaller run that is kept of it.
#include <fmt/format.h>

#include <fstream>

#include "commands.h"
#include "guard.h"

namespace seqwal::tool {
namespace {

constexpr std::uint64_t kShrinkAttempts = 3000;
constexpr std::uint64_t kForkedShrinkAttempts = 400;

void tell(const std::string& what, std::uint64_t seed, sim::Profile profile,
          const sim::ChoiceList& original, const sim::ChoiceList& smaller) {
  const std::string by_seed =
      fmt::format("{} replay --seed {} --profile {}", program(), seed, name_of(profile));
  diagnose("broken promise", fmt::format("seed {}", seed), what);
  const std::string file = fmt::format("seqwal-sim-{}.replay", seed);
  const sim::Recording recording{
      .why = what, .profile = profile, .seed = std::nullopt, .list = smaller};
  std::ofstream out(file);
  out << recording.to_text();
  out.close();
  if (smaller.size() > 0 && out) {
    fmt::print(stderr, "{} choices, made {}; the whole run: {}\n", original.size(), smaller.size(),
               by_seed);
    fmt::print(stderr, "{} replay {} --trace\n", program(), file);
  } else {
    fmt::print(stderr, "{}\n", by_seed);
  }
}

}  // namespace

Exit tell_violation(const sim::Violation& violation, std::uint64_t seed, sim::Profile profile) {
  sim::WorldSupplies supplies;
  const sim::ChoiceList list = sim::record_seed(seed, profile, supplies);
  sim::Recording recording{.why = {}, .profile = profile, .seed = std::nullopt, .list = {}};
  std::string what = violation.what;
  const sim::ChoiceList smaller =
      sim::shrink(list, kShrinkAttempts, [&](const sim::ChoiceList& candidate) {
        recording.list = candidate;
        const auto found = sim::replay(recording, supplies).violation;
        if (!found || found->invariant != violation.invariant) return false;
        what = found->what;
        return true;
      });
  tell(fmt::format("{}: {}", to_string(violation.invariant), what), seed, profile, list, smaller);
  return Exit::damage;
}

Exit tell_panic(const std::string& how, std::uint64_t seed, sim::Profile profile) {
  sim::Recording recording{.why = {}, .profile = profile, .seed = std::nullopt, .list = {}};
  // The run cannot be recorded to its end: only as long as it lasts. A list that goes on with
  // zeroes would be another run, so the choices are collected in a child's file.
  sim::ChoiceList list;
  const std::string file = fmt::format("seqwal-sim-{}.choices", seed);
  (void)run_in_child(
      [&] {
        std::ofstream out(file);
        sim::SeedChoices from(seed);
        sim::FunctionChoices choices([&](sim::Stream stream, std::uint64_t n) {
          const std::uint64_t value = from.choose(stream, n, "");
          out << static_cast<int>(stream) << ' ' << value << std::endl;
          return value;
        });
        sim::Trace trace;
        sim::WorldSupplies supplies;
        (void)sim::run_world({.profile = profile, .cycles = sim::kCyclesPerWorld}, choices, trace,
                             supplies);
        return 0;
      },
      nullptr, true);
  std::ifstream in(file);
  std::size_t stream = 0;
  std::uint64_t value = 0;
  while (in >> stream >> value && stream < sim::kStreams) {
    list.streams.at(stream).push_back({.value = value, .begins_group = false});
  }
  in.close();
  (void)std::remove(file.c_str());
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
  tell(how, seed, profile, list, smaller);
  return Exit::damage;
}

}  // namespace seqwal::tool
