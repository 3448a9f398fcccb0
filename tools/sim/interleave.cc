// seqwal-sim interleave: all schedules of the lock-free parts, in a small scope.
#include "seqwal/sim/interleave.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "output.h"
#include "progress.h"

namespace seqwal::tool {
namespace {

using Json = nlohmann::ordered_json;

struct InterleaveFlags {
  sim::InterleaveOptions options;
  std::string scenario;
  bool json = false;
};

Json to_json(const sim::InterleaveReport& report) {
  return {{"scenario", report.scenario},
          {"schedules", report.schedules},
          {"random_schedules", report.random_schedules},
          {"states", report.states},
          {"complete", report.complete},
          {"violations", report.violations},
          {"violation", report.violation}};
}

Exit run(const InterleaveFlags& flags) {
  Json scenarios = Json::array();
  std::uint64_t schedules = 0;
  std::uint64_t violations = 0;
  std::string failed;
  std::string text;
  {
    const Waiting waiting("exploring");
    for (const std::string_view name : sim::interleave_scenarios()) {
      if (!flags.scenario.empty() && flags.scenario != name) continue;
      const sim::InterleaveReport report = sim::interleave(name, flags.options);
      scenarios.push_back(to_json(report));
      schedules += report.schedules + report.random_schedules;
      violations += report.violations;
      text +=
          fmt::format("{:<12}{:>9} schedules{} and {} random ones: {}\n", name, report.schedules,
                      report.complete ? ", all there are," : "", report.random_schedules,
                      report.violations == 0 ? "well" : "a promise was broken");
      if (report.violations == 0) continue;
      diagnose(
          "broken promise",
          fmt::format("{}, after {} schedules", name, report.schedules + report.random_schedules),
          sim::describe_violation(report));
      if (failed.empty()) failed = name;
    }
  }
  Stdout out;
  if (flags.json) {
    out.write_line(Json{{"threads", flags.options.threads},
                        {"ops", flags.options.ops},
                        {"schedules", schedules},
                        {"violations", violations},
                        {"scenarios", scenarios}});
  } else {
    out.write(text);
    out.write(fmt::format("{} schedules, {} violations\n", schedules, violations));
  }
  const Exit exit = out.finish(Exit::done);
  if (violations == 0) return exit;
  fmt::print(stderr, "{} interleave --threads {} --ops {} --scenario {}{}\n", program(),
             flags.options.threads, flags.options.ops, failed,
             flags.options.canary == sim::InterleaveCanary::weakened_order    ? " --canary order"
             : flags.options.canary == sim::InterleaveCanary::missing_recheck ? " --canary recheck"
                                                                              : "");
  return Exit::damage;
}

}  // namespace

void add_interleave(CLI::App& app, Action& action) {
  auto flags = std::make_shared<InterleaveFlags>();
  CLI::App* command = app.add_subcommand(
      "interleave", "Run the lock-free parts through all schedules of a small scope");
  command->add_option("--threads", flags->options.threads, "one of them polls (default 2)")
      ->check(CLI::Range(2U, 4U));
  command->add_option("--ops", flags->options.ops, "of each of the others (default 2)")
      ->check(CLI::Range(1U, 8U));
  command->add_option("--scenario", flags->scenario, "only this one")->check(CLI::IsMember([] {
    std::vector<std::string> names;
    for (const std::string_view name : sim::interleave_scenarios()) names.emplace_back(name);
    return names;
  }()));
  command
      ->add_option("--canary", flags->options.canary,
                   "with a bug planted, that must be found: order or recheck")
      ->transform(CLI::CheckedTransformer(std::map<std::string, sim::InterleaveCanary>{
          {"order", sim::InterleaveCanary::weakened_order},
          {"recheck", sim::InterleaveCanary::missing_recheck}}))
      ->option_text("order|recheck");
  command->add_flag("--json", flags->json, "one JSON object");
  command->footer(
      "Exit 1: a promise was broken.\n\n"
      "Example:\n  seqwal-sim interleave --threads 3 --ops 2");
  command->callback([flags, &action] {
    if ((flags->options.threads - 1) * flags->options.ops > 8) {
      throw CLI::ValidationError("--ops", "at most 8 operations in all");
    }
    action = [flags] { return run(*flags); };
  });
}

}  // namespace seqwal::tool
