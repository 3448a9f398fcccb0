#include "tests/support/memory_device.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

[[noreturn]] void abort_test(const char* what, const PendingIo& io) {
  std::fprintf(stderr, "MemoryDevice: %s: position %llu, %llu bytes\n", what,
               static_cast<unsigned long long>(io.position.value),
               static_cast<unsigned long long>(io.length_bytes));
  std::abort();
}

// Written apart from the backends' check on purpose: the contract suite compares them.
bool is_valid(const IoRequest& request, const DeviceLimits& limits) {
  if (request.kind == IoKind::flush) return request.segments.empty();
  if (request.segments.empty() || request.segments.size() > kMaxSegments) return false;
  if (request.position.value % limits.block_bytes != 0) return false;
  std::uint64_t left =
      request.position.value > limits.size_bytes ? 0 : limits.size_bytes - request.position.value;
  left = std::min<std::uint64_t>(left, limits.max_transfer_bytes);
  for (const IoSegment& segment : request.segments) {
    const auto address = std::bit_cast<std::uintptr_t>(segment.data);
    if (address == 0 || address % limits.buffer_alignment_bytes != 0) return false;
    if (segment.length_bytes == 0 || segment.length_bytes % limits.block_bytes != 0) return false;
    if (segment.length_bytes > left) return false;
    left -= segment.length_bytes;
  }
  return true;
}

bool overlap(const PendingIo& a, const PendingIo& b) {
  if (a.kind == IoKind::flush || b.kind == IoKind::flush) return false;
  if (a.kind == IoKind::read && b.kind == IoKind::read) return false;
  return a.position.value < b.position.value + b.length_bytes &&
         b.position.value < a.position.value + a.length_bytes;
}

std::uint64_t hash_of(std::span<const IoSegment> segments) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const IoSegment& segment : segments) {
    const std::string_view bytes(reinterpret_cast<const char*>(segment.data), segment.length_bytes);
    hash = hash * 0x100000001b3U + std::hash<std::string_view>{}(bytes);
  }
  return hash;
}

}  // namespace

DeviceLimits MemoryDevice::default_limits() {
  DeviceLimits limits;
  limits.depth = 32;
  limits.volatile_cache = false;
  limits.durable_write = DurableWrite::free;
  return limits;
}

MemoryDevice::MemoryDevice(std::uint64_t size_bytes, const DeviceLimits& limits)
    : MemoryDevice(std::vector<std::byte>(size_bytes), limits) {}

MemoryDevice::MemoryDevice(std::vector<std::byte> image, const DeviceLimits& limits)
    : limits_(limits), image_(std::move(image)) {
  limits_.size_bytes = image_.size();
  if (!limits_.volatile_cache) return;
  stable_ = image_;
  stable_order_.resize((image_.size() + kSectorBytes - 1) / kSectorBytes);
}

MemoryDevice::~MemoryDevice() {
  if (abandoned_ || in_flight() == 0) return;
  abort_test("destroyed with requests in flight",
             pending_.empty() ? done_.front().io : pending_.front().io);
}

void MemoryDevice::set_order(CompletionOrder order, std::uint64_t seed) {
  order_ = order;
  random_ = seed;
}

void MemoryDevice::add_fault(const InjectedFault& fault) { faults_.push_back(fault); }

void MemoryDevice::abandon() {
  abandoned_ = true;
  pending_.clear();
  done_.clear();
}

// --- submit ---------------------------------------------------------------------------------

std::size_t MemoryDevice::submit(std::span<const IoRequest> requests) {
  if (abandoned_) return 0;
  const std::size_t taken = std::min<std::size_t>(requests.size(), limits_.depth - in_flight());
  for (const IoRequest& request : requests.first(taken)) accept(request);
  return taken;
}

int MemoryDevice::use_memory(std::span<const std::span<std::byte>> regions) {
  if (in_flight() > 0) {
    std::fprintf(stderr, "MemoryDevice: use_memory with requests in flight\n");
    std::abort();
  }
  memory_.assign(regions.begin(), regions.end());
  ++memory_calls_;
  return use_memory_answer_;
}

bool MemoryDevice::is_from_memory(const IoSegment& segment) const {
  return std::ranges::any_of(memory_, [&](std::span<std::byte> region) {
    return segment.data >= region.data() &&
           segment.data + segment.length_bytes <= region.data() + region.size();
  });
}

