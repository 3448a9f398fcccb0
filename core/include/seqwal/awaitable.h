// co_await append_async(log, body): an append for C++20 coroutines.
//
//   const Result<AppendResult> told = co_await append_async(log, body);
//
// The coroutine goes on where the append's callback runs: on the thread that polls, or on the
// executor's. It must not block there in the first case. An append that is refused does not suspend
// it. The body has to stay until then, as in append; the coroutine's frame is destroyed only after
// it went on.
#ifndef SEQWAL_AWAITABLE_H
#define SEQWAL_AWAITABLE_H

#include <coroutine>
#include <cstddef>
#include <span>
#include <utility>

#include "seqwal/log.h"

namespace seqwal {

class AppendAwaitable {
 public:
  AppendAwaitable(Log& log, std::span<const std::byte> body, const AppendOptions& options)
      : log_(log), body_(body), options_(options) {}

  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): co_await asks the object
  [[nodiscard]] bool await_ready() const noexcept { return false; }

  bool await_suspend(std::coroutine_handle<> waiter) {
    auto appended = log_.append(
        body_,
        [this, waiter](const AppendResult& told) {
          told_ = told;
          waiter.resume();
        },
        options_);
    // Once it was accepted the coroutine may have gone on elsewhere, and this be gone.
    if (appended) return true;
    told_ = std::unexpected(std::move(appended.error()));
    return false;
  }

  [[nodiscard]] Result<AppendResult> await_resume() { return std::move(told_); }

 private:
  Log& log_;
  std::span<const std::byte> body_;
  const AppendOptions options_;
  Result<AppendResult> told_;
};

[[nodiscard]] inline AppendAwaitable append_async(Log& log, std::span<const std::byte> body,
                                                  const AppendOptions& options = {}) {
  return {log, body, options};
}

}  // namespace seqwal

#endif  // SEQWAL_AWAITABLE_H
