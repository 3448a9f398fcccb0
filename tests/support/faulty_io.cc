#include "tests/support/faulty_io.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

std::uint64_t length_of(std::span<const iovec> vectors) {
  std::uint64_t bytes = 0;
  for (const iovec& vector : vectors) bytes += vector.iov_len;
  return bytes;
}

// The first `bytes` of `vectors`.
std::vector<iovec> cut(std::span<const iovec> vectors, std::uint64_t bytes) {
  std::vector<iovec> kept;
  for (iovec vector : vectors) {
    vector.iov_len = std::min<std::size_t>(vector.iov_len, bytes);
    bytes -= vector.iov_len;
    if (vector.iov_len > 0) kept.push_back(vector);
  }
  return kept;
}

std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

}  // namespace

FaultPlan harassment(std::uint64_t seed) {
  return [seed](const RawCall& call) -> std::optional<std::int64_t> {
    if (call.kind == IoKind::flush) return std::nullopt;
    const std::uint64_t random = mix(seed ^ mix(call.number));
    switch (random % 8) {
      case 0:
        return -EAGAIN;
      case 1:
        return -EINTR;
      case 2:
      case 3:
        return std::nullopt;
      default:
        return static_cast<std::int64_t>(1 + (random >> 8U) % call.length_bytes);
    }
  };
}

// --- Hanging --------------------------------------------------------------------------------

void Hanging::release(std::optional<std::int64_t> result) {
  {
    const std::lock_guard lock(mutex_);
    released_ = true;
    result_ = result;
  }
  changed_.notify_all();
}

bool Hanging::released() const {
  const std::lock_guard lock(mutex_);
  return released_;
}

std::optional<std::int64_t> Hanging::result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

std::uint64_t Hanging::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

void Hanging::begin() {
  const std::lock_guard lock(mutex_);
  ++count_;
}

void Hanging::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return released_; });
}

// --- FaultyIo -------------------------------------------------------------------------------

std::optional<std::int64_t> FaultyIo::ask(RawCall call) {
  std::unique_lock lock(mutex_);
  call.number = calls_++;
  const auto answer = plan_ ? plan_(call) : std::nullopt;
  if (answer != kHangs) return answer;
  lock.unlock();
  hanging_->begin();
  hanging_->wait();
  return hanging_->result();
}

std::int64_t FaultyIo::read(int fd, std::span<const iovec> vectors, std::uint64_t position_bytes) {
  const auto fault = ask({.number = 0,
                          .kind = IoKind::read,
                          .durable = false,
                          .position_bytes = position_bytes,
                          .length_bytes = length_of(vectors)});
  if (!fault) return system_io().read(fd, vectors, position_bytes);
  const std::uint64_t sectors = *fault > 0 ? static_cast<std::uint64_t>(*fault) / kSectorBytes : 0;
  if (sectors == 0) return *fault;
  const std::int64_t real =
      system_io().read(fd, cut(vectors, sectors * kSectorBytes), position_bytes);
  return real < 0 ? real : *fault;
}

std::int64_t FaultyIo::write(int fd, std::span<const iovec> vectors, std::uint64_t position_bytes,
                             bool durable) {
  const auto fault = ask({.number = 0,
                          .kind = IoKind::write,
                          .durable = durable,
                          .position_bytes = position_bytes,
                          .length_bytes = length_of(vectors)});
  if (!fault) return system_io().write(fd, vectors, position_bytes, durable);
  const std::uint64_t sectors = *fault > 0 ? static_cast<std::uint64_t>(*fault) / kSectorBytes : 0;
  if (sectors == 0) return *fault;
  const std::int64_t real =
      system_io().write(fd, cut(vectors, sectors * kSectorBytes), position_bytes, durable);
  return real < 0 ? real : *fault;
}

std::int64_t FaultyIo::flush(int fd) {
  const auto fault = ask({.number = 0,
                          .kind = IoKind::flush,
                          .durable = false,
                          .position_bytes = 0,
                          .length_bytes = 0});
  return fault ? *fault : system_io().flush(fd);
}

// --- rings ----------------------------------------------------------------------------------

namespace {

class FaultyRing final : public RawRing {
 public:
  FaultyRing(std::unique_ptr<RawRing> real, std::shared_ptr<RingScript> script, int fd)
      : real_(std::move(real)), script_(std::move(script)), fd_(fd) {}

