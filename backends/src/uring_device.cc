#include "uring_device.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "count_system_call.h"
#include "monotonic.h"
#include "request_check.h"
#include "seqwal/check.h"

namespace seqwal {
namespace {

constexpr std::uint64_t kWakeId = ~std::uint64_t{0};
// For how long the kernel may refuse to take requests before they are failed, and how long a
// device that is destroyed waits for what is in flight.
constexpr Nanoseconds kSubmitPatience = 2 * kSecond;
constexpr Nanoseconds kClosePatience = 5 * kSecond;
constexpr Nanoseconds kRefusedPause = kSecond / 1000;

// A number that no other thread of this process ever had. Thread ids are used again, and a ring is
// not to be inherited by a namesake.
std::uint64_t this_thread_number() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

bool is_ordinary(int result) { return result == 0 || result == -ETIME || result == -EINTR; }

}  // namespace

Result<UringDevice::Opened> UringDevice::open(File& file, const DeviceLimits& limits,
                                              RingFactory factory) {
  SEQWAL_REQUIRE(limits.depth >= 1);
  File wake_file(::eventfd(0, EFD_CLOEXEC));
  if (wake_file.fd() < 0) {
    return fail(ErrorCode::unsupported, fmt::format("eventfd: {}", std::strerror(errno)), errno);
  }
  auto ring = factory(file.fd(), wake_file.fd(), limits.depth + 1);
  if (!ring) return std::unexpected(std::move(ring.error()));
  std::unique_ptr<UringDevice> device(
      new UringDevice(std::move(file), std::move(wake_file), limits, std::move(factory)));
  device->ring_ = std::move(ring->ring);
  device->owner_ = this_thread_number();
  return Opened{.device = std::move(device), .notes = std::move(ring->notes)};
}

UringDevice::UringDevice(File file, File wake_file, const DeviceLimits& limits, RingFactory factory)
    : file_(std::move(file)),
      wake_file_(std::move(wake_file)),
      limits_(limits),
      factory_(std::move(factory)),
      slots_(std::make_unique<RequestSlot[]>(limits.depth)),
      free_(limits.depth),
      done_(limits.depth) {
  std::iota(free_.rbegin(), free_.rend(), 0U);
  queued_.reserve(limits.depth + 1);
}

UringDevice::~UringDevice() {
  const Nanoseconds give_up = monotonic_now() + kClosePatience;
  while (in_kernel() > 0 && monotonic_now() < give_up) {
    sleep(give_up);
    collect();
  }
  if (in_kernel() == 0) return;
  [[maybe_unused]] const RawRing* ring = ring_.release();
  [[maybe_unused]] const RequestSlot* slots = slots_.release();
  file_.leak();
  wake_file_.leak();
}

// Makes the calling thread the owner, with a ring of its own if it can get one.
void UringDevice::attach() {
  const std::uint64_t me = this_thread_number();
  SEQWAL_REQUIRE(owner_ == me || in_flight_ == 0);
  if (owner_ == me && (ring_ != nullptr || in_flight_ > 0)) return;
  owner_ = me;
  ring_.reset();
  wake_armed_ = false;
  memory_registered_ = false;
  queued_.clear();
  auto opened = factory_(file_.fd(), wake_file_.fd(), limits_.depth + 1);
  if (opened) {
    ring_ = std::move(opened->ring);
    (void)register_memory();  // where that is refused, it goes without
  } else {
    ring_error_ = opened.error().os_error != 0 ? opened.error().os_error : EIO;
  }
}

// 0 or an errno value.
int UringDevice::register_memory() {
  memory_registered_ = false;
  if (ring_ == nullptr) return ring_error_;
  const int result = ring_->register_buffers(memory_);
  memory_registered_ = result == 0;
  return -result;
}

int UringDevice::use_memory(std::span<const std::span<std::byte>> regions) {
  SEQWAL_REQUIRE(in_flight_ == 0);
  memory_.clear();
  attach();
  for (const std::span<std::byte> region : regions) {
    memory_.push_back({.iov_base = region.data(), .iov_len = region.size()});
  }
  return register_memory();
}

// Which announced region a transfer of one piece lies in, the whole of it.
std::optional<std::uint32_t> UringDevice::buffer_of(std::span<const iovec> vectors) const {
  if (!memory_registered_ || vectors.size() != 1) return std::nullopt;
  const auto begin = std::bit_cast<std::uintptr_t>(vectors.front().iov_base);
  for (std::size_t i = 0; i < memory_.size(); ++i) {
    const auto region = std::bit_cast<std::uintptr_t>(memory_[i].iov_base);
    if (begin >= region && begin - region + vectors.front().iov_len <= memory_[i].iov_len) {
      return static_cast<std::uint32_t>(i);
    }
  }
  return std::nullopt;
}

std::size_t UringDevice::submit(std::span<const IoRequest> requests) {
  attach();
  const std::size_t taken = std::min<std::size_t>(requests.size(), limits_.depth - in_flight_);
  bool at_once = false;
  for (const IoRequest& request : requests.first(taken)) {
    start(request);
    if (!request.deferrable) at_once = true;
  }
  if (at_once) submit_queued();
  return taken;
}

void UringDevice::start(const IoRequest& request) {
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  ++in_flight_;
  int error = check_request(request, limits_);
  if (error == 0 && ring_ == nullptr) error = ring_error_;
  if (error != 0) {
    slots_[slot].token = request.token;
    finish(slot, error);
    return;
  }
  slots_[slot].take(request, limits_.block_bytes);
  issue(slot);
}

// Queues what the slot's request still needs.
void UringDevice::issue(std::uint32_t slot) {
  RequestSlot& request = slots_[slot];
  RingOperation operation{.id = slot,
                          .kind = request.kind,
                          .durable = request.durable,
                          .position_bytes = 0,
                          .vectors = {}};
  if (request.kind != IoKind::flush) {
    operation.position_bytes = request.transfer.position().value;
    operation.vectors = request.rest();
    operation.buffer = buffer_of(operation.vectors);
  }
  ring_->queue(operation);
  queued_.push_back(slot);
}

void UringDevice::collect() {
  take_results();
  submit_queued();
}

// Every one that is there.
void UringDevice::take_results() {
  RingResult result;
  while (ring_ != nullptr && ring_->next(result)) {
    if (result.id == kWakeId) {
      wake_armed_ = false;
      continue;
    }
    SEQWAL_CHECK(result.id < limits_.depth);
    take_result(static_cast<std::uint32_t>(result.id), result.result);
  }
}

void UringDevice::take_result(std::uint32_t slot, std::int64_t result) {
  RequestSlot& request = slots_[slot];
  if (request.kind == IoKind::flush) {
    // Never repeated, whatever it says: the kernel may have forgotten what it failed to write.
    finish(slot, result < 0 ? static_cast<int>(-result) : 0);
    return;
  }
  switch (request.transfer.advance(result)) {
    case Transfer::Step::again:
      issue(slot);
      break;
    case Transfer::Step::done:
      finish(slot, 0);
      break;
    case Transfer::Step::failed:
      finish(slot, request.transfer.os_error());
      break;
  }
}

void UringDevice::finish(std::uint32_t slot, int os_error) {
  slots_[slot].os_error = os_error;
  done_.push(slot);
}

void UringDevice::submit_queued() {
  if (queued_.empty()) return;
  judge_submission(ring_->submit());
}

// What is to become of the operations that the kernel did not take. Being out of memory or busy
// passes; they stay queued for the next call.
void UringDevice::judge_submission(int result) {
  const std::size_t left = ring_->queued();
  const bool progress = left < queued_.size();
  queued_.erase(queued_.begin(), queued_.end() - static_cast<std::ptrdiff_t>(left));
  if (left == 0 || progress) stalled_since_ = kNever;
  if (left == 0) return;
  const Nanoseconds now = monotonic_now();
  if (stalled_since_ == kNever) stalled_since_ = now;
  const bool may_pass = is_ordinary(result) || result == -EAGAIN || result == -EBUSY;
  if (may_pass && now - stalled_since_ < kSubmitPatience) return;
  fail_queued(may_pass && is_ordinary(result) ? EAGAIN : -result);
}

void UringDevice::fail_queued(int os_error) {
  ring_->drop_queued();
  for (const std::uint64_t id : queued_) {
    if (id == kWakeId) {
      wake_armed_ = false;
    } else {
      finish(static_cast<std::uint32_t>(id), os_error);
    }
  }
  queued_.clear();
  stalled_since_ = kNever;
}

std::size_t UringDevice::reap(std::span<IoCompletion> completions) {
  if (in_flight_ == 0) return 0;
  attach();
  collect();
  const std::size_t count = std::min(completions.size(), done_.size());
  for (IoCompletion& completion : completions.first(count)) {
    const std::uint32_t slot = done_.pop();
    completion = {.token = slots_[slot].token, .os_error = slots_[slot].os_error};
    free_.push_back(slot);
  }
  in_flight_ -= count;
  return count;
}

void UringDevice::wait(Nanoseconds deadline) {
  attach();
  take_results();
  auto expected = WakeState::awake;
  // Acquire, here and below: pairs with the release in wake(), whatever the waker did is seen.
  if (done_.empty() &&
      wake_state_.compare_exchange_strong(expected, WakeState::asleep, std::memory_order_acq_rel)) {
    sleep(deadline);
  } else {
    submit_queued();
  }
  wake_state_.exchange(WakeState::awake, std::memory_order_acq_rel);
}

void UringDevice::wake() {
  // The owner looks at the state before it sleeps, so only a sleeper costs a system call. One that
  // was about to wake up anyway finds the eventfd written at its next sleep, and returns early
  // once.
  if (wake_state_.exchange(WakeState::notified, std::memory_order_acq_rel) == WakeState::asleep) {
    const std::uint64_t one = 1;
    count_system_call();
    SEQWAL_CHECK(::write(wake_file_.fd(), &one, sizeof one) == sizeof one);
  }
}

// What is queued goes with the system call that waits.
void UringDevice::sleep(Nanoseconds deadline) {
  if (ring_ == nullptr) {
    sleep_without_ring(deadline);
    return;
  }
  const Nanoseconds now = monotonic_now();
  if (deadline <= now) {
    submit_queued();
    return;
  }
  if (!wake_armed_) {
    ring_->queue_wake(kWakeId);
    queued_.push_back(kWakeId);
    wake_armed_ = true;
  }
  const int result = ring_->submit_and_wait(deadline == kNever ? kNever : deadline - now);
  judge_submission(result);
  // Not to spin around a ring that refuses to wait.
  if (!is_ordinary(result)) pause_for(std::min(kRefusedPause, deadline - now));
}

void UringDevice::sleep_without_ring(Nanoseconds deadline) {
  const Nanoseconds now = monotonic_now();
  if (deadline <= now) return;
  const timespec limit = to_timespec(deadline - now);
  pollfd descriptor{.fd = wake_file_.fd(), .events = POLLIN, .revents = 0};
  if (::ppoll(&descriptor, 1, deadline == kNever ? nullptr : &limit, nullptr) == 1) {
    std::uint64_t count = 0;
    SEQWAL_CHECK(::read(wake_file_.fd(), &count, sizeof count) == sizeof count);
  }
}

}  // namespace seqwal
