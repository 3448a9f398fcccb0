// seqwal-sim replay: one run again, event by event.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "commands.h"
#include "guard.h"
#include "output.h"

namespace seqwal::tool {
namespace {

struct ReplayFlags {
  std::optional<std::uint64_t> seed;
  std::string file;
  sim::Profile profile = sim::Profile::swarm;
  bool trace = false;
};

// As on the command line.
std::string source(const ReplayFlags& flags) {
  if (!flags.seed) return flags.file;
  return fmt::format("--seed {} --profile {}", *flags.seed, name_of(flags.profile));
}

std::expected<sim::Recording, Exit> load(const ReplayFlags& flags) {
  if (flags.seed) {
    return sim::Recording{
        .why = {}, .bug = {}, .profile = flags.profile, .seed = flags.seed, .list = {}};
  }
  std::ifstream in(flags.file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) {
    diagnose("cannot read", flags.file, "name a file that seqwal-sim wrote");
    return std::unexpected(Exit::failed);
  }
  auto recording = sim::Recording::from_text(text.str());
  if (!recording) {
    diagnose("not a recording", flags.file, recording.error());
    return std::unexpected(Exit::usage);
  }
  return *recording;
}

int run_child(const sim::Recording& recording, const ReplayFlags& flags) {
  Stdout out;
  const bool all = flags.trace;
  std::uint64_t rows = 0;
  const sim::Trace::Sink sink = [&](const sim::TraceRow& row) {
    ++rows;
    if (!all) return;
    out.write(to_text(row));
    out.write("\n");
  };
  sim::WorldSupplies supplies;
  const sim::WorldReport report = sim::replay(recording, supplies, sink);
  out.write(fmt::format("{} events, {} lives, {} crashes, trace hash {:016x}: {}\n", rows,
                        report.lives, report.crashes, report.trace_hash,
                        report.violation ? "a promise was broken" : "every promise held"));
  const Exit exit = out.finish(Exit::done);
  if (!report.violation) return static_cast<int>(exit);
  diagnose("broken promise", source(flags),
           fmt::format("{}: {}", to_string(report.violation->invariant), report.violation->what));
  return static_cast<int>(Exit::damage);
}

Exit run(const ReplayFlags& flags) {
  if (flags.seed.has_value() == !flags.file.empty()) {
    diagnose("wrong usage", "seqwal-sim replay", "a file, or --seed: one of them");
    return Exit::usage;
  }
  const auto recording = load(flags);
  if (!recording) return recording.error();
  const Ended ended = run_in_child([&] { return run_child(*recording, flags); }, nullptr, false);
  if (!ended.how.empty()) diagnose("broken promise", source(flags), ended.how);
  if (ended.exit_code == static_cast<int>(Exit::damage)) {
    fmt::print(stderr, "{} replay {} --trace\n", program(), source(flags));
  }
  return static_cast<Exit>(ended.exit_code);
}

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ReplayFlags>();
  CLI::App* command = app.add_subcommand("replay", "Run one world again");
  command->add_option("FILE", flags->file, "what a failed run left behind");
  command->add_option("--seed", flags->seed, "or the seed of the world");
  add_profile_option(*command, flags->profile, "of that seed (default swarm)");
  command->add_flag("--trace", flags->trace, "print every event");
  command->footer(
      "Exit 1: a promise was broken.\n\n"
      "Example:\n  seqwal-sim replay --seed 7 --trace | less");
  command->callback([flags, &action] { action = [flags] { return run(*flags); }; });
}

}  // namespace seqwal::tool
