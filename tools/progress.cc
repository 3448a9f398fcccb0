#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace seqwal::tool {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(200);
constexpr const char* kEraseLine = "\r\033[K";

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)), enabled_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) std::fputs(kEraseLine, stderr);
}

void Progress::show_on_terminal(std::uint64_t done_bytes, std::uint64_t total_bytes) {
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  shown_ = true;
  const double mib = static_cast<double>(done_bytes) / (1U << 20U);
  const double seconds = std::chrono::duration<double>(now - started_).count();
  std::string line =
      fmt::format("{}{}: {:.0f} MiB, {:.0f} MiB/s", kEraseLine, what_, mib, mib / seconds);
  if (total_bytes > 0) line += fmt::format(", {} %", done_bytes * 100 / total_bytes);
  std::fputs(line.c_str(), stderr);
}

}  // namespace seqwal::tool
