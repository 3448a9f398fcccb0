// ManualHost: a Host whose clock only the test moves.
//
// Single-threaded tests: set on_park to what shall happen instead of sleeping (poll the log,
// advance the clock); park runs it once and returns. Without it, park sleeps for real until
// unpark_all, or until the clock is moved past the deadline, by another thread.
// Threads: any.
#ifndef SEQWAL_TESTS_SUPPORT_MANUAL_HOST_H
#define SEQWAL_TESTS_SUPPORT_MANUAL_HOST_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "seqwal/host.h"

namespace seqwal::testing_support {

class ManualHost final : public Host {
 public:
  explicit ManualHost(Nanoseconds now = 0) : now_(now) {}

  Nanoseconds now() override { return now_.load(); }
  void set(Nanoseconds now) {
    {
      const std::lock_guard lock(mutex_);
      now_.store(now);
    }
    changed_.notify_all();
  }
  void advance(Nanoseconds by) { set(now() + by); }

  // Before any thread parks.
  void on_park(std::function<void()> action) { on_park_ = std::move(action); }
  [[nodiscard]] std::uint64_t parks() const { return parks_.load(); }
  [[nodiscard]] std::uint64_t unparks() const { return unparks_.load(); }

  void park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
            Nanoseconds deadline) override {
    ++parks_;
    if (on_park_) {
      on_park_();
      return;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return word.load() != expected || now_.load() >= deadline; });
  }
  void unpark_all(const std::atomic<std::uint32_t>&) override {
    ++unparks_;
    // Empty on purpose: a parker is now either before its look at the word, or asleep.
    {
      const std::lock_guard lock(mutex_);
    }
    changed_.notify_all();
  }
  std::uint64_t self() override {
    static std::atomic<std::uint64_t> last{0};
    thread_local const std::uint64_t number = ++last;
    return number;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<Nanoseconds> now_;
  std::atomic<std::uint64_t> parks_{0};
  std::atomic<std::uint64_t> unparks_{0};
  std::function<void()> on_park_;
};

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_MANUAL_HOST_H
