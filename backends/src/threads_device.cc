#include "threads_device.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>
#include <vector>

#include "monotonic.h"
#include "request_check.h"
#include "request_slot.h"
#include "seqwal/check.h"

namespace seqwal {
namespace {

constexpr Nanoseconds kClosePatience = 5 * kSecond;

// steady_clock counts from where the monotonic clock does.
std::chrono::steady_clock::time_point to_time_point(Nanoseconds time) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(time));
}

// Signals are for the program's own threads: none is handled on one of these.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

class ThreadsDevice::Pool {
 public:
  Pool(const DeviceLimits& limits, RawIo& io)
      : limits_(limits),
        io_(io),
        slots_(limits.depth),
        free_(limits.depth),
        todo_(limits.depth),
        done_(limits.depth) {
    std::iota(free_.rbegin(), free_.rend(), 0U);
    threads_.reserve(most_threads());
  }

  [[nodiscard]] const DeviceLimits& limits() const { return limits_; }

  // Before the first request.
  void take(File file) { file_ = std::move(file); }

  // False when the system has no thread left to give.
  bool start_thread() {
    const BlockedSignals blocked;
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      return false;
    }
    ::pthread_setname_np(threads_.back().native_handle(), "seqwal-io");
    return true;
  }

  std::size_t submit(std::span<const IoRequest> requests) {
    const std::lock_guard lock(mutex_);
    const std::size_t taken = std::min(requests.size(), free_.size());
    for (const IoRequest& request : requests.first(taken)) start(request);
    return taken;
  }

  std::size_t reap(std::span<IoCompletion> completions) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(completions.size(), done_.size());
    for (IoCompletion& completion : completions.first(count)) {
      const std::uint32_t slot = done_.pop();
      completion = {.token = slots_[slot].token, .os_error = slots_[slot].os_error};
      free_.push_back(slot);
    }
    return count;
  }

  void wait(Nanoseconds deadline) {
    std::unique_lock lock(mutex_);
    wait_until(lock, deadline, [this] { return !done_.empty() || woken_.load(); });
    // Acquire: pairs with the release in wake(), whatever the waker did is seen.
    woken_.exchange(false, std::memory_order_acq_rel);
  }

  void wake() {
    if (woken_.exchange(true, std::memory_order_acq_rel)) return;
    // Empty on purpose: the owner is now either before its look at woken_, or asleep.
    {
      const std::lock_guard lock(mutex_);
    }
    owner_may_go_.notify_one();
  }

  // Waits for what is in flight. False when some of it hangs; then the pool must live for ever.
  bool stop(Nanoseconds give_up) {
    std::unique_lock lock(mutex_);
    while (!todo_.empty()) todo_.pop();  // not begun, so never to be
    const bool idle = wait_until(lock, give_up, [this] { return running_ == 0; });
    stopping_ = true;
    lock.unlock();
    thread_may_go_.notify_all();
    for (std::thread& thread : threads_) idle ? thread.join() : thread.detach();
    return idle;
  }

 private:
  [[nodiscard]] std::uint32_t most_threads() const { return std::min(limits_.depth, kMaxThreads); }

  template <typename Condition>
  bool wait_until(std::unique_lock<std::mutex>& lock, Nanoseconds deadline, Condition condition) {
    if (deadline != kNever)
      return owner_may_go_.wait_until(lock, to_time_point(deadline), condition);
    owner_may_go_.wait(lock, condition);
    return true;
  }

  // Under the mutex.
  void start(const IoRequest& request) {
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    if (const int error = check_request(request, limits_); error != 0) {
      slots_[slot].token = request.token;
      slots_[slot].os_error = error;
      done_.push(slot);
      return;
    }
    slots_[slot].take(request, limits_.block_bytes);
    todo_.push(slot);
    // A refused thread is no loss: those that run take its work.
    if (todo_.size() > idle_ && threads_.size() < most_threads()) start_thread();
    thread_may_go_.notify_one();
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      thread_may_go_.wait(lock, [this] { return stopping_ || !todo_.empty(); });
      --idle_;
      if (todo_.empty()) return;
      const std::uint32_t slot = todo_.pop();
      ++running_;
      lock.unlock();
      const int os_error = run(slots_[slot]);
      lock.lock();
      --running_;
      slots_[slot].os_error = os_error;
      done_.push(slot);
      owner_may_go_.notify_one();
    }
  }

  // 0 or an errno value. The slot is the calling thread's until it is done.
  int run(RequestSlot& request) {
    if (request.kind == IoKind::flush) {
      // Never repeated, whatever it says: the kernel may have forgotten what it failed to write.
      const std::int64_t result = io_.flush(file_.fd());
      return result < 0 ? static_cast<int>(-result) : 0;
    }
    for (;;) {
      const std::uint64_t position = request.transfer.position().value;
      const std::int64_t result =
          request.kind == IoKind::read
              ? io_.read(file_.fd(), request.rest(), position)
              : io_.write(file_.fd(), request.rest(), position, request.durable);
      const Transfer::Step step = request.transfer.advance(result);
      if (step == Transfer::Step::done) return 0;
      if (step == Transfer::Step::failed) return request.transfer.os_error();
    }
  }

  File file_;
  DeviceLimits limits_;  // constant
  RawIo& io_;
  std::mutex mutex_;  // of everything below, but for the contents of slots that are being run
  std::condition_variable thread_may_go_;
  std::condition_variable owner_may_go_;
  std::vector<RequestSlot> slots_;
  std::vector<std::uint32_t> free_;
  SlotQueue todo_;
  SlotQueue done_;
  std::size_t idle_ = 0;
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::atomic<bool> woken_{false};  // set by any thread, cleared by the owner; outside the mutex
};

Result<std::unique_ptr<Device>> ThreadsDevice::open(File& file, const DeviceLimits& limits,
                                                    RawIo& io) {
  SEQWAL_REQUIRE(limits.depth >= 1);
  auto pool = std::make_unique<Pool>(limits, io);
  if (!pool->start_thread()) {
    return fail(ErrorCode::unsupported, "cannot start a thread: raise the limit of processes");
  }
  pool->take(std::move(file));
  return std::unique_ptr<Device>(new ThreadsDevice(std::move(pool)));
}

ThreadsDevice::ThreadsDevice(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}

ThreadsDevice::~ThreadsDevice() {
  if (pool_->stop(monotonic_now() + kClosePatience)) return;
  [[maybe_unused]] const Pool* leaked = pool_.release();
}

const DeviceLimits& ThreadsDevice::limits() const { return pool_->limits(); }

std::size_t ThreadsDevice::submit(std::span<const IoRequest> requests) {
  return pool_->submit(requests);
}

std::size_t ThreadsDevice::reap(std::span<IoCompletion> completions) {
  return pool_->reap(completions);
}

void ThreadsDevice::wait(Nanoseconds deadline) { pool_->wait(deadline); }

void ThreadsDevice::wake() { pool_->wake(); }

}  // namespace seqwal
