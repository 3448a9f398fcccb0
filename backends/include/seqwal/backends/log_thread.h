// LogThread: the loop "poll, wait" on a thread of its own.
#ifndef SEQWAL_BACKENDS_LOG_THREAD_H
#define SEQWAL_BACKENDS_LOG_THREAD_H

#include <memory>
#include <thread>

#include "seqwal/device.h"
#include "seqwal/host.h"
#include "seqwal/log.h"

namespace seqwal {

// Owns the log's polling from construction (after reset) until close. Callbacks run on its thread.
// None of the arguments is owned; all must outlive it.
//
// A thread that has requests in an io_uring does not end before the kernel answered them. Where a
// log finished without them (its append deadline), the thread is left behind: it touches nothing
// any more, but the process may have to wait for the kernel when it ends.
class LogThread {
 public:
  LogThread(Log& log, Device& device, Host& host);
  // Closes the log and waits for it, if that has not been done.
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  // Closes the log, waits until everything appended was called back and the header says graceful.
  // Not from a callback. Returns why the log failed, if it did.
  [[nodiscard]] Result<void> close();

 private:
  struct Loop;

  Log& log_;
  std::shared_ptr<Loop> loop_;  // what the thread says last
  std::thread thread_;
};

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_LOG_THREAD_H
