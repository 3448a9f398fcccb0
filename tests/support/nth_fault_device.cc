#include "tests/support/nth_fault_device.h"

#include <algorithm>
#include <utility>

#include "seqwal/check.h"

namespace seqwal::testing_support {

NthFaultDevice::NthFaultDevice(std::uint64_t size_bytes, const DeviceLimits& limits)
    : memory_(std::make_unique<MemoryDevice>(size_bytes, limits)) {
  prepare_memory();
}

void NthFaultDevice::prepare_memory() {
  memory_->set_order(CompletionOrder::shuffled);
  memory_->set_check_buffers(true);
}

bool NthFaultDevice::meets_fault(const IoRequest& request) {
  if (fault_.nth == 0 || (fault_.target && *fault_.target != request.kind)) return false;
  if (fault_.kind == NthFaultKind::hang && !hangs_allowed_) return false;
  const bool transfer_only =
      fault_.kind != NthFaultKind::error && fault_.kind != NthFaultKind::hang;
  if (transfer_only && request.kind == IoKind::flush) return false;
  ++seen_;
  const bool now = seen_ == fault_.nth || (fault_.persistent && seen_ > fault_.nth);
  if (now) ++strikes_;
  return now;
}

std::size_t NthFaultDevice::submit(std::span<const IoRequest> requests) {
  const std::size_t room = limits().depth - std::min<std::size_t>(limits().depth, in_flight());
  const std::size_t taken = std::min(room, requests.size());
  for (const IoRequest& request : requests.first(taken)) {
    const std::uint32_t id = ++last_id_;
    Pending& pending = pending_[id];
    pending.request = request;
    pending.request.segments = {};
    pending.struck = meets_fault(request);
    if (request.kind != IoKind::flush) {
      pending.transfer = Transfer(request.position, request.segments, limits().block_bytes);
    }
    pending.hangs = pending.struck && fault_.kind == NthFaultKind::hang;
    if (!pending.hangs) issue(id, pending);
  }
  return taken;
}

void NthFaultDevice::issue(std::uint32_t id, Pending& pending) {
  std::vector<IoSegment> segments;
  if (pending.request.kind != IoKind::flush) {
    std::size_t left = pending.transfer.remaining_bytes();
    if (pending.struck && fault_.kind == NthFaultKind::pieces) {
      const std::size_t block = limits().block_bytes;
      left = std::max(left / 2 / block * block, std::min(left, block));
    }
    while (pending.struck &&
           (fault_.kind == NthFaultKind::again || fault_.kind == NthFaultKind::zero)) {
      const bool again = fault_.kind == NthFaultKind::again;
      const auto step = pending.transfer.advance(again ? -fault_.os_error : 0);
      if (step == Transfer::Step::failed) {
        finish(id, pending.transfer.os_error());
        return;
      }
      if (!fault_.persistent) break;
    }
    pending.raw_bytes = left;
    for (IoSegment segment : pending.transfer.segments()) {
      segment.length_bytes = std::min(segment.length_bytes, left);
      left -= segment.length_bytes;
      if (segment.length_bytes > 0) segments.push_back(segment);
    }
  }
  if (pending.struck && fault_.kind == NthFaultKind::error) fail_by_fault(pending);
  const IoRequest raw{.token = {id, 0},
                      .kind = pending.request.kind,
                      .durable = pending.request.durable,
                      .position = pending.request.kind == IoKind::flush
                                      ? DevicePosition{}
                                      : pending.transfer.position(),
                      .segments = segments};
  SEQWAL_CHECK(memory_->submit(std::span(&raw, 1)) == 1);
}

// Whatever the next request of this kind is, it is the one that is being issued.
void NthFaultDevice::fail_by_fault(Pending& pending) {
  const std::size_t landed = pending.raw_bytes / 2 * (strikes_ % 3);
  memory_->add_fault({.kind = pending.request.kind,
                      .nth = 1,
                      .os_error = fault_.os_error,
                      .landed_bytes = landed / 512 * 512,
                      .persistent = false});
}

void NthFaultDevice::finish(std::uint32_t id, int os_error) {
  done_.push_back({.token = pending_.at(id).request.token, .os_error = os_error});
  pending_.erase(id);
}

std::size_t NthFaultDevice::reap(std::span<IoCompletion> completions) {
  IoCompletion raw;
  while (done_.empty() && memory_->reap(std::span(&raw, 1)) == 1) {
    const std::uint32_t id = raw.token.slot;
    Pending& pending = pending_.at(id);
    if (pending.request.kind == IoKind::flush || raw.os_error != 0) {
      finish(id, raw.os_error);
      continue;
    }
    switch (pending.transfer.advance(static_cast<std::int64_t>(pending.raw_bytes))) {
      case Transfer::Step::again:
        issue(id, pending);
        break;
      case Transfer::Step::done:
        finish(id, 0);
        break;
      case Transfer::Step::failed:
        finish(id, pending.transfer.os_error());
        break;
    }
  }
  const std::size_t count = std::min(completions.size(), done_.size());
  for (IoCompletion& completion : completions.first(count)) {
    completion = done_.front();
    done_.pop_front();
  }
  return count;
}

bool NthFaultDevice::hangs() const {
  return std::ranges::any_of(pending_, [](const auto& entry) { return entry.second.hangs; });
}

void NthFaultDevice::release_hung(int os_error) {
  fault_.nth = 0;
  std::vector<std::uint32_t> hung;
  for (const auto& [id, pending] : pending_) {
    if (pending.hangs) hung.push_back(id);
  }
  for (const std::uint32_t id : hung) {
    Pending& pending = pending_.at(id);
    pending.hangs = pending.struck = false;
    if (os_error == 0) {
      issue(id, pending);
    } else {
      finish(id, os_error);
    }
  }
}

void NthFaultDevice::restart(bool power_cut,
                             const std::function<void(std::span<std::byte>)>& change) {
  const DeviceLimits limits = memory_->limits();
  auto image = power_cut ? memory_->durable_image() : memory_->image();
  if (change) change(image);
  memory_->abandon();
  pending_.clear();
  done_.clear();
  memory_ = std::make_unique<MemoryDevice>(std::move(image), limits);
  prepare_memory();
}

}  // namespace seqwal::testing_support
