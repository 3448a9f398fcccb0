// What every command shares: exit codes, diagnostics, sizes, and how a log is named and opened.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "seqwal/backends/open.h"
#include "seqwal/error.h"
#include "seqwal/events.h"
#include "seqwal/types.h"

namespace seqwal::tool {

// Scripts rely on these numbers.
enum class Exit : int {
  done = 0,           // holes are not damage
  damage = 1,         // acknowledged data is damaged
  usage = 2,          // wrong usage or input
  failed = 3,         // cannot open, refused to overwrite, or an I/O error
  over_capacity = 4,  // the log is full
};

// "seqwal: WHAT: WHERE: what to do" on stderr, in one write.
void diagnose(std::string_view what, std::string_view where, std::string_view what_to_do);

// Tells people about an error that concerns the log at `path`, and what to exit with because of it.
[[nodiscard]] Exit explain(const Error& error, const std::string& path);

// "4096", "64KiB", "1 GiB": a whole number with KiB, MiB, GiB or nothing (bytes) behind it. The
// error says what is wrong with the text.
[[nodiscard]] std::expected<std::uint64_t, std::string> parse_size(std::string_view text);

// "1.5 MiB (1572864 bytes)"
[[nodiscard]] std::string to_text_size(std::uint64_t bytes);

// What is the same for every command that opens a log.
struct LogFlags {
  std::string path;
  DeviceKind device = DeviceKind::automatic;
  Durability durability = Durability::automatic;
  bool json = false;
};

// What the command line asked for: set while it is parsed, run afterwards.
using Action = std::function<Exit()>;

void add_log_flags(CLI::App& command, LogFlags& flags);
// Option that takes a size; `bytes` is set when it is given.
CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                             const std::string& description);
CLI::Option* add_format_option(CLI::App& command, std::optional<FormatVersion>& format,
                               const std::string& description);

[[nodiscard]] OpenOptions open_options(const LogFlags& flags, Access access);
[[nodiscard]] Result<OpenedDevice> open_log_device(const LogFlags& flags, Access access);

// Tells on stderr what is odd about a log that serves nevertheless.
// For a log that has no name yet: random.
[[nodiscard]] std::uint64_t fresh_log_id();

class WarningSink final : public EventSink {
 public:
  explicit WarningSink(std::string path) : path_(std::move(path)) {}
  void on_event(const Event& event) override;

 private:
  std::string path_;
  std::int64_t slots_told_ = 0;  // a bit for each: a log is read more than once
};

}  // namespace seqwal::tool
