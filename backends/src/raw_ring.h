// RawRing: one io_uring, behind one level of virtual functions, so that results, refused
// submissions and a refused set-up can be put in from outside.
//
//   queue(...);              the operation waits in the submission queue, the kernel knows nothing
//   submit();                the kernel takes what is queued, perhaps not all of it
//   while (next(result)) …   one result per operation taken, in any order
//
// Results are values, never errno: a negative number is a negated errno value.
// Threads: all of it on the thread that opened the ring (the kernel may refuse any other one).
// Ownership: file descriptors and memory stay the caller's; memory from queue until the result.
#ifndef SEQWAL_BACKENDS_RAW_RING_H
#define SEQWAL_BACKENDS_RAW_RING_H

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/types.h"

namespace seqwal {

struct RingOperation {
  std::uint64_t id = 0;
  IoKind kind = IoKind::read;
  bool durable = false;  // writes: RWF_DSYNC
  std::uint64_t position_bytes = 0;
  std::span<const iovec> vectors;            // none for a flush
  std::optional<std::uint32_t> buffer = {};  // the registered one that the only vector lies in
};

struct RingResult {
  std::uint64_t id = 0;
  std::int64_t result = 0;
};

class RawRing {
 public:
  virtual ~RawRing() = default;

  // Registers buffers instead of those that were; none = lets go of them. The kernel pins them.
  // 0 or a negative errno; then none is registered. Precondition: no operation is under way but a
  // wake.
  [[nodiscard]] virtual int register_buffers(std::span<const iovec> buffers) = 0;

  // Precondition: fewer operations are queued than `entries` said at opening.
  virtual void queue(const RingOperation& operation) = 0;
  // An operation that completes when somebody writes to the ring's wake descriptor.
  virtual void queue_wake(std::uint64_t id) = 0;

  // How many operations the kernel has not taken yet: always the ones queued last.
  [[nodiscard]] virtual std::size_t queued() const = 0;
  // Forgets them. They were never begun and have no result.
  virtual void drop_queued() = 0;

  // Hands over what is queued. 0 or a negative errno; then some may have been taken.
  [[nodiscard]] virtual int submit() = 0;
  // The same, and then waits for a result, for at most `timeout` (kNever = no limit). One system
  // call. -ETIME and -EINTR are ordinary answers.
  [[nodiscard]] virtual int submit_and_wait(Nanoseconds timeout) = 0;

  // The next result, if there is one. No system call unless the kernel holds results back.
  [[nodiscard]] virtual bool next(RingResult& result) = 0;
};

struct OpenedRing {
  std::unique_ptr<RawRing> ring;
  std::string notes;  // which optional features were refused, and why; mostly empty
};

// Opens a ring of `entries` for I/O on `fd`, and makes sure that it works by sending an operation
// through it. The error names the system call that failed.
using RingFactory = std::function<Result<OpenedRing>(int fd, int wake_fd, std::uint32_t entries)>;

// The real one.
[[nodiscard]] Result<OpenedRing> open_system_ring(int fd, int wake_fd, std::uint32_t entries);

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_RAW_RING_H
