// seqwal-bench compare: the log and the baseline in turn, A B A B, and the ratio of each metric.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "bench/commands.h"
#include "bench/run.h"
#include "describe.h"
#include "output.h"

namespace seqwal::bench {
namespace {

struct CompareOptions : WriteOptions {
  std::uint32_t pairs = 5;
};

constexpr std::array kMetrics = {"rec_s",         "mib_s",        "p50_us",       "p90_us",
                                 "p99_us",        "p999_us",      "max_us",       "mean_us",
                                 "cpu_us_rec",    "allocs_rec",   "syscalls_rec", "writes_s",
                                 "avg_write_kib", "rec_per_write"};

struct Spread {
  double min = 0;
  double median = 0;
  double max = 0;
};

Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {.min = values.front(), .median = median, .max = values.back()};
}

// One line of JSON for each run, in the order in which they ran.
struct Runs {
  std::vector<Json> ordered;
  std::vector<Json> parallel;
};

std::vector<double> values_of(const std::vector<Json>& runs, const char* metric) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const Json& run : runs) values.push_back(run[metric].get<double>());
  return values;
}

Json compare_metric(const Runs& runs, const char* metric) {
  const std::vector<double> ordered = values_of(runs.ordered, metric);
  const std::vector<double> parallel = values_of(runs.parallel, metric);
  std::vector<double> ratios;
  ratios.reserve(ordered.size());
  for (std::size_t i = 0; i < ordered.size(); ++i) ratios.push_back(ratio(ordered[i], parallel[i]));
  const Spread spread = spread_of(ratios);
  return {{"metric", metric},
          {"ordered", spread_of(ordered).median},
          {"parallel", spread_of(parallel).median},
          {"min", rounded(spread.min, 4)},
          {"median", rounded(spread.median, 4)},
          {"max", rounded(spread.max, 4)}};
}

// Runs once. Nothing: it went wrong, and that was said.
std::optional<Json> run_once(WriteOptions options, Acks acks, tool::Exit& exit) {
  const tool::LogFlags& log = options.scratch.log;
  options.target.acks = acks;
  auto opened = open_scratch_log(options.scratch);
  if (!opened) {
    exit = tool::explain(opened.error(), log.path);
    return std::nullopt;
  }
  const auto result = run_write(options, *opened);
  exit = result ? judge(*result, log.path) : tool::explain(result.error(), log.path);
  if (exit != tool::Exit::done) return std::nullopt;
  Json object;
  add_setting(object, options);
  add_figures(object, result->figures);
  add_efficiency(object, options, result->figures);
  tool::add_choices(object, *opened, log.device, log.durability);
  return object;
}

void tell(const Runs& runs, bool json, tool::Stdout& out) {
  const bool has_efficiency = runs.ordered[0].contains("efficiency");
  if (!json) {
    out.write(fmt::format(
        "{:<14} {:>11} {:>11}   {:>21}\n{:<14} {:>11} {:>11}   {:>6} {:>7} {:>6}\n", "", "ordered",
        "parallel", "ordered / parallel", "", "median", "median", "min", "median", "max"));
  }
  const auto tell_metric = [&](const char* metric) {
    const Json line = compare_metric(runs, metric);
    if (json) {
      out.write_line(line);
      return;
    }
    const auto number = [&](const char* name) { return line[name].get<double>(); };
    out.write(fmt::format("{:<14} {:>11.2f} {:>11.2f}   {:>6.2f} {:>7.2f} {:>6.2f}\n", metric,
                          number("ordered"), number("parallel"), number("min"), number("median"),
                          number("max")));
  };
  for (const char* metric : kMetrics) tell_metric(metric);
  if (has_efficiency) tell_metric("efficiency");
}

tool::Exit compare(const CompareOptions& options) {
  tool::Stdout out;
  Runs runs;
  for (std::uint32_t pair = 0; pair < options.pairs; ++pair) {
    for (const Acks acks : {Acks::ordered, Acks::parallel}) {
      auto exit = tool::Exit::done;
      const auto object = run_once(options, acks, exit);
      if (!object) return out.finish(exit);
      if (options.scratch.log.json) out.write_line(*object);
      (acks == Acks::ordered ? runs.ordered : runs.parallel).push_back(*object);
    }
  }
  tell(runs, options.scratch.log.json, out);
  return out.finish(tool::Exit::done);
}

}  // namespace

void add_compare(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<CompareOptions>();
  CLI::App& command = *app.add_subcommand("compare", "The log and the baseline in turn");
  add_write_options(command, *options);
  command.add_option("--pairs", options->pairs, "How often each of them runs (default 5)")
      ->check(CLI::Range(1U, 1000U));
  command.footer(
      "With --json: a line for each run, as write prints it, then one for each metric with the\n"
      "medians and the ratio ordered / parallel of the pairs.\n\n"
      "Example:\n"
      "  seqwal-bench compare /tmp/bench.log --concurrency 32 --durability none --iops 2800");
  command.callback([options, &action] {
    settle(*options);
    action = [options] { return compare(*options); };
  });
}

}  // namespace seqwal::bench
