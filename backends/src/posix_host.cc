#include "seqwal/backends/posix_host.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "count_system_call.h"
#include "monotonic.h"

namespace seqwal {
namespace {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "a futex word");

}  // namespace

Nanoseconds PosixHost::now() { return monotonic_now(); }

void PosixHost::park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                     Nanoseconds deadline) {
  // FUTEX_WAIT_BITSET and not FUTEX_WAIT: its timeout is absolute, on the monotonic clock.
  const timespec until = to_timespec(std::max<Nanoseconds>(deadline, 0));
  // Its answers are not looked at: woken, timed out, interrupted and "the word has changed" all
  // mean that the caller looks again.
  count_system_call();
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected,
            deadline == kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void PosixHost::unpark_all(const std::atomic<std::uint32_t>& word) {
  count_system_call();
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

std::uint64_t PosixHost::self() {
  thread_local const auto id = static_cast<std::uint64_t>(::gettid());
  return id;
}

}  // namespace seqwal