void MemoryDevice::accept(const IoRequest& request) {
  Pending pending;
  pending.io = {.token = request.token,
                .kind = request.kind,
                .durable = request.durable && request.kind == IoKind::write,
                .position = request.position,
                .length_bytes = 0};
  if (!is_valid(request, limits_)) {
    done_.push_back({.io = pending.io, .os_error = EINVAL, .order = 0});
    return;
  }
  for (const IoSegment& segment : request.segments) {
    pending.segments.at(pending.segment_count++) = segment;
    pending.io.length_bytes += segment.length_bytes;
  }
  forbid_overlap(pending.io);
  count(pending.io);
  pending.fault = next_fault(request.kind);
  if (request.kind == IoKind::flush) pending.submitted_at = ++moment_;
  if (request.kind == IoKind::write) {
    if (std::ranges::all_of(request.segments,
                            [this](const auto& s) { return is_from_memory(s); })) {
      ++writes_from_memory_;
    }
    if (check_buffers_) pending.buffer_hash = hash_of(request.segments);
    if (payload_moment_ == PayloadMoment::at_submit) {
      for (const IoSegment& segment : request.segments) {
        pending.payload.insert(pending.payload.end(), segment.data,
                               segment.data + segment.length_bytes);
      }
    }
  }
  pending_.push_back(std::move(pending));
}

void MemoryDevice::forbid_overlap(const PendingIo& io) const {
  for (const Pending& other : pending_) {
    if (overlap(io, other.io)) abort_test("overlaps a request in flight", io);
  }
  for (const Done& other : done_) {
    if (overlap(io, other.io)) abort_test("overlaps a request not yet reaped", io);
  }
}

void MemoryDevice::count(const PendingIo& io) {
  switch (io.kind) {
    case IoKind::read:
      ++counts_.reads;
      counts_.read_bytes += io.length_bytes;
      break;
    case IoKind::write:
      ++counts_.writes;
      counts_.durable_writes += io.durable ? 1 : 0;
      counts_.written_bytes += io.length_bytes;
      break;
    case IoKind::flush:
      ++counts_.flushes;
      break;
  }
}

// Every fault of this kind counts this request; the first one whose turn it is strikes.
std::optional<InjectedFault> MemoryDevice::next_fault(IoKind kind) {
  std::optional<InjectedFault> due;
  for (InjectedFault& fault : faults_) {
    if (fault.kind != kind || fault.nth == 0) continue;
    if (fault.nth > 1) {
      --fault.nth;
      continue;
    }
    if (!due) due = fault;
    if (!fault.persistent) fault.nth = 0;
  }
  return due;
}

// --- completion -----------------------------------------------------------------------------

std::vector<PendingIo> MemoryDevice::pending() const {
  std::vector<PendingIo> list;
  list.reserve(pending_.size());
  for (const Pending& pending : pending_) list.push_back(pending.io);
  return list;
}

MemoryDevice::Pending MemoryDevice::take(std::size_t index) {
  Pending pending = std::move(pending_.at(index));
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(index));
  if (check_buffers_ && pending.io.kind == IoKind::write &&
      pending.buffer_hash != hash_of(std::span(pending.segments).first(pending.segment_count))) {
    abort_test("buffer of a write changed while in flight", pending.io);
  }
  return pending;
}

void MemoryDevice::complete(std::size_t index) { complete_one(index); }

void MemoryDevice::complete_all() {
  while (!pending_.empty()) complete_one(0);
}

void MemoryDevice::fail(std::size_t index, int os_error) { finish(take(index), os_error, 0); }

void MemoryDevice::complete_one(std::size_t index) {
  const Pending pending = take(index);
  if (pending.fault) {
    finish(pending, pending.fault->os_error, pending.fault->landed_bytes);
  } else {
    finish(pending, 0, pending.io.length_bytes);
  }
}

void MemoryDevice::finish(const Pending& pending, int os_error, std::uint64_t landed_bytes) {
  std::uint64_t order = 0;
  switch (pending.io.kind) {
    case IoKind::read:
      if (os_error == 0) apply_read(pending);
      break;
    case IoKind::write:
      order = apply_write(pending, landed_bytes, os_error != 0);
      break;
    case IoKind::flush:
      settle_cache(pending.submitted_at, os_error == 0);
      break;
  }
  done_.push_back({.io = pending.io, .os_error = os_error, .order = order});
}

void MemoryDevice::apply_read(const Pending& pending) {
  const std::byte* from = image_.data() + pending.io.position.value;
  for (const IoSegment& segment : std::span(pending.segments).first(pending.segment_count)) {
    std::memcpy(segment.data, from, segment.length_bytes);
    from += segment.length_bytes;
  }
}

