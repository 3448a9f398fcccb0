// Scheduler: fibers, virtual time, and the Host of a simulated log.
//
// One fiber runs at a time, until it waits. Whoever drives the world calls run_one to let one go
// on, picked by the schedule stream, and moves the time when nobody can. Nothing here is a thread.
#ifndef SEQWAL_SIM_SCHEDULER_H
#define SEQWAL_SIM_SCHEDULER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "seqwal/host.h"
#include "seqwal/sim/choice.h"
#include "seqwal/sim/fiber.h"
#include "seqwal/sim/trace.h"

namespace seqwal::sim {

// Fibers that worlds take and give back. One thread.
class FiberPool {
 public:
  [[nodiscard]] std::unique_ptr<Fiber> take();
  void give_back(std::unique_ptr<Fiber> fiber);

 private:
  std::vector<std::unique_ptr<Fiber>> idle_;
};

class Scheduler final : public Host {
 public:
  Scheduler(Choices& choices, Trace& trace, FiberPool& pool);
  ~Scheduler() override;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // --- the driver's side
  // A new fiber, runnable. It is known by a number, 1, 2, …
  std::uint64_t spawn(std::function<void()> task);
  [[nodiscard]] std::size_t runnable() const { return runnable_.size(); }
  // Fibers that have not returned.
  [[nodiscard]] std::size_t alive() const { return alive_; }
  // Lets one of the runnable fibers go on. Precondition: there is one.
  void run_one();
  // When the first of the waiting fibers wants to be woken at the latest.
  [[nodiscard]] Nanoseconds next_deadline() const;
  // Moves the clock, and makes runnable whose deadline has come.
  void advance_to(Nanoseconds time);

  // --- from inside a fiber
  [[nodiscard]] bool in_fiber() const { return current_ != nullptr; }
  // Its number, 0 outside.
  [[nodiscard]] std::uint64_t current_number() const {
    return current_ == nullptr ? 0 : current_->number;
  }
  // Lets others go first.
  void yield();
  void sleep(Nanoseconds duration);
  // Waits until wake(key), at most until `deadline`.
  void wait(const void* key, Nanoseconds deadline);
  // Makes runnable who waits for `key`. From anywhere.
  void wake(const void* key);

  // --- Host
  Nanoseconds now() override { return now_; }
  [[nodiscard]] Nanoseconds now_time() const { return now_; }
  void park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
            Nanoseconds deadline) override;
  void unpark_all(const std::atomic<std::uint32_t>& word) override;
  std::uint64_t self() override;

 private:
  struct Task {
    std::uint64_t number = 0;
    std::unique_ptr<Fiber> fiber;
    const void* key = nullptr;  // what it waits for
    Nanoseconds deadline = kNever;
    bool waiting = false;
  };

  void make_runnable(Task& task);

  Choices& choices_;
  Trace& trace_;
  FiberPool& pool_;
  std::vector<std::unique_ptr<Task>> tasks_;  // those that have not returned, by number
  std::vector<Task*> runnable_;
  Task* current_ = nullptr;
  std::size_t alive_ = 0;
  std::uint64_t last_number_ = 0;
  Nanoseconds now_ = 0;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_SCHEDULER_H
