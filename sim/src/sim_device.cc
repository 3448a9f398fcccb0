#include <cerrno>
#include <utility>

#include "seqwal/sim/disk.h"

namespace seqwal::sim {

SimDevice::~SimDevice() {
  if (!dead_) disk_.detach();
}

void SimDevice::die(std::deque<IoToken> tokens) {
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
  std::size_t count = 0;
  while (count < completions.size() && !orphans_.empty()) {
    completions[count++] = {.token = orphans_.front(), .os_error = ENODEV};
    orphans_.pop_front();
  }
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
