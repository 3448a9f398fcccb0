// seqwal: makes, fills, reads, checks, trims and resets logs.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>

#include "commands.h"
#include "output.h"

namespace seqwal::tool {
namespace {

// A log that is opened while a standard descriptor is closed would get its number, and what is
// meant for people would be written over it. What stands there instead refuses: what is read or
// written through it fails, as it would on a closed one.
void occupy_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    const int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", flags) != fd) std::abort();
  }
}

void describe(CLI::App& app) {
  app.description("seqwal: a write-ahead log whose acknowledgements arrive in order");
  app.require_subcommand(1);
  app.set_version_flag("--version", "seqwal " SEQWAL_VERSION);
  app.get_formatter()->column_width(28);
  app.footer(
      "Exit: 0 done, 1 acknowledged data is damaged, 2 wrong usage or input, 3 cannot open or I/O "
      "error,\n4 over capacity.\n\n"
      "Example:\n"
      "  seqwal create /tmp/log --capacity 64MiB\n"
      "  seq 1 1000000 | seqwal append /tmp/log\n"
      "  seqwal recover /tmp/log | tail -1");
}

Exit refuse_usage(const CLI::App& app, const CLI::ParseError& error, std::string_view first) {
  const auto commands = app.get_subcommands();
  const std::string command = commands.empty() ? "seqwal" : "seqwal " + commands[0]->get_name();
  std::string what = error.what();
  if (commands.empty() && !first.empty() && !first.starts_with('-')) {
    what = fmt::format("there is no command '{}'", first);
  }
  diagnose("wrong usage", command, fmt::format("{}: see {} --help", what, command));
  return Exit::usage;
}

Exit run(int argc, char** argv) {
  CLI::App app;
  describe(app);
  Action action;
  add_create(app, action);
  add_info(app, action);
  add_append(app, action);
  add_recover(app, action);
  add_verify(app, action);
  add_trim(app, action);
  add_reset(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return refuse_usage(app, error, argc > 1 ? argv[1] : "");
    // Not an error: --help or --version.
    std::ostringstream text;
    app.exit(error, text, text);
    Stdout out;
    out.write(text.str());
    return out.finish(Exit::done);
  }
  return action();
}

}  // namespace
}  // namespace seqwal::tool

int main(int argc, char** argv) {
  using seqwal::tool::Exit;
  seqwal::tool::occupy_standard_descriptors();
  // A reader that goes away shows as an error of write, which is told, not as a silent death.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // so does a file that may not grow (ulimit -f)
  try {
    return static_cast<int>(seqwal::tool::run(argc, argv));
  } catch (const std::bad_alloc&) {
    seqwal::tool::diagnose("out of memory", "seqwal", "free some, or raise the limit");
  } catch (const std::exception& error) {
    seqwal::tool::diagnose("unexpected error", "seqwal", error.what());
  }
  return static_cast<int>(Exit::failed);
}
