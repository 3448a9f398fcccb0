#include "seqwal/backends/log_thread.h"

#include <pthread.h>

namespace seqwal {

LogThread::LogThread(Log& log, Device& device, Host& host)
    : log_(log), thread_([&log, &device, &host] {
        while (!log.finished()) device.wait(log.poll(host.now()));
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
  if (thread_.joinable()) thread_.join();
  if (auto failure = log_.failure()) return std::unexpected(*std::move(failure));
  return {};
}

}  // namespace seqwal
