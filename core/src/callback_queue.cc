#include "callback_queue.h"

#include <span>

namespace seqwal {

void CallbackQueue::add(std::uint16_t begin_ticket, std::uint16_t end_ticket, AppendStatus status) {
  buffer_.settle(begin_ticket, end_ticket, status);
  end_ = end_ticket;
}

bool CallbackQueue::pump() {
  const std::uint16_t begin = begin_;
  while (waiting() > 0) {
    if (batch_begin_ == batch_end_) {
      batch_begin_ = batch_end_ = 0;
      while (begin_ != end_ && batch_end_ < batch_.size()) {
        CallbackTask& task = batch_.at(batch_end_);
        buffer_.take(begin_++, task);
        if (task.callback) ++batch_end_;
      }
    }
    const std::span tasks = std::span(batch_).subspan(batch_begin_, batch_end_ - batch_begin_);
    const std::size_t taken = tasks.empty() ? 0 : executor_->submit(tasks);
    batch_begin_ += static_cast<std::uint32_t>(taken);
    if (taken < tasks.size()) break;
  }
  if (begin == begin_) return false;
  buffer_.release_tickets(begin_);
  return true;
}

}  // namespace seqwal
