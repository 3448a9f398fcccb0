// Transfer: finishes one read or write over a raw interface that may do less than it was asked.
//
// A pure unit: no system call in it. Both real devices and the simulated disk drive it, so that
// short transfers, EAGAIN, EINTR and zero bytes are handled once and simulated too.
//
//   Transfer t(request.position, request.segments, block_bytes);
//   for (;;) {
//     issue t.position() with t.segments();            // preadv2 / pwritev2 / SQE
//     switch (t.advance(result)) {                     // bytes done, or -errno
//       case Transfer::Step::again: continue;          // issue the rest
//       case Transfer::Step::done: …   case Transfer::Step::failed: … t.os_error() …
//     }
//   }
//
// Rules: a short result is rounded down to `granularity_bytes` before going on, so that the rest
// starts aligned (O_DIRECT demands it; rewriting the same bytes is harmless). EINTR and EAGAIN are
// retried at most kMaxRetries times in a row without progress, then the transfer fails with that
// error. Zero bytes, or less than one granule kMaxRetries times in a row, is EIO: never a loop.
//
// Cost: no allocation. Threads: one at a time. Lifetime: copies the segment list, not the bytes.
#ifndef SEQWAL_TRANSFER_H
#define SEQWAL_TRANSFER_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "seqwal/device.h"

namespace seqwal {

class Transfer {
 public:
  enum class Step : std::uint8_t { again, done, failed };
  static constexpr int kMaxRetries = 64;

  Transfer() = default;

  // Preconditions: 1..kMaxSegments segments, none empty; granularity a power of two.
  Transfer(DevicePosition position, std::span<const IoSegment> segments,
           std::uint32_t granularity_bytes);

  // Where and what to issue next. The span stays valid until the next advance().
  [[nodiscard]] DevicePosition position() const { return position_; }
  [[nodiscard]] std::span<const IoSegment> segments() const {
    return std::span(segments_).subspan(first_, count_ - first_);
  }
  [[nodiscard]] std::size_t remaining_bytes() const { return remaining_bytes_; }

  // Takes the raw result: bytes transferred, or a negative errno. Not again after done or failed.
  [[nodiscard]] Step advance(std::int64_t result);

  // After failed: why.
  [[nodiscard]] int os_error() const { return os_error_; }
  // Results that were short or had to be tried again, for counters.
  [[nodiscard]] std::uint32_t retries() const { return retries_; }

 private:
  Step retry_or_fail(int os_error);
  Step fail_with(int os_error);
  void skip(std::size_t bytes);

  DevicePosition position_;
  std::array<IoSegment, kMaxSegments> segments_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t remaining_bytes_ = 0;
  std::uint32_t granularity_bytes_ = 1;
  int stalled_ = 0;  // results in a row without progress
  int os_error_ = 0;
  std::uint32_t retries_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_TRANSFER_H
