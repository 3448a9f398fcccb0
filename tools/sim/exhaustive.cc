// seqwal-sim exhaustive: every state that a power cut can leave of a few writes in flight.
#include "seqwal/sim/exhaustive.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "output.h"
#include "progress.h"

namespace seqwal::tool {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  sim::ExhaustiveOptions options;
  bool json = false;
};

Exit run(const Flags& flags) {
  sim::ExhaustiveReport report;
  {
    const Waiting waiting("exploring");
    report = sim::run_exhaustive(flags.options);
  }
  Stdout out;
  if (flags.json) {
    Json json = {{"blocks", flags.options.blocks},
                 {"fates", flags.options.fates},
                 {"double", flags.options.twice},
                 {"shapes", report.shapes},
                 {"states", report.states},
                 {"violations", report.violations},
                 {"seconds", std::round(report.seconds * 1000) / 1000}};
    out.write_line(json);
  } else {
    out.write(fmt::format("{} states of {} shapes, {} violations, {:.1f} s\n", report.states,
                          report.shapes, report.violations, report.seconds));
  }
  const Exit exit = out.finish(Exit::done);
  if (!report.violation) return exit;
  diagnose("broken promise", report.where,
           fmt::format("{}: {}", to_string(report.violation->invariant), report.violation->what));
  fmt::print(stderr, "{} exhaustive --blocks {} --fates {}{}{}\n", program(), flags.options.blocks,
             flags.options.fates, flags.options.twice ? " --double" : "",
             flags.options.shapes != 0 ? fmt::format(" --shapes {}", flags.options.shapes) : "");
  return Exit::damage;
}

}  // namespace

void add_exhaustive(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("exhaustive", "Recover every state a power cut can leave of a few writes");
  command->add_option("--blocks", flags->options.blocks, "writes in flight, 1 to 8 (default 3)")
      ->check(CLI::Range(1U, 8U));
  command->add_option("--fates", flags->options.fates, "of each of them, 3 or 17 (default 17)")
      ->check(CLI::IsMember({3U, 17U}));
  command->add_option("--shapes", flags->options.shapes, "only the first so many workload shapes");
  command->add_flag("--double", flags->options.twice,
                    "crash again inside the reset and the resume that follow");
  add_threads_option(*command, flags->options.threads);
  command->add_flag("--json", flags->json, "one JSON object");
  command->footer(
      "Exit 1: a promise was broken.\n\n"
      "Example:\n  seqwal-sim exhaustive --blocks 4 --fates 17");
  command->callback([flags, &action] { action = [flags] { return run(*flags); }; });
}

}  // namespace seqwal::tool
