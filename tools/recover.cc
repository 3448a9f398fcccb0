// seqwal recover: gives back what a log holds, without changing it.
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <memory>
#include <string>

#include "commands.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/recovery.h"

namespace seqwal::tool {
namespace {

struct RecoverFlags : LogFlags {
  bool frames = false;
  bool prefix = false;
  bool strict = false;
  bool salvage = false;

  [[nodiscard]] RecoveryMode mode() const {
    if (prefix) return RecoveryMode::prefix;
    return strict ? RecoveryMode::strict : RecoveryMode::standard;
  }
};

std::array<std::byte, 4> frame_header(std::size_t length_bytes) {
  std::array<std::byte, 4> header{};
  for (std::size_t i = 0; i < header.size(); ++i) {
    header[i] = static_cast<std::byte>(length_bytes >> (8 * (header.size() - 1 - i)) & 0xFFU);
  }
  return header;
}

void write_record(const RecoverFlags& flags, const RecoveredRecord& record, Stdout& out) {
  if (flags.json) {
    std::array<char, 128> line{};  // by hand: a log holds millions of records
    const auto end = fmt::format_to_n(line.begin(), line.size(),
                                      "{{\"offset\":{},\"length\":{},\"checksum\":{}}}\n",
                                      record.offset.value, record.body.size(), record.checksum);
    out.write(std::string_view(line.data(), end.size));
    return;
  }
  if (flags.frames) out.write(frame_header(record.body.size()));
  out.write(record.body);
}

void write_summary(const RecoverFlags& flags, const OpenedDevice& opened, const Recovery& recovery,
                   Stdout& out) {
  const RecoveryReport& report = recovery.report();
  Json summary = {{"records", report.records},
                  {"bytes", report.body_bytes},
                  {"holes", to_json(report.holes)},
                  {"format", to_number(recovery.headers().header().version)},
                  {"first", to_json(report.first)},
                  {"last", to_json(report.last)},
                  {"damage", to_json(report.damage)},
                  {"unreadable", to_json(report.unreadable)}};
  add_evidence(summary, report);
  add_choices(summary, opened, flags.device, flags.durability);
  out.write_line(Json{{"summary", summary}});
}

Exit recover(const RecoverFlags& flags) {
  const auto opened = open_log_device(flags, Access::read_only);
  if (!opened) return explain(opened.error(), flags.path);
  PosixHost host;
  WarningSink warnings(flags.path);
  const auto recovery = Recovery::open(*opened->device, host,
                                       {.mode = flags.mode(), .salvage = flags.salvage}, &warnings);
  if (!recovery) return explain(recovery.error(), flags.path);

  Stdout out;
  {
    Progress progress("recovering");
    while (!out.failed()) {
      const auto record = (*recovery)->next();
      if (!record && record.error().code == ErrorCode::damaged) break;
      if (!record) {
        static_cast<void>(out.finish(Exit::failed));
        return explain(record.error(), flags.path);
      }
      if (!*record) break;
      write_record(flags, **record, out);
      progress.show((*recovery)->report().body_bytes);
    }
  }
  const RecoveryReport& report = (*recovery)->report();
  if (flags.json) write_summary(flags, *opened, **recovery, out);
  for (const OffsetRange& range : report.damage) {
    diagnose("damaged", flags.path,
             fmt::format("{} bytes at offset {} {}: restore them from a replica{}",
                         range.length_bytes(), range.begin.value,
                         report.evidence ? "that were durable are lost"
                                         : "cannot be read, with records behind them",
                         flags.salvage || !report.evidence
                             ? ""
                             : ", or take what is left behind them with --salvage"));
  }
  return out.finish(report.damage.empty() ? Exit::done : Exit::damage);
}

}  // namespace

void add_recover(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<RecoverFlags>();
  CLI::App& command = *app.add_subcommand("recover", "Write the records of a log to stdout");
  add_log_flags(command, *flags);
  command.add_flag("--frames", flags->frames, "4-byte big-endian length before each record");
  CLI::Option* prefix = command.add_flag("--prefix", flags->prefix, "Stop at the first hole");
  command.add_flag("--strict", flags->strict, "Stop at the end of the window")->excludes(prefix);
  command.add_flag("--salvage", flags->salvage, "Go on behind damage");
  command.footer(
      "Changes nothing. With --json, instead of the bodies, a line for each record with its "
      "offset,\n"
      "length and checksum, then a line with the summary.\n\n"
      "Example:\n  seqwal recover /tmp/log | wc -l");
  command.callback([flags, &action] { action = [flags] { return recover(*flags); }; });
}

}  // namespace seqwal::tool
