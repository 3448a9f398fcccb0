// seqwal-bench recover: how fast a log is read back, from the device and not from memory.
#include <fmt/format.h>

#include <memory>

#include "bench/commands.h"
#include "bench/figures.h"
#include "bench/run.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/recovery.h"

namespace seqwal::bench {
namespace {

struct RecoverOptions {
  tool::LogFlags log;
  std::uint64_t read_ahead_bytes = RecoveryOptions{}.read_ahead_bytes;
  std::uint32_t reads_in_flight = RecoveryOptions{}.reads_in_flight;
};

constexpr double kMiB = 1U << 20U;

void tell(const RecoverOptions& options, const OpenedDevice& opened, const RecoveryReport& report,
          double seconds, double cpu_s, tool::Stdout& out) {
  const auto per_second = [&](std::uint64_t count) {
    return ratio(static_cast<double>(count), seconds);
  };
  if (!options.log.json) {
    out.write(
        fmt::format("{} records in {:.3f} s: {:.0f} records/s, bodies {:.1f} MiB/s, read {:.1f} "
                    "MiB/s, cpu {:.3f} s\n{}\n",
                    report.records, seconds, per_second(report.records),
                    per_second(report.body_bytes) / kMiB, per_second(report.read_bytes) / kMiB,
                    cpu_s, tool::choices_text(opened, options.log.device, options.log.durability)));
    return;
  }
  Json object = {{"records", report.records},
                 {"bytes", report.body_bytes},
                 {"seconds", rounded(seconds, 6)},
                 {"rec_s", rounded(per_second(report.records), 1)},
                 {"mib_s", rounded(per_second(report.body_bytes) / kMiB, 2)},
                 {"cpu_s", rounded(cpu_s, 4)},
                 {"read_bytes", report.read_bytes},
                 {"read_mib_s", rounded(per_second(report.read_bytes) / kMiB, 2)},
                 {"direct", opened.direct}};
  tool::add_choices(object, opened, options.log.device, options.log.durability);
  out.write_line(object);
}

tool::Exit recover(const RecoverOptions& options) {
  const auto opened = tool::open_log_device(options.log, Access::read_only);
  if (!opened) return tool::explain(opened.error(), options.log.path);
  PosixHost host;
  const tool::Waiting waiting("recovering");
  const double cpu_before = cpu_seconds();
  const Nanoseconds began = host.now();
  const auto recovery =
      Recovery::open(*opened->device, host,
                     {.read_ahead_bytes = static_cast<std::uint32_t>(options.read_ahead_bytes),
                      .reads_in_flight = options.reads_in_flight});
  if (!recovery) return tool::explain(recovery.error(), options.log.path);
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) return tool::explain(record.error(), options.log.path);
    if (!*record) break;
  }
  const double seconds = static_cast<double>(host.now() - began) * 1e-9;
  tool::Stdout out;
  tell(options, *opened, (*recovery)->report(), seconds, cpu_seconds() - cpu_before, out);
  return out.finish(tool::Exit::done);
}

}  // namespace

void add_recover(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<RecoverOptions>();
  CLI::App& command = *app.add_subcommand("recover", "Read a log back, and measure");
  tool::add_log_flags(command, options->log);
  tool::add_size_option(command, "--read-ahead", options->read_ahead_bytes,
                        "How far to read ahead (default: as the library does)")
      ->check([](const std::string& text) {
        const auto size = tool::parse_size(text);
        const bool fits = size && *size >= kBlockBytes && *size <= (1U << 30U);
        return fits ? std::string() : "must be 4KiB to 1GiB";
      });
  command
      .add_option("--reads-in-flight", options->reads_in_flight,
                  "Cut into so many reads (default: as the library does)")
      ->check(CLI::Range(1U, 32U));
  command.footer(
      "Changes nothing. Reads with O_DIRECT, so that nothing comes from memory (\"direct\" "
      "says).\n\n"
      "Example:\n  seqwal-bench recover /tmp/bench.log");
  command.callback([options, &action] { action = [options] { return recover(*options); }; });
}

}  // namespace seqwal::bench
