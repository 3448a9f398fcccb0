// seqwal-bench volume: the log and the baseline on a simulated volume, beside the bound.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/commands.h"
#include "bench/volume_world.h"
#include "bench/write_options.h"
#include "output.h"

namespace seqwal::bench {
namespace {

struct VolumeOptions {
  std::string profile = "essd-pl1-20g";
  std::vector<std::uint32_t> concurrency = {8, 16, 32, 64};
  std::vector<std::uint32_t> load;  // percent: open loop instead
  VolumeRun run;
  Nanoseconds saved = 0;
  Nanoseconds stall = 0;
  bool limits_given = false;
  bool json = false;
};

constexpr std::array kBoth = {Acks::ordered, Acks::parallel};

void tell(const VolumeOptions& options, const VolumeRun& run, const Figures& figures,
          tool::Stdout& out) {
  const Bound bound =
      bound_of(volume_of(run.profile, run.return_time),
               std::uint64_t{run.clients.clients} * run.clients.pipeline, run.clients.record_bytes);
  const double efficiency = figures.records_per_second() / bound.records_per_second;
  const char* acks = name_of(run.target.acks);
  if (options.json) {
    Json object = {{"profile", run.profile.name},
                   {"acks", acks},
                   {"concurrency", run.clients.clients},
                   {"pipeline", run.clients.pipeline},
                   {"record_size", run.clients.record_bytes},
                   {"return_us", run.return_time / 1000},
                   {"stall_ms", run.profile.stall / 1'000'000},
                   {"saved_ms", run.profile.saved / 1'000'000},
                   {"iops", run.target.iops},
                   {"bandwidth", run.target.bandwidth},
                   {"depth", run.target.depth}};
    add_figures(object, figures);
    add_bound(object, bound, figures);
    out.write_line(object);
    return;
  }
  const Latencies& latencies = figures.tally.latencies;
  const auto us = [](Nanoseconds time) { return static_cast<double>(time) / 1e3; };
  out.write(fmt::format("{:<9} {:>4} {:>11.0f} {:>11.0f} {:>6.3f} {:>9.0f} {:>9.0f} {:>9.0f}\n",
                        acks, run.clients.clients, figures.records_per_second(),
                        bound.records_per_second, efficiency, us(latencies.percentile(500)),
                        us(latencies.percentile(990)), bound.mean_latency_s * 1e6));
}

// The best that the volume does when as many records as one likes wait to be written.
std::uint64_t saturating_rate(const VolumeRun& run) {
  constexpr std::uint64_t kCrowd = 4096;
  return static_cast<std::uint64_t>(
      bound_of(volume_of(run.profile, 0), kCrowd, run.clients.record_bytes).records_per_second);
}

void tell_open_loop(const VolumeOptions& options, const VolumeRun& run, std::uint32_t load,
                    const Figures& figures, tool::Stdout& out) {
  Json object = {{"profile", run.profile.name},
                 {"acks", name_of(run.target.acks)},
                 {"clients", "open-loop"},
                 {"load", load},
                 {"rate", run.clients.arrivals_per_second},
                 {"record_size", run.clients.record_bytes},
                 {"iops", run.target.iops},
                 {"bandwidth", run.target.bandwidth},
                 {"depth", run.target.depth}};
  add_figures(object, figures);
  add_arrivals(object, figures);
  add_open_loop_bound(object, volume_of(run.profile, run.return_time), figures);
  if (options.json) {
    out.write_line(object);
    return;
  }
  const auto number = [&](const char* name) { return object[name].get<double>(); };
  out.write(fmt::format(
      "{:<9} {:>4} {:>11.0f} {:>11.0f} {:>9.0f} {:>9.0f} {:>9.0f} {:>9.0f} {:>6.3f}\n",
      name_of(run.target.acks), load, number("arrived_s"), number("rec_s"), number("p50_us"),
      number("p99_us"), number("mean_us"), number("bound_mean_us"), number("latency_ratio")));
}

tool::Exit volume_open_loop(const VolumeOptions& options, VolumeRun run, tool::Stdout& out) {
  if (!options.json) {
    out.write(fmt::format("{:<9} {:>4} {:>11} {:>11} {:>9} {:>9} {:>9} {:>9} {:>6}\n", "acks",
                          "load", "arrivals/s", "records/s", "p50 us", "p99 us", "mean us",
                          "bound us", "ratio"));
  }
  for (const std::uint32_t load : options.load) {
    run.clients.arrivals_per_second = std::max<std::uint64_t>(saturating_rate(run) * load / 100, 1);
    for (const Acks acks : kBoth) {
      run.target.acks = acks;
      const auto figures = run_volume(run);
      if (!figures) return tool::explain(figures.error(), options.profile);
      tell_open_loop(options, run, load, *figures, out);
    }
  }
  return out.finish(tool::Exit::done);
}

tool::Exit volume(const VolumeOptions& options) {
  VolumeRun run = options.run;
  run.profile = *find_profile(options.profile);
  run.profile.saved = options.saved;
  run.profile.stall = options.stall;
  if (!options.limits_given) {
    run.target.iops = run.profile.iops;
    run.target.bandwidth = run.profile.bytes_per_second;
  }
  run.clients.seed = run.seed;
  tool::Stdout out;
  if (!options.load.empty()) return volume_open_loop(options, run, out);
  if (!options.json) {
    out.write(fmt::format("{:<9} {:>4} {:>11} {:>11} {:>6} {:>9} {:>9} {:>9}\n", "acks", "N",
                          "records/s", "bound", "eta", "p50 us", "p99 us", "bound us"));
  }
  for (const std::uint32_t clients : options.concurrency) {
    for (const Acks acks : kBoth) {
      run.clients.clients = clients;
      run.target.acks = acks;
      const auto figures = run_volume(run);
      if (!figures) return tool::explain(figures.error(), options.profile);
      tell(options, run, *figures, out);
    }
  }
  return out.finish(tool::Exit::done);
}

}  // namespace

void add_volume(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<VolumeOptions>();
  CLI::App& command =
      *app.add_subcommand("volume", "Log and baseline on a simulated volume, in virtual time");
  command.add_option("--profile", options->profile, "essd-pl1-20g (default), gp3 or nvme")
      ->check([](const std::string& name) {
        return find_profile(name) ? std::string() : "'" + name + "' is not a profile";
      });
  CLI::Option* const clients = command
                                   .add_option("--concurrency", options->concurrency,
                                               "Clients, one run for each (8,16,32,64)")
                                   ->delimiter(',')
                                   ->check(CLI::Range(1U, 4096U));
  add_load_options(command, options->run.clients, options->run.target);
  command
      .add_option("--load", options->load,
                  "Open loop: records arrive at so many percent of the volume's best rate, one run "
                  "for each; how long they take beside the bound")
      ->delimiter(',')
      ->check(CLI::Range(1U, 1000U))
      ->excludes(clients)
      ->excludes("--pipeline");
  command.add_option("--seconds", options->run.seconds, "Virtual time to measure (default 2)")
      ->check(CLI::Range(0.01, 3600.0));
  command.add_option("--warmup", options->run.warmup_s, "Not to measure before that (default 0.5)")
      ->check(CLI::Range(0.0, 3600.0));
  command
      .add_option_function<std::uint32_t>(
          "--return-us",
          [options](std::uint32_t us) { options->run.return_time = Nanoseconds{us} * 1000; },
          "Microseconds, on average, until a client hears of its callback (default 0)")
      ->check(CLI::Range(0U, 1'000'000U));
  command
      .add_option_function<std::uint32_t>(
          "--stall-ms",
          [options](std::uint32_t ms) { options->stall = Nanoseconds{ms} * 1'000'000; },
          "Milliseconds for which the volume answers nobody, once a second (default 0)")
      ->check(CLI::Range(0U, 1000U));
  command
      .add_option_function<std::uint32_t>(
          "--saved-ms",
          [options](std::uint32_t ms) { options->saved = Nanoseconds{ms} * 1'000'000; },
          "Milliseconds of its rates that the volume keeps for whoever did not use them (default "
          "0)")
      ->check(CLI::Range(0U, 10'000U));
  command.add_option("--seed", options->run.seed, "Of the latencies (default 1)");
  command.add_flag("--json", options->json, "One JSON object per line on stdout");
  command.footer(
      "Limits are those of the profile unless --iops or --bandwidth is given. The same options "
      "give\n"
      "the same figures on every machine.\n\n"
      "Example:\n  seqwal-bench volume --profile essd-pl1-20g --concurrency 8,64 --record-size "
      "4KiB\n  seqwal-bench volume --load 50,80");
  command.callback([options, &command, &action] {
    options->limits_given = command.count("--iops") + command.count("--bandwidth") > 0;
    action = [options] { return volume(*options); };
  });
}

}  // namespace seqwal::bench
