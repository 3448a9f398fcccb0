// seqwal append: what comes from stdin becomes records.
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>

#include "commands.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "record_input.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"

namespace seqwal::tool {
namespace {

// Longer bodies are not copied by append: they must stay until their callback.
constexpr std::size_t kLongestCopiedBytes = kSoftLimitBytes - kRecordHeaderBytes;
// Of those at most this much is held at once, or one, if that is longer.
constexpr std::size_t kHeldBytes = std::size_t{128} << 20U;
// After a refusal for want of room that lasts, the log is asked again whether it is full.
constexpr Nanoseconds kRoomWait = 100'000'000;

struct AppendFlags : LogFlags {
  bool frames = false;
  bool acks = false;
  bool reset = false;
};

// Ends the reading of stdin from another thread: who feeds it may be waiting for an acknowledgement
// that will never come.
class Stop {
 public:
  Stop() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~Stop() { ::close(fd_); }
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  void request() const { static_cast<void>(::eventfd_write(fd_, 1)); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// Where the callbacks of the log arrive. Outlives the log's thread.
class Ledger {
 public:
  Ledger(const AppendFlags& flags, Stop& stop) : flags_(flags), stop_(stop) {}

  // A body that is kept for the log; waits until enough of the earlier ones were released.
  [[nodiscard]] std::byte* hold(std::span<const std::byte> body) {
    auto copy = std::make_unique_for_overwrite<std::byte[]>(body.size());
    std::memcpy(copy.get(), body.data(), body.size());
    std::unique_lock lock(mutex_);
    released_.wait(lock, [&] {
      return held_bytes_ == 0 ||
             (held_bytes_ <= kHeldBytes && body.size() <= kHeldBytes - held_bytes_);
    });
    held_bytes_ += body.size();
    return copy.release();
  }

  void release(std::byte* held, std::size_t length_bytes) {
    delete[] held;
    {
      const std::lock_guard lock(mutex_);
      held_bytes_ -= length_bytes;
    }
    released_.notify_one();
  }

  // On the log's thread, for each record in offset order. When it returns, the acknowledgement has
  // left the process.
  void settle(const AppendResult& result, std::uint32_t length_bytes, std::byte* held) {
    if (held != nullptr) release(held, length_bytes);
    switch (result.status) {
      case AppendStatus::durable:
        acknowledge(result.offset, length_bytes);
        return;
      case AppendStatus::rejected:
        ++rejected;
        return;
      case AppendStatus::indeterminate:
        ++indeterminate;
        return;
    }
  }

  // Any thread: 0, or why acknowledgements cannot be told any more.
  [[nodiscard]] int stdout_error() const { return stdout_error_.load(std::memory_order_relaxed); }

  // Written by the log's thread; to be read when it has ended.
  std::uint64_t records = 0;
  std::uint64_t body_bytes = 0;
  Offset first;
  Offset last;
  std::uint64_t rejected = 0;
  std::uint64_t indeterminate = 0;

 private:
  void acknowledge(Offset offset, std::uint32_t length_bytes) {
    if (records == 0) first = offset;
    last = offset;
    ++records;
    body_bytes += length_bytes;
    if (!flags_.acks || stdout_error() != 0) return;
    std::array<char, 64> line{};
    const char* const end = flags_.json
                                ? fmt::format_to(line.data(), "{{\"offset\":{}}}\n", offset.value)
                                : fmt::format_to(line.data(), "{}\n", offset.value);
    const auto length = static_cast<std::size_t>(end - line.data());
    stdout_error_.store(write_all(STDOUT_FILENO, std::as_bytes(std::span(line).first(length))),
                        std::memory_order_relaxed);
    if (stdout_error() != 0) stop_.request();
  }

  const AppendFlags& flags_;
  Stop& stop_;
  std::atomic<int> stdout_error_{0};
  std::mutex mutex_;
  std::condition_variable released_;
  std::size_t held_bytes_ = 0;  // under mutex_
};

// How it ended. Nothing set: at the end of the input.
struct Ending {
  std::optional<InputError> input;
  std::optional<Error> log;
};

class AppendEvents final : public EventSink {
 public:
  AppendEvents(const std::string& path, Stop& stop) : warnings_(path), stop_(stop) {}
  void on_event(const Event& event) override {
    warnings_.on_event(event);
    if (event.kind == EventKind::failed) stop_.request();
    if (event.kind == EventKind::memory_unprepared) memory_error_ = event.os_error;
  }
  // Why the device does without registered memory, an errno value. Not while the log runs.
  [[nodiscard]] int memory_error() const { return memory_error_; }

 private:
  WarningSink warnings_;
  Stop& stop_;
  int memory_error_ = 0;
};

// Waits while the log is busy, but not when it is full: nobody trims it here.
Result<Offset> append_record(Log& log, Host& host, Ledger& ledger,
                             std::span<const std::byte> body) {
  std::byte* const held = body.size() > kLongestCopiedBytes ? ledger.hold(body) : nullptr;
  const auto length_bytes = static_cast<std::uint32_t>(body.size());
  if (held != nullptr) body = {held, length_bytes};
  const auto callback = [&ledger, held, length_bytes](const AppendResult& result) {
    ledger.settle(result, length_bytes, held);
  };
  const AppendOptions options{.body_checksum = checksum(body)};
  auto offset = log.append(body, callback, options);
  while (!offset && offset.error().code == ErrorCode::would_block) {
    offset = log.append_wait(body, callback, host.now() + kRoomWait, options);
  }
  if (!offset && held != nullptr) ledger.release(held, length_bytes);
  return offset;
}

// From the first record to the log's closing.
Ending append_all(Log& log, Device& device, RecordInput& input, RecordInput::Record record,
                  Ledger& ledger) {
  PosixHost host;
  LogThread thread(log, device, host);
  Progress progress("appending");
  Ending ending;
  std::uint64_t bytes = 0;
  while (record && ledger.stdout_error() == 0) {
    const auto offset = append_record(log, host, ledger, *record);
    if (!offset) {
      ending.log = offset.error();
      break;
    }
    bytes += record->size();
    progress.show(bytes);
    auto next = input.next();
    if (!next) {
      ending.input = std::move(next.error());
      break;
    }
    record = *next;
  }
  // Waits for everything that was accepted. What made the log fail says more than the refusal that
  // followed from it.
  if (auto closed = thread.close(); !closed) ending.log = std::move(closed.error());
  return ending;
}

Exit explain_ending(const Ending& ending, const Ledger& ledger, const std::string& path) {
  if (ending.log) {
    Error error = *ending.log;
    if (error.code == ErrorCode::over_capacity) {
      error.detail = fmt::format(
          "full after {} records, which are kept: trim it, or make a "
          "larger one",
          ledger.records);
    } else {
      error.detail += fmt::format(
          "{}{} records acknowledged, {} in doubt, {} rejected: recover it, and check the device",
          error.detail.empty() ? "" : ": ", ledger.records, ledger.indeterminate, ledger.rejected);
    }
    return explain(error, path);
  }
  if (ending.input) {
    diagnose(ending.input->exit == Exit::usage ? "bad input" : "I/O error",
             fmt::format("standard input, record {}", ledger.records + 1),
             fmt::format("{}: mend it; the {} records before it are kept", ending.input->text,
                         ledger.records));
    return ending.input->exit;
  }
  return Exit::done;
}

// The summary goes where it is not taken for an acknowledgement.
Exit tell(const AppendFlags& flags, const OpenedDevice& opened, const Ledger& ledger, Exit exit) {
  if (ledger.stdout_error() != 0) return explain_stdout_error(ledger.stdout_error());
  Stdout out;
  if (flags.json) {
    Json summary = {{"records", ledger.records},
                    {"bytes", ledger.body_bytes},
                    {"first", to_json(ledger.first)},
                    {"last", to_json(ledger.last)}};
    add_choices(summary, opened, flags.device, flags.durability);
    out.write_line(Json{{"summary", summary}});
    return out.finish(exit);
  }
  std::string text = fmt::format("{} records, {}", ledger.records, to_text_size(ledger.body_bytes));
  if (ledger.records > 0) {
    text += fmt::format(", first offset {}, last offset {}", ledger.first.value, ledger.last.value);
  }
  text += fmt::format("\n{}\n", choices_text(opened, flags.device, flags.durability));
  if (flags.acks) {
    std::fputs(text.c_str(), stderr);
  } else {
    out.write(text);
  }
  return out.finish(exit);
}

// Reads what the log holds, as a resume or a reset needs it.
Result<void> recover(Log& log, const AppendFlags& flags) {
  const Waiting waiting("reading what the log holds");
  const RecoveryOptions options{.mode = flags.reset ? RecoveryMode::standard : RecoveryMode::prefix,
                                .salvage = flags.reset};
  const auto report = log.recover([](const RecoveredRecord&) { return true; }, options);
  if (!report) return std::unexpected(report.error());
  return {};
}

// Beside the other features that were refused.
void note_memory(OpenedDevice& opened, int os_error) {
  if (os_error == 0) return;
  if (!opened.kind_reason.empty()) opened.kind_reason += "; ";
  opened.kind_reason += fmt::format("memory not registered: {}{}", std::strerror(os_error),
                                    os_error == ENOMEM ? " (locked-memory limit, ulimit -l)" : "");
}

Exit append(const AppendFlags& flags) {
  auto opened = open_log_device(flags, Access::read_write);
  if (!opened) return explain(opened.error(), flags.path);
  PosixHost host;
  Stop stop;
  AppendEvents events(flags.path, stop);
  const auto log = Log::open(*opened->device, host,
                             {.durability = flags.durability, .log_id = fresh_log_id()}, &events);
  if (!log) return explain(log.error(), flags.path);
  if (const auto read = recover(**log, flags); !read) return explain(read.error(), flags.path);

  // Nothing is written before there is something to append, unless a reset was asked for.
  Ledger ledger(flags, stop);
  RecordInput input(STDIN_FILENO, stop.fd(), flags.frames ? Framing::frames : Framing::lines,
                    (*log)->max_body_bytes());
  auto record = input.next();
  Ending ending;
  if (!record) {
    ending.input = std::move(record.error());
  } else if (*record || flags.reset) {
    const auto start = flags.reset ? (*log)->reset() : (*log)->resume();
    if (!start) return explain(start.error(), flags.path);
    ending = append_all(**log, *opened->device, input, *record, ledger);
    note_memory(*opened, events.memory_error());
  }
  return tell(flags, *opened, ledger, explain_ending(ending, ledger, flags.path));
}

}  // namespace

void add_append(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<AppendFlags>();
  CLI::App& command = *app.add_subcommand("append", "Append records from stdin");
  add_log_flags(command, *flags);
  command.add_flag("--frames", flags->frames,
                   "4-byte big-endian length before each record, instead of lines");
  command.add_flag("--acks", flags->acks, "Print the offset of each record once it is durable");
  command.add_flag("--reset", flags->reset, "Discard what the log holds");
  command.footer(
      "A record is a line, its newline included; the last one may lack it. Ends with exit 4 when\n"
      "the log is full; what was appended by then is kept.\n\n"
      "Example:\n  seq 1 1000000 | seqwal append /tmp/log");
  command.callback([flags, &action] { action = [flags] { return append(*flags); }; });
}

}  // namespace seqwal::tool
