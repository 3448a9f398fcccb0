// seqwal-sim: the log in a simulated world.
#include <fmt/format.h>
#include <malloc.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <sstream>

#include "commands.h"
#include "output.h"

namespace seqwal::tool {
namespace {

Exit run(int argc, char** argv) {
  CLI::App app("seqwal-sim: the log, unchanged, in a world where every disaster is a number");
  app.require_subcommand(1);
  app.set_version_flag("--version", "seqwal-sim " SEQWAL_VERSION);
  app.footer("Example:\n  seqwal-sim run --seconds 60");
  Action action;
  add_run(app, action);
  add_replay(app, action);
  add_exhaustive(app, action);
  add_interleave(app, action);
  add_canary(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      diagnose("wrong usage", "seqwal-sim", fmt::format("{}: see seqwal-sim --help", error.what()));
      return Exit::usage;
    }
    std::ostringstream text;
    app.exit(error, text, text);
    Stdout out;
    out.write(text.str());
    return out.finish(Exit::done);
  }
  return action();
}

}  // namespace

std::string_view program() { return program_invocation_name; }
}  // namespace seqwal::tool

int main(int argc, char** argv) {
  using seqwal::tool::Exit;
  std::signal(SIGPIPE, SIG_IGN);
  // Every life of a world allocates the same few megabytes: they need not go back and forth.
  (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
  (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
  try {
    return static_cast<int>(seqwal::tool::run(argc, argv));
  } catch (const std::exception& error) {
    seqwal::tool::diagnose("unexpected error", "seqwal-sim", error.what());
  }
  return static_cast<int>(Exit::failed);
}
