#include "cli.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "progress.h"

namespace seqwal::tool {
namespace {

// For the errors that carry no text of their own.
std::string_view advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::over_capacity:
      return "the log is full of records that were not trimmed: trim it, or make a larger one";
    case ErrorCode::would_block:
      return "try again";
    case ErrorCode::bad_length:
      return "a record must have at least one byte and fit the log";
    case ErrorCode::offset_exhausted:
      return "its offsets are used up: create a new log";
    case ErrorCode::log_failed:
      return "recover it, and check the device";
    case ErrorCode::not_durable:
      return "the offset lies beyond the last record: pass one that recover --json lists";
    case ErrorCode::below_trim:
      return "that much is trimmed already: nothing to do";
    case ErrorCode::not_a_record:
      return "no record starts at this offset: pass one that recover --json lists";
    case ErrorCode::io_error:
      return "check the device, and the system's log";
    default:
      return "see seqwal --help";
  }
}

Exit exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::damaged:
      return Exit::damage;
    case ErrorCode::over_capacity:
      return Exit::over_capacity;
    case ErrorCode::bad_length:
    case ErrorCode::bad_capacity:
    case ErrorCode::not_durable:
    case ErrorCode::below_trim:
    case ErrorCode::not_a_record:
      return Exit::usage;
    default:
      return Exit::failed;
  }
}

template <typename T>
CLI::Option* add_choice(CLI::App& command, const std::string& name, T& chosen,
                        const std::map<std::string, T>& choices, const std::string& description) {
  std::vector<std::string> names;
  for (const auto& [choice, value] : choices) names.push_back(choice);
  return command
      .add_option_function<std::string>(
          name, [&chosen, choices](const std::string& text) { chosen = choices.at(text); },
          description)
      ->check(CLI::IsMember(names));
}

}  // namespace

void diagnose(std::string_view what, std::string_view where, std::string_view what_to_do) {
  std::fputs(fmt::format("seqwal: {}: {}: {}\n", what, where, what_to_do).c_str(), stderr);
}

std::uint64_t fresh_log_id() {
  std::random_device random;
  return std::uint64_t{random()} << 32U | random();
}

Exit explain(const Error& error, const std::string& path) {
  std::string tail = error.detail.empty() ? std::string(advice(error.code)) : error.detail;
  const std::string_view reason = error.os_error == 0 ? "" : std::strerror(error.os_error);
  if (error.offset != kNoOffset) tail += fmt::format(" (offset {})", error.offset.value);
  if (error.detail.contains(path)) {
    // The text has the form of a diagnostic already.
    const std::string code(to_string(error.code));
    std::fputs(fmt::format("seqwal: {} ({}{}{})\n", tail, code, reason.empty() ? "" : ": ", reason)
                   .c_str(),
               stderr);
  } else {
    if (!reason.empty()) tail += fmt::format(" ({})", reason);
    diagnose(to_string(error.code), path, tail);
  }
  return exit_code(error.code);
}

std::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  static const std::map<std::string_view, std::uint64_t> units = {
      {"", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}};
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument) {
    return std::unexpected(fmt::format("'{}' is not a size: write 64MiB, or plain bytes", text));
  }
  std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto factor = units.find(unit);
  if (factor == units.end()) {
    return std::unexpected(
        fmt::format("'{}' is not a size: its unit must be KiB, MiB or GiB, or nothing", text));
  }
  if (error == std::errc::result_out_of_range ||
      number > std::numeric_limits<std::int64_t>::max() / factor->second) {
    return std::unexpected(fmt::format("'{}' is too large a size", text));
  }
  return number * factor->second;
}

std::string to_text_size(std::uint64_t bytes) {
  for (const auto& [unit, shift] : {std::pair{"GiB", 30U}, {"MiB", 20U}, {"KiB", 10U}}) {
    if (bytes < 1ULL << shift) continue;
    const double scaled = static_cast<double>(bytes) / static_cast<double>(1ULL << shift);
    return fmt::format("{:.1f} {} ({} bytes)", scaled, unit, bytes);
  }
  return fmt::format("{} bytes", bytes);
}

void add_log_flags(CLI::App& command, LogFlags& flags) {
  command.add_option("PATH", flags.path, "A regular file or a block device")->required();
  add_choice<DeviceKind>(command, "--device", flags.device,
                         {{"auto", DeviceKind::automatic},
                          {"uring", DeviceKind::uring},
                          {"threads", DeviceKind::threads}},
                         "How to reach the device: auto (io_uring where it is allowed), uring or "
                         "threads");
  add_choice<Durability>(
      command, "--durability", flags.durability,
      {{"auto", Durability::automatic}, {"dsync", Durability::dsync}, {"none", Durability::none}},
      "How writes become durable: auto (what the device needs), dsync, or none "
      "(survives a kill, not a power failure)");
  command.add_flag("--json", flags.json, "One JSON object per line on stdout");
}

CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                             const std::string& description) {
  return command
      .add_option_function<std::string>(
          name,
          [name, &bytes](const std::string& text) {
            const auto size = parse_size(text);
            if (!size) throw CLI::ValidationError(name, size.error());
            bytes = *size;
          },
          description)
      ->type_name("SIZE");
}

CLI::Option* add_format_option(CLI::App& command, std::optional<FormatVersion>& format,
                               const std::string& description) {
  return add_choice<std::optional<FormatVersion>>(
      command, "--format", format, {{"0", FormatVersion::v0}, {"1", FormatVersion::v1}},
      description);
}

OpenOptions open_options(const LogFlags& flags, Access access) {
  OpenOptions options;
  options.path = flags.path;
  options.kind = flags.device;
  options.access = access;
  return options;
}

Result<OpenedDevice> open_log_device(const LogFlags& flags, Access access) {
  const Waiting waiting("waiting for " + flags.path);
  return open_device(open_options(flags, access));
}

void WarningSink::on_event(const Event& event) {
  if (event.kind != EventKind::header_slot_invalid) return;
  const std::int64_t bit = std::int64_t{1} << event.value;
  if ((slots_told_ & bit) != 0) return;
  slots_told_ |= bit;
  diagnose("warning", path_,
           fmt::format("header slot {} is not valid, the other one serves: the next write of the "
                       "headers mends it",
                       event.value));
}

}  // namespace seqwal::tool
