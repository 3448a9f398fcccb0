// CallbackQueue: what is due to run, on its way from the log's slots to an executor, which may have
// no room. Slots are given back as their callbacks leave them. One thread, the log's.
#ifndef SEQWAL_CALLBACK_QUEUE_H
#define SEQWAL_CALLBACK_QUEUE_H

#include <array>
#include <cstdint>

#include "log_buffer.h"
#include "seqwal/executor.h"

namespace seqwal {

class CallbackQueue {
 public:
  // No executor: the log runs callbacks itself, and nothing is ever added here.
  CallbackQueue(LogBuffer& buffer, Executor* executor) : buffer_(buffer), executor_(executor) {}

  [[nodiscard]] bool has_executor() const { return executor_ != nullptr; }

  // The callbacks of these slots are due, in this order, with this status.
  void add(std::uint16_t begin_ticket, std::uint16_t end_ticket, AppendStatus status);
  // Hands on what the executor takes. True: slots were given back.
  bool pump();
  // Everything was handed on, and has run.
  [[nodiscard]] bool idle() {
    return executor_ == nullptr || (waiting() == 0 && executor_->idle());
  }
  // Callbacks that are due and were not handed on.
  [[nodiscard]] std::uint32_t waiting() const {
    return batch_end_ - batch_begin_ + static_cast<std::uint16_t>(end_ - begin_);
  }

 private:
  LogBuffer& buffer_;
  Executor* const executor_;
  std::uint16_t begin_ = 0;  // tickets of slots that still hold theirs
  std::uint16_t end_ = 0;
  // Taken out of their slots, and not by the executor yet.
  std::array<CallbackTask, 32> batch_;
  std::uint32_t batch_begin_ = 0;
  std::uint32_t batch_end_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_CALLBACK_QUEUE_H