// Returns the order number of what it left in the cache, or 0.
std::uint64_t MemoryDevice::apply_write(const Pending& pending, std::uint64_t landed_bytes,
                                        bool failed) {
  std::byte* const start = image_.data() + pending.io.position.value;
  landed_bytes = std::min(landed_bytes, pending.io.length_bytes);
  if (!pending.payload.empty()) {
    std::memcpy(start, pending.payload.data(), landed_bytes);
  } else {
    std::uint64_t at = 0;
    for (const IoSegment& segment : std::span(pending.segments).first(pending.segment_count)) {
      const std::uint64_t step = std::min<std::uint64_t>(segment.length_bytes, landed_bytes - at);
      std::memcpy(start + at, segment.data, step);
      at += step;
    }
  }
  if (failed || !limits_.volatile_cache) return 0;
  const std::uint64_t order = ++write_order_;
  const std::span<const std::byte> bytes(start, pending.io.length_bytes);
  if (pending.io.durable) {
    make_durable(pending.io.position.value, bytes, order);
    return 0;
  }
  cache_.push_back({.order = order,
                    .reaped_at = 0,
                    .position = pending.io.position.value,
                    .bytes = {bytes.begin(), bytes.end()}});
  return order;
}

// A flush: what it covers leaves the cache, to stable media or, when it failed, to nowhere.
void MemoryDevice::settle_cache(std::uint64_t reaped_before, bool kept) {
  const auto covered = [&](const CachedWrite& write) {
    return write.reaped_at != 0 && write.reaped_at < reaped_before;
  };
  for (const CachedWrite& write : cache_) {
    if (kept && covered(write)) make_durable(write.position, write.bytes, write.order);
  }
  std::erase_if(cache_, covered);
}

// Sector by sector, unless a later write is durable there already.
void MemoryDevice::make_durable(std::uint64_t position, std::span<const std::byte> bytes,
                                std::uint64_t order) {
  for (std::uint64_t done = 0; done < bytes.size(); done += kSectorBytes) {
    const std::uint64_t at = position + done;
    std::uint64_t& sector_order = stable_order_.at(at / kSectorBytes);
    if (sector_order > order) continue;
    sector_order = order;
    const std::uint64_t step = std::min(kSectorBytes, bytes.size() - done);
    std::memcpy(stable_.data() + at, bytes.data() + done, step);
  }
}

const std::vector<std::byte>& MemoryDevice::durable_image() const {
  return limits_.volatile_cache ? stable_ : image_;
}

// --- reap and wait --------------------------------------------------------------------------

std::size_t MemoryDevice::reap(std::span<IoCompletion> completions) {
  complete_some(completions.size());
  const std::size_t count = std::min(completions.size(), done_.size());
  for (IoCompletion& completion : completions.first(count)) {
    const Done& done = done_.front();
    mark_reaped(done);
    completion = {.token = done.io.token, .os_error = done.os_error};
    done_.pop_front();
  }
  return count;
}

// Lets complete what this reap is to find.
void MemoryDevice::complete_some(std::size_t wanted) {
  if (order_ == CompletionOrder::held || pending_.empty() || wanted == 0) return;
  if (order_ == CompletionOrder::in_order) {
    while (!pending_.empty() && done_.size() < wanted) complete_one(0);
    return;
  }
  const std::size_t most = std::min(wanted, pending_.size());
  for (std::size_t left = 1 + next_random() % most; left > 0; --left) {
    complete_one(next_random() % pending_.size());
  }
}

void MemoryDevice::mark_reaped(const Done& done) {
  if (done.order == 0) return;
  const auto write = std::ranges::find(cache_, done.order, &CachedWrite::order);
  if (write != cache_.end()) write->reaped_at = ++moment_;
}

void MemoryDevice::wait(Nanoseconds deadline) {
  std::unique_lock lock(wake_mutex_);
  const bool ready = !done_.empty() || (order_ != CompletionOrder::held && !pending_.empty());
  if (!ready) {
    ++idle_waits_;
    if (wait_mode_ == WaitMode::blocks) {
      const auto woken = [this] { return woken_; };
      using Clock = std::chrono::steady_clock;
      if (deadline == kNever) {
        woken_changed_.wait(lock, woken);
      } else {
        const Clock::time_point until{std::chrono::nanoseconds(deadline)};
        woken_changed_.wait_until(lock, until, woken);
      }
    }
  }
  woken_ = false;
}

void MemoryDevice::wake() {
  {
    const std::lock_guard lock(wake_mutex_);
    woken_ = true;
  }
  woken_changed_.notify_one();
}

// SplitMix64.
std::uint64_t MemoryDevice::next_random() {
  std::uint64_t mixed = (random_ += 0x9e3779b97f4a7c15U);
  mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
  return mixed ^ (mixed >> 31U);
}

}  // namespace seqwal::testing_support
