// The monotonic clock: PosixHost's, and so the one of every deadline.
#ifndef SEQWAL_BACKENDS_MONOTONIC_H
#define SEQWAL_BACKENDS_MONOTONIC_H

#include <time.h>

#include "seqwal/check.h"
#include "seqwal/types.h"

namespace seqwal {

inline constexpr Nanoseconds kSecond = 1'000'000'000;

[[nodiscard]] inline Nanoseconds monotonic_now() {
  timespec time{};
  SEQWAL_CHECK(::clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return Nanoseconds{time.tv_sec} * kSecond + time.tv_nsec;
}

[[nodiscard]] inline timespec to_timespec(Nanoseconds time) {
  return {.tv_sec = time / kSecond, .tv_nsec = time % kSecond};
}

// About that long: a signal may end it early.
inline void pause_for(Nanoseconds time) {
  const timespec span = to_timespec(time);
  ::nanosleep(&span, nullptr);
}

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_MONOTONIC_H
