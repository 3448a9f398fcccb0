// Fiber: a function with a stack of its own that stops where it waits and goes on where it stopped.
//
// What a thread is in production, a fiber is in the simulated world: clients and the log's loop run
// on fibers, and whoever drives the world decides which one goes on. Reusable: a fiber that is idle
// takes the next task on the same stack, so that a world costs no allocation.
//
// Threads: a fiber belongs to the thread that first resumed it. No global state.
// Sanitizers are told of every switch.
#ifndef SEQWAL_SIM_FIBER_H
#define SEQWAL_SIM_FIBER_H

#include <cstddef>
#include <functional>
#include <memory>

namespace seqwal::sim {

inline constexpr std::size_t kFiberStackBytes = std::size_t{128} << 10U;

class Fiber {
 public:
  Fiber();
  // A fiber in the middle of a task is abandoned: its stack, and what that owns, is never freed.
  // Only a world in which a promise was broken ends like that.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Precondition: idle(). Nothing of the task runs before resume(). It must not throw.
  void start(std::function<void()> task);
  // True when there is no task, or it has returned.
  [[nodiscard]] bool idle() const;
  // Runs the task until it yields or returns. Not from inside a fiber of the same world's driver.
  void resume();
  // From inside the task only: back to who resumed.
  void yield();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_FIBER_H
