// seqwal-bench: measures the log, its device, and the baseline.
#include <fmt/format.h>

#include <csignal>
#include <exception>
#include <sstream>

#include "bench/commands.h"
#include "output.h"

namespace seqwal::bench {
namespace {

tool::Exit refuse_usage(const CLI::App& app, const CLI::ParseError& error) {
  const auto commands = app.get_subcommands();
  const std::string command =
      commands.empty() ? "seqwal-bench" : "seqwal-bench " + commands[0]->get_name();
  tool::diagnose("wrong usage", command, fmt::format("{}: see {} --help", error.what(), command));
  return tool::Exit::usage;
}

tool::Exit run(int argc, char** argv) {
  CLI::App app("seqwal-bench: measures the log, its device, and the baseline");
  app.require_subcommand(1);
  app.set_version_flag("--version", "seqwal-bench " SEQWAL_VERSION);
  app.footer(
      "Figures hold for the run they were taken in: compare in turns, within one session.\n\n"
      "Example:\n"
      "  seqwal-bench raw /tmp/bench.log --block-size 4KiB --concurrency 4\n"
      "  seqwal-bench write /tmp/bench.log --concurrency 32 --record-size 1KiB");
  tool::Action action;
  add_write(app, action);
  add_raw(app, action);
  add_compare(app, action);
  add_memory(app, action);
  add_recover(app, action);
  add_volume(app, action);
  add_plot(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return refuse_usage(app, error);
    std::ostringstream text;
    app.exit(error, text, text);
    tool::Stdout out;
    out.write(text.str());
    return out.finish(tool::Exit::done);
  }
  return action();
}

}  // namespace
}  // namespace seqwal::bench

int main(int argc, char** argv) {
  using seqwal::tool::Exit;
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(seqwal::bench::run(argc, argv));
  } catch (const std::exception& error) {
    seqwal::tool::diagnose("unexpected error", "seqwal-bench", error.what());
  }
  return static_cast<int>(Exit::failed);
}
