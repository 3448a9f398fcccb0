#include <algorithm>
#include <cerrno>
#include <utility>

#include "seqwal/sim/disk.h"

namespace seqwal::sim {

SimDevice::~SimDevice() {
  if (!dead_) disk_.detach();
}

void SimDevice::die(std::vector<IoToken> tokens) {
  dead_ = true;
  orphans_ = std::move(tokens);
}

std::size_t SimDevice::submit(std::span<const IoRequest> requests) {
  if (!dead_) return disk_.submit(requests);
  for (const IoRequest& request : requests) orphans_.push_back(request.token);
  return requests.size();
}

std::size_t SimDevice::reap(std::span<IoCompletion> completions) {
  if (!dead_) return disk_.reap(completions);
  const std::size_t count = std::min(completions.size(), orphans_.size());
  for (std::size_t i = 0; i < count; ++i) {
    completions[i] = {.token = orphans_[i], .os_error = ENODEV};
  }
  orphans_.erase(orphans_.begin(), orphans_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

void SimDevice::wait(Nanoseconds deadline) {
  const auto ready = [this] { return dead_ ? !orphans_.empty() : !disk_.done_.empty(); };
  if (disk_.scheduler_.in_fiber()) {
    if (!ready() && !woken_) disk_.scheduler_.wait(this, deadline);
  } else {
    while (!ready() && !woken_ && !dead_) {
      const Nanoseconds next = disk_.next_event();
      if (next == kNever || next > deadline) break;
      disk_.scheduler_.advance_to(next);
      disk_.run_event();
    }
  }
  woken_ = false;
}

void SimDevice::wake() {
  woken_ = true;
  disk_.scheduler_.wake(this);
}

}  // namespace seqwal::sim
