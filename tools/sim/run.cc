// seqwal-sim run and canary: many worlds by seed.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "commands.h"
#include "guard.h"
#include "output.h"
#include "progress.h"
#include "seqwal/sim/coverage.h"

namespace seqwal::tool {
namespace {

using Json = nlohmann::ordered_json;

struct RunFlags {
  std::uint64_t seed = 1;
  std::uint64_t cycles = 0;
  double seconds = 0;
  sim::Profile profile = sim::Profile::swarm;
  unsigned threads = 0;
  bool no_shrink = false;
  bool json = false;
};

double per(std::uint64_t sum, std::uint64_t count) {
  return count == 0
             ? 0
             : std::round(100.0 * static_cast<double>(sum) / static_cast<double>(count)) / 100.0;
}

Json violation(const sim::CampaignReport& report) {
  if (!report.violation) return {};
  return {{"seed", report.violating_seed},
          {"cycles", report.total.cycles},
          {"invariant", to_string(report.violation->invariant)},
          {"what", report.violation->what}};
}

Json summary(const sim::CampaignReport& report, const RunFlags& flags) {
  const sim::WorldReport& total = report.total;
  Json faults = Json::object();
  for (const sim::FaultInfo& fault : sim::kFaultTable) {
    if (fault.fault == sim::Fault::none) continue;
    faults[fault.name] = total.faults.at(static_cast<std::size_t>(fault.fault));
  }
  Json coverage = Json::object();
  Json holes = Json::array();        // empty, and could be reached
  Json impossible = Json::object();  // empty, and why
  Json unforeseen = Json::array();   // called impossible, and reached
  for (std::size_t row = 1; row < sim::kCoverageRows; ++row) {
    for (std::size_t state = 0; state < sim::kStates; ++state) {
      const std::string cell =
          fmt::format("{}/{}", sim::coverage_row_name(row), sim::kStateNames.at(state));
      const std::uint64_t count = total.coverage.at(row).at(state);
      const std::string_view why = sim::why_impossible(row, static_cast<sim::State>(state));
      coverage[cell] = count;
      if (!why.empty() && count == 0) impossible[cell] = why;
      if (!why.empty() && count != 0) unforeseen.push_back(cell);
      if (why.empty() && count == 0) holes.push_back(cell);
    }
  }
  const double core_seconds = report.seconds * flags.threads;
  return {{"seed", flags.seed},
          {"profile", name_of(flags.profile)},
          {"worlds", report.worlds},
          {"cycles", total.cycles},
          {"cycles_per_s",
           core_seconds > 0 ? std::round(static_cast<double>(total.cycles) / core_seconds) : 0},
          {"seconds", report.seconds},
          {"crashes", total.crashes},
          {"lives", total.lives},
          {"resumes", total.resumes},
          {"roads",
           {{"foreign", total.foreign_lives},
            {"adopted", total.adopted},
            {"not_adopted", total.not_adopted},
            {"upgraded", total.upgraded},
            {"downgraded", total.downgraded}}},
          {"injuries",
           {{"harmless", total.injuries.harmless},
            {"alarms", total.injuries.alarms},
            {"detected", total.injuries.detected},
            {"silent", total.injuries.silent},
            {"revived", total.injuries.revived},
            {"after_closes", total.injuries.after_closes},
            {"after_silence", total.injuries.after_silence},
            {"after_crashes", total.injuries.after_crashes}}},
          {"acked", total.acknowledged},
          {"appends_per_cycle", per(total.appended, total.lives)},
          {"in_flight_at_crash", per(total.in_flight_at_crash, total.crashes)},
          {"wrapped_share", per(total.wrapped, total.crashes)},
          {"faults", faults},
          {"coverage", coverage},
          {"coverage_holes", holes},
          {"coverage_impossible", impossible},
          {"coverage_unforeseen", unforeseen},
          {"violations", report.violation ? 1 : 0},
          {"violation", violation(report)},
          {"trace_hash", fmt::format("{:016x}", report.trace_hash)}};
}

// Fault × state, for people. A dash: impossible.
std::string table(const sim::Coverage& coverage) {
  std::string text = fmt::format("{:<12}", "");
  for (const std::string_view state : sim::kStateNames) text += fmt::format("{:>11}", state);
  text += '\n';
  for (std::size_t row = 1; row < sim::kCoverageRows; ++row) {
    text += fmt::format("{:<12}", sim::coverage_row_name(row));
    for (std::size_t state = 0; state < sim::kStates; ++state) {
      const std::uint64_t count = coverage.at(row).at(state);
      const bool impossible = !sim::why_impossible(row, static_cast<sim::State>(state)).empty();
      text += fmt::format("{:>11}", count == 0 && impossible ? "-" : fmt::to_string(count));
    }
    text += '\n';
  }
  return text;
}

void write_summary(const sim::CampaignReport& report, const RunFlags& flags, Stdout& out) {
  const Json json = summary(report, flags);
  if (flags.json) {
    out.write_line(json);
    return;
  }
  out.write(table(report.total.coverage));
  for (const char* field :
       {"seed", "profile", "worlds", "cycles", "cycles_per_s", "seconds", "crashes", "lives",
        "resumes", "roads", "injuries", "acked", "appends_per_cycle", "in_flight_at_crash",
        "wrapped_share", "coverage_holes", "coverage_unforeseen", "violations", "trace_hash"}) {
    const Json& value = json.at(field);
    out.write(fmt::format("{:<20}{}\n", field,
                          value.is_string() ? value.get<std::string>() : value.dump()));
  }
}

// All that is known of a campaign whose process died.
void write_death(const std::string& how, const SeedBoard::World& world, const RunFlags& flags) {
  const Json death = {
      {"seed", world.seed}, {"cycles", world.cycles}, {"invariant", nullptr}, {"what", how}};
  Stdout out;
  out.write_line(Json{{"seed", flags.seed},
                      {"profile", name_of(flags.profile)},
                      {"cycles", world.cycles},
                      {"violations", 1},
                      {"violation", death}});
  (void)out.finish(Exit::damage);
}

Exit run(const RunFlags& flags) {
  if (flags.cycles != 0 && flags.seconds > 0) {
    diagnose("wrong usage", "seqwal-sim run", "--cycles or --seconds, not both");
    return Exit::usage;
  }
  SeedBoard board;
  sim::CampaignOptions options{
      .profile = flags.profile,
      .seed = flags.seed,
      .cycles = flags.cycles,
      .seconds = flags.cycles == 0 && flags.seconds <= 0 ? 10 : flags.seconds,
      .threads = flags.threads,
      .on_world = [&board](unsigned thread, std::uint64_t seed, std::uint64_t cycles) {
        board.running(thread, {.seed = seed, .cycles = cycles});
      }};
  const Ended ended = run_in_child(
      [&] {
        sim::CampaignReport report;
        {
          const Waiting waiting("simulating");
          report = sim::run_campaign(options);
        }
        Stdout out;
        write_summary(report, flags, out);
        const Exit exit = out.finish(Exit::done);
        if (!report.violation && report.barren) {
          diagnose("too few cycles", "seqwal-sim run",
                   fmt::format("{} worlds had {} of {}: see with replay --seed {} --profile {} "
                               "--trace what becomes of a log",
                               report.worlds, report.total.cycles, flags.cycles, flags.seed,
                               name_of(flags.profile)));
          return static_cast<int>(Exit::failed);
        }
        if (!report.violation) return static_cast<int>(exit);
        return static_cast<int>(tell_violation(*report.violation, {.seed = report.violating_seed,
                                                                   .profile = flags.profile,
                                                                   .cycles = report.total.cycles,
                                                                   .shrink = !flags.no_shrink}));
      },
      &board, false);
  if (ended.how.empty()) return static_cast<Exit>(ended.exit_code);
  const auto world = board.died_of();
  if (!world) {
    diagnose(ended.how, "seqwal-sim run", "no seed is to blame: run it in a debugger");
    return Exit::damage;
  }
  if (flags.json) write_death(ended.how, *world, flags);
  return tell_panic(ended.how, {.seed = world->seed,
                                .profile = flags.profile,
                                .cycles = world->cycles,
                                .shrink = !flags.no_shrink});
}

}  // namespace

std::string_view name_of(sim::Profile profile) {
  return sim::kProfileNames.at(static_cast<std::size_t>(profile));
}

void add_profile_option(CLI::App& command, sim::Profile& profile, const std::string& description) {
  std::map<std::string, sim::Profile> names;
  for (std::size_t i = 0; i < sim::kProfileNames.size(); ++i) {
    names.emplace(sim::kProfileNames.at(i), static_cast<sim::Profile>(i));
  }
  command.add_option("--profile", profile, description)
      ->transform(CLI::CheckedTransformer(names))
      ->option_text("swarm|crash|faults|media|rot|liveness");
}

void add_threads_option(CLI::App& command, unsigned& threads) {
  threads = std::max(1U, std::thread::hardware_concurrency());
  command.add_option("--threads", threads, "worlds side by side (default: a thread a core)")
      ->check(CLI::Range(1U, SeedBoard::kThreads));
}

void add_run(CLI::App& app, Action& action) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "Simulate many worlds, one a seed");
  command->add_option("--seed", flags->seed, "of the first world (default 1)");
  command->add_option("--cycles", flags->cycles, "crash, recover, verify at least so often");
  command->add_option("--seconds", flags->seconds, "or for so long (default 10)")
      ->check(CLI::PositiveNumber);
  add_profile_option(*command, flags->profile, "which faults there are (default swarm)");
  add_threads_option(*command, flags->threads);
  command->add_flag("--no-shrink", flags->no_shrink, "tell a broken promise as it was found");
  command->add_flag("--json", flags->json, "one JSON object");
  command->footer(
      "Exit 1: a promise was broken; the last line on stderr replays it.\n\n"
      "Example:\n  seqwal-sim run --seconds 60");
  command->callback([flags, &action] { action = [flags] { return run(*flags); }; });
}

void add_canary(CLI::App& app, Action& action) {
  auto flags = std::make_shared<RunFlags>();
  flags->profile = sim::Profile::canary;
  CLI::App* command = app.add_subcommand(
      "canary", "Prove that a broken promise is seen: the disk lies and nobody is told. Exits 1");
  add_threads_option(*command, flags->threads);
  command->add_flag("--json", flags->json, "one JSON object");
  command->footer("Example:\n  seqwal-sim canary; test $? = 1");
  command->callback([flags, &action] {
    action = [flags] {
      flags->cycles = 10000;
      const Exit exit = run(*flags);
      if (exit == Exit::done) {
        diagnose("the canary lives", "seqwal-sim canary",
                 "the oracle saw nothing: trust no campaign until it does");
      }
      return exit;
    };
  });
}

}  // namespace seqwal::tool
