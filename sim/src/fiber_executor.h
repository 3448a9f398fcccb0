// FiberExecutor: callbacks on fibers, as CallbackThreads runs them on threads: a queue and a worker
// each for its share of the keys.
#ifndef SEQWAL_SIM_FIBER_EXECUTOR_H
#define SEQWAL_SIM_FIBER_EXECUTOR_H

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "seqwal/executor.h"
#include "seqwal/sim/scheduler.h"

namespace seqwal::sim {

class FiberExecutor final : public Executor {
 public:
  // `capacity`: of each worker's queue. `taken` hears of the callbacks of which records were taken.
  FiberExecutor(Scheduler& scheduler, std::uint64_t workers, std::uint64_t capacity,
                std::function<void(Offset)> taken)
      : scheduler_(scheduler), capacity_(capacity), taken_(std::move(taken)), workers_(workers) {}

  // The workers begin. They end after stop(), once nothing is left to run.
  void start();
  void stop();
  [[nodiscard]] bool ended() const { return alive_ == 0; }

  void bind(std::function<void()> wake) override { wake_ = std::move(wake); }
  std::size_t submit(std::span<CallbackTask> tasks) override;
  bool idle() override;
  bool runs_caller() const override;

 private:
  struct Worker {
    std::deque<CallbackTask> queue;
    std::uint64_t fiber = 0;
    bool running = false;  // a task that is no longer in the queue
  };

  void work(Worker& worker);

  Scheduler& scheduler_;
  const std::uint64_t capacity_;
  const std::function<void(Offset)> taken_;
  std::vector<Worker> workers_;
  std::function<void()> wake_;
  std::uint64_t alive_ = 0;
  bool asked_ = false;  // somebody waits for a change
  bool stops_ = false;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_FIBER_EXECUTOR_H
