#include "seqwal/backends/log_thread.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace seqwal {

// Outlives whichever of the two sides is first to go.
struct LogThread::Loop {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  bool left_requests = false;

  void end(bool requests) {
    const std::lock_guard lock(mutex);
    ended = true;
    left_requests = requests;
    changed.notify_one();
  }
  // True when the thread can be waited for.
  [[nodiscard]] bool wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return ended; });
    return !left_requests;
  }
};

LogThread::LogThread(Log& log, Device& device, Host& host)
    : log_(log), loop_(std::make_shared<Loop>()), thread_([loop = loop_, &log, &device, &host] {
        while (!log.finished()) device.wait(log.poll(host.now()));
        loop->end(log.device_has_memory());
      }) {
  // For debuggers and `top -H` only; a refusal changes nothing.
  static_cast<void>(::pthread_setname_np(thread_.native_handle(), "seqwal-log"));
}

LogThread::~LogThread() {
  // Who wants to know calls close().
  [[maybe_unused]] const auto closed = close();
}

Result<void> LogThread::close() {
  log_.close();
  if (thread_.joinable()) loop_->wait() ? thread_.join() : thread_.detach();
  if (auto failure = log_.failure()) return std::unexpected(*std::move(failure));
  return {};
}

}  // namespace seqwal
