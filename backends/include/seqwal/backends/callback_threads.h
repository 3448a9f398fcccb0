// CallbackThreads: an Executor on threads of its own. One: callbacks run there in offset order, and
// a slow one holds up nobody but the next. Several: a thread each for its share of the keys, so
// callbacks of one key keep their order and those of most others do not wait for them.
//
// When a queue is full, callbacks wait in the log's slots, all of them in offset order, and when
// those are full append answers would_block. The disk goes on until then.
#ifndef SEQWAL_BACKENDS_CALLBACK_THREADS_H
#define SEQWAL_BACKENDS_CALLBACK_THREADS_H

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "seqwal/executor.h"

namespace seqwal {

struct CallbackThreadsOptions {
  std::uint32_t threads = 1;   // 1..256
  std::uint32_t queue = 1024;  // callbacks of each, 64 bytes apiece, a power of two
};

class CallbackThreads final : public Executor {
 public:
  explicit CallbackThreads(const CallbackThreadsOptions& options = {});
  // Runs what was taken, then ends the threads. The Log that it is of is gone before.
  ~CallbackThreads() override;
  CallbackThreads(const CallbackThreads&) = delete;
  CallbackThreads& operator=(const CallbackThreads&) = delete;

  void bind(std::function<void()> wake) override;
  std::size_t submit(std::span<CallbackTask> tasks) override;
  bool idle() override;
  bool runs_caller() const override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_CALLBACK_THREADS_H
