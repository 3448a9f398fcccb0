#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <stop_token>
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

Waiting::Waiting(std::string what) {
  if (::isatty(STDERR_FILENO) != 1) return;
  ticker_ = std::jthread([what = std::move(what)](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    int seconds = 0;
    while (!stopped.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) &&
           !stop.stop_requested()) {
      std::fputs(fmt::format("{}{}: {} s", kEraseLine, what, ++seconds).c_str(), stderr);
    }
    if (seconds > 0) std::fputs(kEraseLine, stderr);
  });
}

}  // namespace seqwal::tool
