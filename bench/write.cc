// seqwal-bench write: clients append to a log, or to the baseline, on a real device.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "bench/commands.h"
#include "bench/run.h"
#include "describe.h"
#include "output.h"

namespace seqwal::bench {
namespace {

std::string open_loop_text(const Json& figures) {
  std::string text =
      fmt::format("{:>10.0f} records/s   arrived, appended {:.1f} us late\n",
                  figures["arrived_s"].get<double>(), figures["late_us"].get<double>());
  if (figures.contains("latency_ratio")) {
    text +=
        fmt::format("{:>10.1f} us          is the bound of the mean latency, {:.3f} of it\n",
                    figures["bound_mean_us"].get<double>(), figures["latency_ratio"].get<double>());
  }
  return text;
}

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
    add_efficiency(object, options, result->figures);
    tool::add_choices(object, *opened, log.device, log.durability);
    out.write_line(object);
  } else {
    out.write(to_text(result->figures));
    Json bound;
    add_efficiency(bound, options, result->figures);
    if (options.is_open_loop()) {
      out.write(open_loop_text(bound));
    } else if (!bound.empty()) {
      out.write(fmt::format("{:>10.0f} records/s   are the bound, efficiency {:.3f}\n",
                            bound["bound_rec_s"].get<double>(), bound["efficiency"].get<double>()));
    }
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
    settle(*options);
    action = [options] { return write(*options); };
  });
}

}  // namespace seqwal::bench
