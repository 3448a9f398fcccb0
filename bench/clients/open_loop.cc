#include "bench/clients/open_loop.h"

#include <sys/prctl.h>

#include <thread>

namespace seqwal::bench {
namespace {

constexpr unsigned kFractionBits = 20;
constexpr std::uint64_t kDrawBits = 32;
constexpr std::uint64_t kSecond = 1'000'000'000;

// Sleeps between arrivals; what is due when it wakes up is appended, and counts from when it was
// due.
class OpenLoopThread final : public Clients {
 public:
  OpenLoopThread(Target& target, Host& host, Meter& meter, const ClientOptions& options)
      : host_(host), loop_(target, host, meter, options) {}

  void start() override {
    loop_.start();
    thread_ = std::jthread([this] { run(); });
  }
  void nudge() override { loop_.nudge(); }
  void stop() override {
    loop_.stop();
    stopped_.store(1);
    host_.unpark_all(stopped_);
  }
  [[nodiscard]] bool idle() const override { return loop_.idle(); }

 private:
  void run() {
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);  // the usual 50 us would be latency
    while (loop_.next_due() != kNever) {
      host_.park(stopped_, 0, loop_.next_due());
      loop_.run_due(host_.now());
    }
  }

  Host& host_;
  OpenLoop loop_;
  std::atomic<std::uint32_t> stopped_{0};
  std::jthread thread_;
};

}  // namespace

// Von Neumann, "Various techniques used in connection with random digits": of runs of draws that do
// not rise, the first draw of one whose length is odd is the fraction, and how many were even
// before it the whole.
Nanoseconds Arrivals::next_gap() {
  for (std::uint64_t whole = 0;; ++whole) {
    const std::uint64_t first = draw();
    std::uint64_t last = first;
    bool odd = true;
    for (std::uint64_t next = draw(); next <= last; next = draw()) {
      last = next;
      odd = !odd;
    }
    if (!odd) continue;
    const std::uint64_t means = (whole << kFractionBits) + (first >> (kDrawBits - kFractionBits));
    return static_cast<Nanoseconds>((means * kSecond / per_second_) >> kFractionBits);
  }
}

std::uint64_t Arrivals::draw() { return random_() >> (64U - kDrawBits); }

OpenLoop::OpenLoop(Target& target, Host& host, Meter& meter, const ClientOptions& options)
    : target_(target),
      host_(host),
      meter_(meter),
      arrivals_(options.arrivals_per_second, options.seed),
      body_(make_body(options.record_bytes, 0)) {}

void OpenLoop::start() { next_ = host_.now() + arrivals_.next_gap(); }

Nanoseconds OpenLoop::next_due() const { return stopping_.load() ? kNever : next_; }

void OpenLoop::run_due(Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  while (!stopping_.load() && next_ <= now) {
    in_flight_.fetch_add(1);
    meter_.arrived(now - next_);
    if (!waiting_.empty() || !append(next_)) waiting_.push_back(next_);
    next_ += arrivals_.next_gap();
  }
  waiters_.store(waiting_.size());
}

void OpenLoop::nudge() {
  if (waiters_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty() && append(waiting_.front())) waiting_.pop_front();
  waiters_.store(waiting_.size());
}

void OpenLoop::stop() {
  const std::lock_guard lock(mutex_);
  stopping_.store(true);
  in_flight_.fetch_sub(waiting_.size());
  waiting_.clear();
  waiters_.store(0);
}

// False: there was no room.
bool OpenLoop::append(Nanoseconds arrival) {
  const auto offset = target_.append(
      body_, [this, arrival](const AppendResult& result) { called_back(arrival, result); }, 0);
  if (offset) return true;
  const ErrorCode code = offset.error().code;
  if (code == ErrorCode::would_block) return false;
  meter_.refused(code);
  if (code == ErrorCode::over_capacity) return false;
  stopping_.store(true);
  in_flight_.fetch_sub(1);
  return true;
}

void OpenLoop::called_back(Nanoseconds arrival, const AppendResult& result) {
  meter_.called_back(result);
  if (result.status == AppendStatus::durable) meter_.latency(host_.now() - arrival);
  nudge();
  in_flight_.fetch_sub(1);
}

std::unique_ptr<Clients> make_open_loop_clients(Target& target, Host& host, Meter& meter,
                                                const ClientOptions& options) {
  return std::make_unique<OpenLoopThread>(target, host, meter, options);
}

}  // namespace seqwal::bench
