// Executor: where the callbacks of appends run. A log without one runs them itself, on the thread
// that polls: the cheapest, but a slow callback holds up the log.
//
// Implementations: CallbackThreads in backends (one thread, or a pool), fibers in simulation. What
// each promises:
//   - every task that it took runs exactly once;
//   - tasks of one key run in the order in which they were taken, never two at a time. An executor
//     of one thread keeps one order for all;
//   - its queues are bounded: what does not fit is refused, and stays the log's.
#ifndef SEQWAL_EXECUTOR_H
#define SEQWAL_EXECUTOR_H

#include <cstdint>
#include <functional>
#include <span>

#include "seqwal/callback.h"

namespace seqwal {

// A callback that is due, and what it is to be told.
struct CallbackTask {
  AppendCallback callback;
  AppendResult result;
  std::uint64_t key = 0;  // AppendOptions::key
};

// One log's at a time. submit, idle and bind: the thread that polls.
class Executor {
 public:
  virtual ~Executor() = default;

  // `wake` is called, from any thread, when something has changed that the log asked for: there may
  // be room after submit() took fewer than all, or nothing is left after idle() said otherwise.
  // Cheap, and may come for no reason. Replaces what was bound before, which is not called any more
  // once this returns; empty: nobody is to be woken.
  virtual void bind(std::function<void()> wake) = 0;

  // Moves tasks from the front of `tasks` into its queues and returns how many: fewer than all
  // when there is no room. Never blocks for a callback.
  [[nodiscard]] virtual std::size_t submit(std::span<CallbackTask> tasks) = 0;

  // Whether all that was taken has run.
  [[nodiscard]] virtual bool idle() = 0;

  // Whether the caller is a callback that it runs. Any thread.
  [[nodiscard]] virtual bool runs_caller() const = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_EXECUTOR_H