  int register_buffers(std::span<const iovec> buffers) override {
    if (buffers.empty()) return real_->register_buffers(buffers);
    ++script_->registrations;
    if (script_->register_refusal != 0) return script_->register_refusal;
    return real_->register_buffers(buffers);
  }

  void queue(const RingOperation& operation) override {
    if (operation.buffer) ++script_->fixed_operations;
    const RawCall call{.number = script_->operations++,
                       .kind = operation.kind,
                       .durable = operation.durable,
                       .position_bytes = operation.position_bytes,
                       .length_bytes = length_of(operation.vectors)};
    const auto fault = script_->plan ? script_->plan(call) : std::nullopt;
    if (!fault) {
      real_->queue(operation);
      return;
    }
    if (*fault == kHangs) {
      if (script_->hanging == nullptr) return;
      script_->hanging->begin();
      hanging_.push_back(operation);
      return;
    }
    const std::uint64_t sectors =
        *fault > 0 ? static_cast<std::uint64_t>(*fault) / kSectorBytes : 0;
    if (sectors == 0) {
      answers_.push_back({.id = operation.id, .result = *fault});
      return;
    }
    Cut& changed = cuts_[operation.id];
    changed = {.vectors = cut(operation.vectors, sectors * kSectorBytes), .report = *fault};
    RingOperation shorter = operation;
    shorter.vectors = changed.vectors;
    real_->queue(shorter);
  }
  void queue_wake(std::uint64_t id) override { real_->queue_wake(id); }
  std::size_t queued() const override { return real_->queued(); }
  void drop_queued() override { real_->drop_queued(); }

  int submit() override {
    if (const int refusal = next_refusal(); refusal != 0) return refusal;
    return real_->submit();
  }
  int submit_and_wait(Nanoseconds timeout) override {
    if (const int refusal = next_refusal(); refusal != 0) return refusal;
    return answers_.empty() ? real_->submit_and_wait(timeout) : real_->submit();
  }

  bool next(RingResult& result) override {
    if (!hanging_.empty() && script_->hanging->released()) {
      for (const RingOperation& operation : std::exchange(hanging_, {})) {
        const auto answer = script_->hanging->result();
        answers_.push_back({.id = operation.id, .result = answer ? *answer : done(operation)});
      }
    }
    if (!answers_.empty()) {
      result = answers_.front();
      answers_.pop_front();
      return true;
    }
    if (!real_->next(result)) return false;
    const auto changed = cuts_.find(result.id);
    if (changed != cuts_.end()) {
      if (result.result >= 0) result.result = changed->second.report;
      cuts_.erase(changed);
    }
    return true;
  }

 private:
  struct Cut {
    std::vector<iovec> vectors;
    std::int64_t report = 0;
  };

  // As the kernel would have done it.
  [[nodiscard]] std::int64_t done(const RingOperation& operation) const {
    switch (operation.kind) {
      case IoKind::read:
        return system_io().read(fd_, operation.vectors, operation.position_bytes);
      case IoKind::write:
        return system_io().write(fd_, operation.vectors, operation.position_bytes,
                                 operation.durable);
      case IoKind::flush:
        break;
    }
    return system_io().flush(fd_);
  }
  int next_refusal() {
    if (script_->submit_always_refused) return script_->submit_refusal;
    if (script_->submit_results.empty()) return 0;
    const int refusal = script_->submit_results.front();
    script_->submit_results.pop_front();
    return refusal;
  }

  std::unique_ptr<RawRing> real_;
  std::shared_ptr<RingScript> script_;
  std::deque<RingResult> answers_;
  std::map<std::uint64_t, Cut> cuts_;  // by operation
  std::vector<RingOperation> hanging_;
  int fd_;
};

}  // namespace

RingFactory faulty_rings(const std::shared_ptr<RingScript>& script) {
  return [script](int fd, int wake_fd, std::uint32_t entries) -> Result<OpenedRing> {
    ++script->setups;
    if (!script->setup_results.empty()) {
      const int refusal = script->setup_results.front();
      script->setup_results.pop_front();
      if (refusal != 0) return fail(ErrorCode::unsupported, "io_uring_setup: refused", refusal);
    }
    auto real = open_system_ring(fd, wake_fd, entries);
    if (!real) return real;
    real->ring = std::make_unique<FaultyRing>(std::move(real->ring), script, fd);
    return real;
  };
}

}  // namespace seqwal::testing_support
