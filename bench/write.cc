// seqwal-bench write: clients append to a log, or to the baseline, on a real device.
#include <memory>

#include "bench/commands.h"
#include "bench/run.h"
#include "describe.h"
#include "output.h"

namespace seqwal::bench {
namespace {

tool::Exit write(const WriteOptions& options) {
  const tool::LogFlags& log = options.scratch.log;
  auto opened = open_scratch_log(options.scratch);
  if (!opened) return tool::explain(opened.error(), log.path);
  const auto result = run_write(options, *opened);
  if (!result) return tool::explain(result.error(), log.path);
  tool::Stdout out;
  if (log.json) {
    Json object;
    add_setting(object, options);
    add_figures(object, result->figures);
    tool::add_choices(object, *opened, log.device, log.durability);
    out.write_line(object);
  } else {
    out.write(to_text(result->figures));
    out.write(tool::choices_text(*opened, log.device, log.durability) + "\n");
  }
  return out.finish(judge(*result, log.path));
}

}  // namespace

void add_write(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<WriteOptions>();
  CLI::App& command = *app.add_subcommand("write", "Append to a log, and measure");
  add_write_options(command, *options);
  add_acks_option(command, options->target.acks);
  command.footer(
      "What PATH holds is lost: it has to be missing, empty, or a log of an earlier measurement.\n"
      "Records are trimmed as they go. Compare figures of one session only, in turns.\n\n"
      "Example:\n"
      "  seqwal-bench write /tmp/bench.log --capacity 1GiB --concurrency 32 --record-size 1KiB");
  command.callback([options, &action] {
    options->target.durability = options->scratch.log.durability;
    options->scratch.depth = options->target.depth;
    action = [options] { return write(*options); };
  });
}

}  // namespace seqwal::bench
