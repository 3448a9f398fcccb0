#include "seqwal/sim/disk.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "seqwal/check.h"

namespace seqwal::sim {
namespace {

constexpr int kMostShort = 16;  // short results of one transfer

// What nobody ever wrote. It repeats itself at a distance that no record and no block has.
void fill_with_noise(std::span<std::byte> bytes) {
  constexpr std::size_t kPeriod = 5 * kSectorBytes;
  const std::size_t first = std::min(bytes.size(), kPeriod);
  for (std::size_t at = 0; at + 8 <= first; at += 8) {
    const std::uint64_t word = mix(at + 0x517CC1B727220A95U);
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  for (std::size_t done = first; done < bytes.size(); done *= 2) {
    std::memcpy(bytes.data() + done, bytes.data(), std::min(done, bytes.size() - done));
  }
}

bool strikes(FaultTarget target, IoKind kind) {
  switch (target) {
    case FaultTarget::transfer:
      return kind != IoKind::flush;
    case FaultTarget::write:
      return kind == IoKind::write;
    case FaultTarget::flush:
      return kind == IoKind::flush;
    case FaultTarget::read:
      return kind == IoKind::read;
    case FaultTarget::none:
      return false;
    case FaultTarget::any:
      break;
  }
  return true;
}

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

Disk::Disk(const DiskOptions& options, Scheduler& scheduler, Choices& choices, Trace& trace)
    : options_(options),
      scheduler_(scheduler),
      choices_(choices),
      trace_(trace),
      has_cache_(options.limits.volatile_cache),
      stable_(options.limits.size_bytes) {
  fill_with_noise(stable_);
  if (!has_cache_) return;
  visible_ = stable_;
  stable_number_.resize(stable_.size() / kSectorBytes);
}

Disk::~Disk() { SEQWAL_CHECK(owner_ == nullptr); }

std::unique_ptr<SimDevice> Disk::attach() {
  if (owner_ != nullptr) return nullptr;
  land_late();
  if (std::ranges::find(options_.faults, Fault::stale_read) != options_.faults.end()) {
    before_.assign(visible().begin(), visible().end());
  }
  auto device = std::make_unique<SimDevice>(*this);
  owner_ = device.get();
  return device;
}

void Disk::detach() {
  if (!pending_.empty() && observer_ != nullptr) {
    observer_->on_misuse("destroyed with requests in flight", pending_.front().position);
  }
  pending_.clear();
  done_.clear();
  owner_ = nullptr;
}

// --- submit -----------------------------------------------------------------------------------

std::size_t Disk::submit(std::span<const IoRequest> requests) {
  const std::size_t room =
      limits().depth - std::min<std::size_t>(limits().depth, pending_.size() + done_.size());
  const std::size_t taken = std::min(requests.size(), room);
  for (const IoRequest& request : requests.first(taken)) accept(request);
  return taken;
}

bool Disk::is_valid(const IoRequest& request) const {
  if (request.kind == IoKind::flush) return request.segments.empty();
  if (request.segments.empty() || request.segments.size() > kMaxSegments) return false;
  const std::uint64_t at = request.position.value;
  if (at % limits().block_bytes != 0 || at > size_bytes()) return false;
  std::uint64_t left = std::min<std::uint64_t>(size_bytes() - at, limits().max_transfer_bytes);
  for (const IoSegment& segment : request.segments) {
    const auto address = std::bit_cast<std::uintptr_t>(segment.data);
    if (address == 0 || address % limits().buffer_alignment_bytes != 0) return false;
    if (segment.length_bytes == 0 || segment.length_bytes % limits().block_bytes != 0) return false;
    if (segment.length_bytes > left) return false;
    left -= segment.length_bytes;
  }
  return true;
}

void Disk::accept(const IoRequest& request) {
  if (!is_valid(request)) {
    done_.push_back({.token = request.token, .os_error = EINVAL});
    scheduler_.wake(owner_);
    return;
  }
  Pending& pending = pending_.emplace_back();
  pending.token = request.token;
  pending.kind = request.kind;
  pending.durable = request.kind == IoKind::write && request.durable;
  pending.position = request.position.value;
  for (const IoSegment& segment : request.segments) {
    pending.segments.at(pending.segment_count++) = segment;
    pending.length += segment.length_bytes;
  }
  trace_.note(Happened::submitted, static_cast<std::int64_t>(request.kind),
              signed_of(pending.position), signed_of(pending.length), pending.durable ? 1 : 0);
  forbid_overlap(pending);
  if (request.kind == IoKind::flush) {
    pending.moment = ++moment_;
  } else {
    pending.transfer = Transfer(request.position, request.segments, limits().block_bytes);
  }
  if (request.kind == IoKind::write) {
    ++writes_submitted_;
    pending.bytes = take_memory();
    for (const IoSegment& segment : request.segments) {
      pending.bytes.insert(pending.bytes.end(), segment.data, segment.data + segment.length_bytes);
    }
    if (observer_ != nullptr) {
      observer_->on_write_submitted({pending.position, pending.bytes, pending.durable});
    }
  } else if (request.kind == IoKind::read) {
    bytes_read_ += pending.length;
    if (observer_ != nullptr) observer_->on_read_submitted(pending.position, pending.length);
    for (const IoSegment& segment : request.segments) {
      std::memset(segment.data, 0xA5, segment.length_bytes);
    }
  }
  pending.fault = draw_fault(pending);
  pending.number = ++number_;
  pending.since = scheduler_.now_time();
  reschedule(pending);
  if (pending.fault == Fault::hang) {
    strike(pending.fault, pending.position);
    const Nanoseconds time =
        options_.hang_times[choices_.choose(Stream::fault, options_.hang_times.size(), "hangs")];
    pending.due = time == kNever ? kNever : pending.since + time;
  }
}

// `added` is the last of them.
void Disk::forbid_overlap(const Pending& added) {
  if (added.kind == IoKind::flush) return;
  for (const Pending& other : std::span(pending_).first(pending_.size() - 1)) {
    if (other.kind == IoKind::flush) continue;
    if (other.kind == IoKind::read && added.kind == IoKind::read) continue;
    if (added.position < other.position + other.length &&
        other.position < added.position + added.length && observer_ != nullptr) {
      observer_->on_misuse("overlaps a request in flight", added.position);
    }
  }
}

// --- faults -----------------------------------------------------------------------------------

Fault Disk::draw_fault(const Pending& pending) {
  if (!armed_ || options_.fault_period == 0 || options_.faults.empty()) return Fault::none;
  if (!choices_.one_in(Stream::fault, options_.fault_period, "strike")) return Fault::none;
  const Fault fault =
      options_.faults[choices_.choose(Stream::fault, options_.faults.size(), "which")];
  const FaultInfo& what = info(fault);
  if (!strikes(what.target, pending.kind)) return Fault::none;
  if (what.fault_class != FaultClass::tolerated) {
    if (harm_left_ == 0) return Fault::none;
    --harm_left_;
  }
  return fault;
}

// Counted when it strikes, not when it is drawn: a crash may come first.
void Disk::strike(Fault fault, std::uint64_t position) {
  ++fault_counts_.at(static_cast<std::size_t>(fault));
  const FaultClass what = info(fault).fault_class;
  harmed_ = harmed_ || what != FaultClass::tolerated;
  trace_.note(Happened::fault, static_cast<std::int64_t>(fault), signed_of(position));
  if (observer_ != nullptr) observer_->on_fault(fault, position);
}

void Disk::heal() {
  armed_ = false;
  broken_ = 0;
  for (Pending& pending : pending_) {
    if (pending.fault == Fault::hang) reschedule(pending);
    pending.fault = Fault::none;
  }
}

void Disk::arm() {
  heal();
  armed_ = true;
  harm_left_ = options_.max_harm;
  harmed_ = false;
}

// Drawn anew, because so few flushes are in flight just then.
void Disk::owner_fails() {
  const auto flush = std::ranges::find(pending_, IoKind::flush, &Pending::kind);
  if (flush == pending_.end() || flush->fault != Fault::none || !armed_ || harm_left_ == 0) return;
  if (std::ranges::find(options_.faults, Fault::flush_lies) == options_.faults.end()) return;
  if (!choices_.one_in(Stream::fault, 2, "the last flush lies")) return;
  --harm_left_;
  flush->fault = Fault::flush_lies;
}

// --- completion -------------------------------------------------------------------------------

bool Disk::has_event() const {
  return std::ranges::any_of(
      pending_, [this](const Pending& pending) { return pending.due <= scheduler_.now_time(); });
}

Nanoseconds Disk::next_event() const {
  Nanoseconds next = kNever;
  for (const Pending& pending : pending_) next = std::min(next, pending.due);
  return next;
}

void Disk::run_event() {
  std::size_t chosen = pending_.size();
  if (options_.timing.any_order()) {
    const auto is_ready = [this](const Pending& pending) {
      return pending.due <= scheduler_.now_time();
    };
    const auto ready = static_cast<std::size_t>(std::ranges::count_if(pending_, is_ready));
    SEQWAL_REQUIRE(ready > 0);
    std::size_t before = ready == 1 ? 0 : choices_.choose(Stream::schedule, ready, "completion");
    for (chosen = 0; !is_ready(pending_[chosen]) || before-- > 0;) ++chosen;
  } else {
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (pending_[i].due == kNever) continue;
      if (chosen == pending_.size() || pending_[i].due < pending_[chosen].due) chosen = i;
    }
    SEQWAL_REQUIRE(chosen < pending_.size());
  }
  step(chosen);
}

std::size_t Disk::writes_in_flight() const {
  return static_cast<std::size_t>(std::ranges::count(pending_, IoKind::write, &Pending::kind));
}

bool Disk::hangs() const {
  return std::ranges::find(pending_, Fault::hang, &Pending::fault) != pending_.end();
}

Nanoseconds Disk::in_flight_since() const {
  Nanoseconds since = kNever;
  for (const Pending& pending : pending_) since = std::min(since, pending.since);
  return since;
}

void Disk::complete(std::size_t index) {
  const std::uint64_t number = pending_.at(index).number;
  while (true) {
    const auto it = std::ranges::find(pending_, number, &Pending::number);
    if (it == pending_.end()) return;
    step(static_cast<std::size_t>(it - pending_.begin()));
  }
}

void Disk::reschedule(Pending& pending) {
  pending.due = options_.timing.completion(scheduler_.now_time(), pending.length, choices_);
}

// One system call: it finishes the request, or the rest of it comes back later.
void Disk::step(std::size_t index) {
  Pending& pending = pending_[index];
  if (pending.kind == IoKind::flush) {
    int os_error = broken_ == ENODEV ? ENODEV : 0;
    if (os_error == 0 && pending.fault == Fault::hang) {
      if (choices_.choose(Stream::fault, 2, "late flush fails") == 1) os_error = EIO;
    } else if (os_error == 0 && pending.fault != Fault::none) {
      strike(pending.fault, 0);
      if (pending.fault == Fault::flush_error) os_error = EIO;
      if (pending.fault == Fault::gone) os_error = broken_ = ENODEV;
    }
    finish(index, os_error);
    return;
  }
  const std::uint64_t from = pending.transfer.position().value;
  const std::int64_t result = raw_result(pending);
  if (result == signed_of(pending.length) && pending.parts.empty()) {
    pending.at_once = true;
  } else if (result > 0 && pending.kind == IoKind::write) {
    pending.parts.push_back(from - pending.position);
    pending.parts.push_back(from - pending.position + static_cast<std::uint64_t>(result));
  }
  switch (pending.transfer.advance(result)) {
    case Transfer::Step::again:
      reschedule(pending);
      return;
    case Transfer::Step::done:
      finish(index, 0);
      return;
    case Transfer::Step::failed:
      finish(index, pending.transfer.os_error());
      return;
  }
}

// Bytes transferred, or a negative errno, as preadv2 and pwritev2 say it.
std::int64_t Disk::raw_result(Pending& pending) {
  const auto left = static_cast<std::int64_t>(pending.transfer.remaining_bytes());
  const std::uint64_t position = pending.transfer.position().value;
  if (broken_ == ENODEV) return -ENODEV;
  if (broken_ == EROFS && pending.kind == IoKind::write) return -EROFS;
  if (position % limits().block_bytes != 0 || left % limits().block_bytes != 0) return -EINVAL;
  if (pending.kind == IoKind::read && is_unreadable(pending.position, pending.length)) return -EIO;

  const Fault fault = pending.fault;
  if (fault == Fault::none) return left;
  if (info(fault).target != FaultTarget::transfer && fault != Fault::zero_transfer) {
    pending.fault = Fault::none;
  }
  switch (fault) {
    case Fault::again:
    case Fault::interrupted:
      strike(fault, position);
      if (pending.repeats == 0) {
        pending.repeats = static_cast<int>(choices_.between(Stream::fault, 1, 3, "repeats"));
      }
      if (--pending.repeats == 0) pending.fault = Fault::none;
      return fault == Fault::again ? -EAGAIN : -EINTR;
    case Fault::short_transfer: {
      const std::uint64_t sectors = static_cast<std::uint64_t>(left) / kSectorBytes;
      if (sectors < 2) return left;
      strike(fault, position);
      // Without end it would be no fault that a log survives.
      if (choices_.choose(Stream::fault, 2, "short once more") == 0 ||
          ++pending.repeats == kMostShort) {
        pending.fault = Fault::none;
      }
      return signed_of((1 + choices_.choose(Stream::fault, sectors - 1, "short")) * kSectorBytes);
    }
    case Fault::zero_transfer:
      strike(fault, position);
      return 0;
    case Fault::cancelled:
    case Fault::write_error:
    case Fault::rot:
    case Fault::misdirected:
    case Fault::lost_write:
      strike(fault, position);
      pending.fault = fault;  // finish_write does the rest
      if (fault == Fault::write_error) return -EIO;
      return fault == Fault::cancelled ? -ECANCELED : left;
    case Fault::no_space:
      strike(fault, position);
      return -ENOSPC;
    case Fault::read_only:
      strike(fault, position);
      broken_ = EROFS;
      return -EROFS;
    case Fault::gone:
      strike(fault, position);
      broken_ = ENODEV;
      return -ENODEV;
    case Fault::read_error:
      strike(fault, position);
      return -EIO;
    case Fault::stale_read:
      strike(fault, position);
      pending.fault = fault;
      return left;
    case Fault::hang:
      return end_of_hang(pending, left);
    case Fault::none:
    case Fault::flush_error:
    case Fault::flush_lies:
    case Fault::forged:
      break;
  }
  return left;
}

std::int64_t Disk::end_of_hang(Pending& pending, std::int64_t left) {
  const std::uint64_t end = choices_.choose(Stream::fault, 3, "late completion");
  if (end == 0) return left;
  if (pending.kind == IoKind::read) return -EIO;
  pending.fault = end == 1 ? Fault::write_error : Fault::cancelled;  // finish_write does the rest
  return end == 1 ? -EIO : -ECANCELED;
}

void Disk::finish(std::size_t index, int os_error) {
  Pending pending = std::move(pending_[index]);
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(index));
  Done done{.token = pending.token, .os_error = os_error};
  trace_.note(Happened::completed, static_cast<std::int64_t>(pending.kind),
              signed_of(pending.position), signed_of(pending.length), os_error);
  switch (pending.kind) {
    case IoKind::read:
      if (os_error == 0) {
        finish_read(pending);
      } else if (observer_ != nullptr) {
        observer_->on_read_failed(pending.position, pending.length);
      }
      break;
    case IoKind::write:
      check_buffers(pending);
      if (observer_ != nullptr) {
        observer_->on_write_completed({pending.position, pending.bytes, pending.durable}, os_error);
      }
      done.first_cached = number_ + 1;
      finish_write(pending, os_error);
      done.last_cached = number_;
      give_back(std::move(pending.bytes));
      break;
    case IoKind::flush:
      if (pending.fault != Fault::flush_lies) finish_flush(pending, os_error);
      break;
  }
  done_.push_back(done);
  scheduler_.wake(owner_);
}

void Disk::finish_read(Pending& pending) {
  const std::span<const std::byte> from =
      pending.fault == Fault::stale_read ? std::span<const std::byte>(before_) : visible();
  std::uint64_t at = pending.position;
  for (const IoSegment& segment : std::span(pending.segments).first(pending.segment_count)) {
    std::memcpy(segment.data, from.data() + at, segment.length_bytes);
    at += segment.length_bytes;
  }
}

void Disk::finish_write(Pending& pending, int os_error) {
  switch (pending.fault) {
    case Fault::lost_write:
      return;
    case Fault::write_error: {
      // The new sectors among the old ones: nobody can tell which, and no flush covers them.
      for (std::uint64_t at = 0; at < pending.length; at += kSectorBytes) {
        if (choices_.choose(Stream::fault, 2, "sector landed") == 0) continue;
        land(pending.position + at, std::span(pending.bytes).subspan(at, kSectorBytes), false);
        if (has_cache_) cache_.back().dropped = true;
      }
      return;
    }
    case Fault::cancelled: {
      const std::uint64_t when = choices_.choose(Stream::fault, 3, "cancelled write lands");
      if (when == 1) land(pending.position, pending.bytes, false);
      if (when == 2) late_.push_back({pending.position, pending.bytes});
      return;
    }
    case Fault::rot: {
      const std::uint64_t bit = choices_.choose(Stream::fault, pending.length * 8, "rotten bit");
      pending.bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      break;
    }
    case Fault::misdirected: {
      const std::uint64_t places = (size_bytes() - pending.length) / limits().block_bytes + 1;
      pending.position = choices_.choose(Stream::fault, places, "elsewhere") * limits().block_bytes;
      break;
    }
    default:
      break;
  }
  const bool durable = pending.durable && os_error == 0;
  if (pending.at_once && (durable || !has_cache_)) {
    land(pending.position, pending.bytes, durable);
  } else if (pending.at_once) {
    show(pending.position, pending.bytes);
    keep_in_cache(pending.position, std::move(pending.bytes));
  }
  for (std::size_t i = 0; i + 1 < pending.parts.size(); i += 2) {
    const std::uint64_t from = pending.parts[i];
    land(pending.position + from,
         std::span(pending.bytes).subspan(from, pending.parts[i + 1] - from), durable);
  }
}

// A flush: what it covers leaves the cache, to the media or, when it failed, to nowhere.
void Disk::finish_flush(const Pending& pending, int os_error) {
  for (Cached& cached : cache_) {
    const bool covered = cached.reaped != 0 && cached.reaped < pending.moment && !cached.dropped;
    if (!covered) continue;
    cached.dropped = os_error != 0;
    if (os_error != 0) continue;
    make_durable(cached.position, cached.bytes, cached.number);
    give_back(std::exchange(cached.bytes, {}));
  }
  std::erase_if(cache_, [](const Cached& cached) { return cached.bytes.empty(); });
}

void Disk::check_buffers(const Pending& pending) {
  std::size_t at = 0;
  for (const IoSegment& segment : std::span(pending.segments).first(pending.segment_count)) {
    if (std::memcmp(segment.data, pending.bytes.data() + at, segment.length_bytes) != 0) {
      if (observer_ != nullptr) {
        observer_->on_misuse("buffer of a write changed while in flight", pending.position + at);
      }
      return;
    }
    at += segment.length_bytes;
  }
}

void Disk::land(std::uint64_t position, std::span<const std::byte> bytes, bool durable) {
  show(position, bytes);
  if (!has_cache_) return;
  if (durable) {
    make_durable(position, bytes, ++number_);
    return;
  }
  std::vector<std::byte> copy = take_memory();
  copy.assign(bytes.begin(), bytes.end());
  keep_in_cache(position, std::move(copy));
}

void Disk::show(std::uint64_t position, std::span<const std::byte> bytes) {
  mark_readable(position, bytes.size());
  std::vector<std::byte>& seen = has_cache_ ? visible_ : stable_;
  std::memcpy(seen.data() + position, bytes.data(), bytes.size());
}

void Disk::keep_in_cache(std::uint64_t position, std::vector<std::byte>&& bytes) {
  cache_.push_back({.number = ++number_,
                    .reaped = 0,
                    .dropped = false,
                    .position = position,
                    .bytes = std::move(bytes)});
}

void Disk::land_late() {
  for (const Late& late : late_) land(late.position, late.bytes, false);
  late_.clear();
  settle_cache();
}

// What a dead process never heard of has completed all the same: the next flush covers it.
void Disk::settle_cache() {
  ++moment_;
  for (Cached& cached : cache_) {
    if (cached.reaped == 0) cached.reaped = moment_;
  }
}

// Sector by sector, unless a later write is durable there already.
void Disk::make_durable(std::uint64_t position, std::span<const std::byte> bytes,
                        std::uint64_t number) {
  const auto is_newer = [=](std::uint64_t there) { return there > number; };
  const auto there =
      std::span(stable_number_).subspan(position / kSectorBytes, bytes.size() / kSectorBytes);
  if (std::ranges::none_of(there, is_newer)) {
    std::ranges::fill(there, number);
    std::memcpy(stable_.data() + position, bytes.data(), bytes.size());
    return;
  }
  for (std::uint64_t done = 0; done < bytes.size(); done += kSectorBytes) {
    const std::uint64_t sector = (position + done) / kSectorBytes;
    if (is_newer(stable_number_[sector])) continue;
    stable_number_[sector] = number;
    std::memcpy(stable_.data() + position + done, bytes.data() + done, kSectorBytes);
  }
}

std::size_t Disk::reap(std::span<IoCompletion> completions) {
  const std::size_t count = std::min(completions.size(), done_.size());
  for (IoCompletion& completion : completions.first(count)) {
    const Done& done = done_.front();
    completion = {.token = done.token, .os_error = done.os_error};
    if (done.first_cached <= done.last_cached) {
      ++moment_;
      for (Cached& cached : cache_) {
        if (done.first_cached <= cached.number && cached.number <= done.last_cached) {
          cached.reaped = moment_;
        }
      }
    }
    done_.pop_front();
  }
  return count;
}

// --- the end of an owner ----------------------------------------------------------------------

void Disk::die() {
  if (owner_ == nullptr) return;
  std::vector<IoToken> tokens;
  tokens.reserve(pending_.size() + done_.size());
  for (const Pending& pending : pending_) {
    if (pending.kind == IoKind::write) check_buffers(pending);
    tokens.push_back(pending.token);
  }
  for (const Done& done : done_) tokens.push_back(done.token);
  pending_.clear();
  done_.clear();
  SimDevice* owner = std::exchange(owner_, nullptr);
  owner->die(std::move(tokens));
  scheduler_.wake(owner);
}

void Disk::kill() {
  trace_.note(Happened::killed, signed_of(writes_in_flight()));
  std::vector<Late> landing;
  for (Pending& pending : pending_) {
    if (pending.kind != IoKind::write) continue;
    check_buffers(pending);
    if (choices_.choose(Stream::crash, 2, "write of the dead lands") == 0) continue;
    landing.push_back({pending.position, pending.bytes});
  }
  die();
  for (Late& late : landing) late_.push_back(std::move(late));
}

// --- contents ---------------------------------------------------------------------------------

bool Disk::is_stable(std::uint64_t position, std::span<const std::byte> bytes) const {
  return std::memcmp(stable_.data() + position, bytes.data(), bytes.size()) == 0;
}

std::vector<DiskWrite> Disk::uncertain_writes() const {
  std::vector<DiskWrite> writes;
  writes.reserve(cache_.size() + pending_.size());
  for (const Cached& cached : cache_) writes.push_back({cached.position, cached.bytes, false});
  for (const Pending& pending : pending_) {
    if (pending.kind != IoKind::write) continue;
    writes.push_back({pending.position, pending.bytes, pending.durable});
  }
  return writes;
}

void Disk::put(std::uint64_t position, std::span<const std::byte> bytes) {
  std::memcpy(stable_.data() + position, bytes.data(), bytes.size());
  if (has_cache_) std::memcpy(visible_.data() + position, bytes.data(), bytes.size());
}

void Disk::forge(std::uint64_t position, std::span<const std::byte> bytes) {
  strike(Fault::forged, position);
  put(position, bytes);
}

void Disk::replace_contents(std::span<const std::byte> image) {
  SEQWAL_REQUIRE(image.size() == stable_.size() && pending_.empty());
  std::memcpy(stable_.data(), image.data(), image.size());
  if (has_cache_) std::memcpy(visible_.data(), image.data(), image.size());
  std::ranges::fill(stable_number_, 0);
  cache_.clear();
  late_.clear();
  unreadable_.clear();
}

std::vector<std::byte> Disk::take_memory() {
  if (spare_.empty()) return {};
  std::vector<std::byte> memory = std::move(spare_.back());
  spare_.pop_back();
  memory.clear();
  return memory;
}

void Disk::give_back(std::vector<std::byte>&& memory) {
  if (spare_.size() < 16) spare_.push_back(std::move(memory));
}

}  // namespace seqwal::sim
