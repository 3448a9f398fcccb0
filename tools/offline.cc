// seqwal trim and seqwal reset: write the headers of a log that nobody runs, and nothing else.
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include "commands.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"

namespace seqwal::tool {
namespace {

// --- trim -------------------------------------------------------------------------------------

struct TrimFlags : LogFlags {
  Offset offset;
};

Exit trim(const TrimFlags& flags) {
  const auto opened = open_log_device(flags, Access::read_write);
  if (!opened) return explain(opened.error(), flags.path);
  PosixHost host;
  WarningSink warnings(flags.path);
  const auto trimmed = [&] {
    const Waiting waiting("reading what the log holds");
    return trim_log(*opened->device, host, flags.offset, &warnings);
  }();
  if (!trimmed) {
    Error error = trimmed.error();
    if (error.offset == kNoOffset) error.offset = flags.offset;
    return explain(error, flags.path);
  }
  Stdout out;
  if (flags.json) {
    Json object = {{"path", flags.path}, {"asked", flags.offset.value}, {"trim", trimmed->value}};
    add_choices(object, *opened, flags.device, flags.durability);
    out.write_line(object);
  } else {
    out.write(fmt::format("trimmed {} up to {}\n", flags.path, trimmed->value));
  }
  return out.finish(Exit::done);
}

Offset parse_offset(const std::string& text) {
  Offset offset;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, offset.value);
  if (error != std::errc{} || rest != end || offset.value < 0) {
    throw CLI::ValidationError(
        "OFFSET", fmt::format("'{}' is not an offset: pass one that recover --json lists", text));
  }
  return offset;
}

// --- reset ------------------------------------------------------------------------------------

struct ResetFlags : LogFlags {
  std::optional<FormatVersion> format;
};

struct ResetOutcome {
  Offset start;
  std::uint64_t discarded_records = 0;
  FormatVersion version{};
};

Result<ResetOutcome> reset_log(const ResetFlags& flags, Device& device) {
  PosixHost host;
  WarningSink warnings(flags.path);
  auto log = Log::open(device, host, {.durability = flags.durability, .log_id = fresh_log_id()},
                       &warnings);
  if (!log) return std::unexpected(log.error());
  Progress progress("reading what is to be discarded");
  std::uint64_t bytes = 0;
  const auto count = [&](const RecoveredRecord& record) {
    bytes += record.body.size();
    progress.show(bytes);
    return true;
  };
  const auto report = (*log)->recover(count, {.salvage = true});
  if (!report) return std::unexpected(report.error());
  ResetOptions options;
  options.version = flags.format;
  const auto start = (*log)->reset(options);
  if (!start) return std::unexpected(start.error());
  // Nothing was appended, so that closing only marks the headers graceful.
  LogThread thread(**log, device, host);
  if (auto closed = thread.close(); !closed) return std::unexpected(closed.error());
  return ResetOutcome{.start = *start,
                      .discarded_records = report->records,
                      .version = (*log)->headers().header().version};
}

Exit reset(const ResetFlags& flags) {
  const auto opened = open_log_device(flags, Access::read_write);
  if (!opened) return explain(opened.error(), flags.path);
  const auto outcome = reset_log(flags, *opened->device);
  if (!outcome) return explain(outcome.error(), flags.path);
  Stdout out;
  if (flags.json) {
    Json object = {{"path", flags.path},
                   {"start", outcome->start.value},
                   {"format", to_number(outcome->version)},
                   {"discarded", outcome->discarded_records}};
    add_choices(object, *opened, flags.device, flags.durability);
    out.write_line(object);
  } else {
    out.write(fmt::format("reset {}: format {}, starts at {}, {} records discarded\n", flags.path,
                          to_number(outcome->version), outcome->start.value,
                          outcome->discarded_records));
  }
  return out.finish(Exit::done);
}

}  // namespace

void add_trim(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<TrimFlags>();
  CLI::App& command = *app.add_subcommand("trim", "Discard records up to an offset, offline");
  add_log_flags(command, *flags);
  command
      .add_option_function<std::string>(
          "OFFSET", [flags](const std::string& text) { flags->offset = parse_offset(text); },
          "Where the last record to be discarded starts")
      ->required();
  command.footer(
      "The record at OFFSET goes too. Writes the headers only.\n\n"
      "Example:\n  seqwal recover /tmp/log --json | head -1\n  seqwal trim /tmp/log 67108864");
  command.callback([flags, &action] { action = [flags] { return trim(*flags); }; });
}

void add_reset(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ResetFlags>();
  CLI::App& command = *app.add_subcommand("reset", "Discard everything, offline");
  add_log_flags(command, *flags);
  add_format_option(command, flags->format, "Go on with this format (default: the log's)");
  command.footer(
      "The log starts anew behind everything it can hold. Writes the headers only.\n\n"
      "Example:\n  seqwal reset /tmp/log --format 1");
  command.callback([flags, &action] { action = [flags] { return reset(*flags); }; });
}

}  // namespace seqwal::tool
