#include "seqwal/backends/callback_threads.h"

#include <pthread.h>

#include <array>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "seqwal/check.h"

namespace seqwal {
namespace {

// Taken out of a queue at a time: one lock for so many callbacks.
constexpr std::uint32_t kBatch = 32;

// What the callback that the calling thread runs belongs to.
thread_local const void* running = nullptr;

// Neighbouring keys go to different threads.
std::uint64_t spread(std::uint64_t key) {
  key *= 0x9E3779B97F4A7C15U;
  return key ^ key >> 32U;
}

}  // namespace

class CallbackThreads::Impl {
 public:
  explicit Impl(const CallbackThreadsOptions& options) {
    SEQWAL_REQUIRE(options.threads >= 1 && options.threads <= 256);
    SEQWAL_REQUIRE(std::has_single_bit(options.queue));
    for (std::uint32_t i = 0; i < options.threads; ++i) {
      workers_.push_back(std::make_unique<Worker>(options.queue));
    }
    for (const auto& worker : workers_) {
      worker->thread = std::thread([this, &worker = *worker] { work(worker); });
      static_cast<void>(::pthread_setname_np(worker->thread.native_handle(), "seqwal-call"));
    }
  }

  ~Impl() {
    for (const auto& worker : workers_) {
      const std::lock_guard lock(worker->mutex);
      worker->stops = true;
      worker->changed.notify_one();
    }
    for (const auto& worker : workers_) worker->thread.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void bind(std::function<void()> wake) {
    const std::lock_guard lock(wake_mutex_);
    wake_ = std::move(wake);
  }

  std::size_t submit(std::span<CallbackTask> tasks) {
    std::size_t taken = 0;
    while (taken < tasks.size()) {
      // A run for one worker at a time.
      Worker& worker = worker_of(tasks[taken]);
      const std::size_t before = taken;
      std::unique_lock lock(worker.mutex);
      while (taken < tasks.size() && &worker_of(tasks[taken]) == &worker && !worker.full()) {
        worker.push(std::move(tasks[taken++]));
      }
      if (taken == before) {
        asked_.store(true, std::memory_order_relaxed);  // ordered by the worker's mutex
        return taken;
      }
      const bool sleeps = std::exchange(worker.sleeps, false);
      lock.unlock();
      if (sleeps) worker.changed.notify_one();
    }
    return taken;
  }

  bool idle() {
    for (const auto& worker : workers_) {
      const std::lock_guard lock(worker->mutex);
      if (worker->size() == 0 && worker->running == 0) continue;
      asked_.store(true, std::memory_order_relaxed);  // ordered by the worker's mutex
      return false;
    }
    return true;
  }

  [[nodiscard]] bool runs_caller() const { return running == this; }

 private:
  // All but the thread: under its mutex.
  struct Worker {
    explicit Worker(std::uint32_t capacity) : ring(capacity) {}

    [[nodiscard]] std::uint32_t size() const { return end - begin; }
    [[nodiscard]] bool full() const { return size() == ring.size(); }
    void push(CallbackTask&& task) { ring[end++ % ring.size()] = std::move(task); }
    [[nodiscard]] CallbackTask pop() { return std::move(ring[begin++ % ring.size()]); }

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<CallbackTask> ring;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t running = 0;  // taken out, and not done
    bool sleeps = false;
    bool stops = false;
    std::thread thread;
  };

  [[nodiscard]] Worker& worker_of(const CallbackTask& task) {
    return *workers_[workers_.size() == 1 ? 0 : spread(task.key) % workers_.size()];
  }

  void work(Worker& worker) {
    running = this;
    std::array<CallbackTask, kBatch> batch;
    std::unique_lock lock(worker.mutex);
    while (true) {
      if (worker.size() == 0) {
        if (worker.stops) return;
        worker.sleeps = true;
        worker.changed.wait(lock);
        worker.sleeps = false;
        continue;
      }
      while (worker.running < kBatch && worker.size() > 0) {
        batch.at(worker.running++) = worker.pop();
      }
      const std::uint32_t count = worker.running;
      lock.unlock();
      for (CallbackTask& task : std::span(batch).first(count)) {
        task.callback(task.result);
        task.callback = {};
      }
      lock.lock();
      worker.running = 0;
      if (asked_.load(std::memory_order_relaxed)) tell(lock);
    }
  }

  // Room was made, or it was the last.
  void tell(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    {
      const std::lock_guard wake_lock(wake_mutex_);
      if (asked_.exchange(false, std::memory_order_relaxed) && wake_) wake_();
    }
    lock.lock();
  }

  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> asked_{false};  // the log waits for a change; set and looked at under a mutex
  std::mutex wake_mutex_;
  std::function<void()> wake_;
};

CallbackThreads::CallbackThreads(const CallbackThreadsOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}

CallbackThreads::~CallbackThreads() = default;

void CallbackThreads::bind(std::function<void()> wake) { impl_->bind(std::move(wake)); }

std::size_t CallbackThreads::submit(std::span<CallbackTask> tasks) { return impl_->submit(tasks); }

bool CallbackThreads::idle() { return impl_->idle(); }

bool CallbackThreads::runs_caller() const { return impl_->runs_caller(); }

}  // namespace seqwal
