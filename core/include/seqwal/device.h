// Device: the disk, as the log sees it. One of the two seams of seqwal (the other is Host).
//
// Values in, values out. A caller submits requests and reaps completions; nothing is called back.
// Backends implement it over io_uring and over a thread pool, simulations over a disk that
// reorders, forgets and fails.
//
// Contract (the Device contract suite in tests/ holds every implementation to it):
//
//  1. Each accepted request gets exactly one completion; a refused one (submit returned fewer) gets
//     none. There is no order among requests, nor among completions.
//  2. A transfer is whole or failed: short transfers, EAGAIN and EINTR are finished inside the
//     device (transfer.h). A failed write may have changed any part of its range, or none.
//  3. Positions, lengths and buffer addresses must be multiples of what limits() says, and inside
//     the device. A request that breaks this completes with EINVAL and touches nothing.
//  4. Writes in flight must not overlap other requests in flight. This is the caller's duty.
//  5. Buffers belong to the device from submit until the completion was reaped. The segment array
//     itself is copied by submit.
//  6. A *durable* write that completed well is on stable media. It says nothing about others.
//  7. A *flush* that completed well covers every write whose completion was reaped before the flush
//     was submitted, and nothing else.
//  8. After a failed flush or durable write, everything not yet covered is in doubt for ever. The
//     caller treats the device as failed; nothing is retried as if it were clean.
//  9. Tokens come back untouched. The caller puts slot and generation into them, so that a stray
//     completion is caught.
// 10. use_memory is an announcement, and changes nothing but the cost of transfers.
//
// Threads: submit, reap, wait and use_memory are called by one thread at a time (the one that owns
// the device); ownership may move to another thread while nothing is in flight. limits and wake:
// any thread. Lifetime: destroy only when nothing is in flight, or call it a leak: an
// implementation never frees what the kernel may still write to.
#ifndef SEQWAL_DEVICE_H
#define SEQWAL_DEVICE_H

#include <cstddef>
#include <cstdint>
#include <span>

#include "seqwal/types.h"

namespace seqwal {

enum class IoKind : std::uint8_t { read, write, flush };

// One piece of memory of a transfer. Not const for writes either: one type serves both directions.
struct IoSegment {
  std::byte* data = nullptr;
  std::size_t length_bytes = 0;
};

// The caller's name for a request: which of its slots, and which use of that slot.
struct IoToken {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(IoToken, IoToken) = default;
};

// At most this many segments in one request.
inline constexpr std::size_t kMaxSegments = 4;

struct IoRequest {
  IoToken token;
  IoKind kind = IoKind::read;
  bool durable = false;                 // writes only: on stable media when it completes
  DevicePosition position;              // not used by a flush
  std::span<const IoSegment> segments;  // 1..kMaxSegments for a transfer, none for a flush
  bool deferrable = false;              // may begin as late as the next call of reap or wait
};

struct IoCompletion {
  IoToken token;
  int os_error = 0;  // 0 = whole and well, else an errno value
};

// What it costs to make a write durable.
enum class DurableWrite : std::uint8_t {
  free,   // no volatile cache: a completed write is on stable media
  fua,    // the device writes through its cache for a single write
  flush,  // a durable write flushes the whole cache: better to cover many writes with one flush
};

struct DeviceLimits {
  std::uint64_t size_bytes = 0;
  bool size_is_exact = false;  // a file: the log must fill it. Devices may be larger than the log
  std::uint32_t block_bytes = 512;             // position and length granularity, a power of two
  std::uint32_t buffer_alignment_bytes = 512;  // a power of two
  std::uint32_t max_transfer_bytes = 1U << 20U;
  std::uint32_t best_transfer_bytes = 256U << 10U;
  std::uint32_t depth = 1;                 // requests that may be in flight; submit accepts no more
  std::uint32_t atomic_write_bytes = 512;  // never torn below this, which is a block at least
  bool volatile_cache = true;
  DurableWrite durable_write = DurableWrite::flush;
};

class Device {
 public:
  virtual ~Device() = default;

  [[nodiscard]] virtual const DeviceLimits& limits() const = 0;

  // Takes requests from the front of `requests` and returns how many it took; fewer than all when
  // limits().depth is reached. Never blocks for the disk.
  [[nodiscard]] virtual std::size_t submit(std::span<const IoRequest> requests) = 0;

  // Fills `completions` from the front with what has completed and returns how many. Never blocks.
  [[nodiscard]] virtual std::size_t reap(std::span<IoCompletion> completions) = 0;

  // Returns when a completion can be reaped, when wake() was called since the last return of wait,
  // or at `deadline` (on the Host's clock; kNever = no deadline), whichever is first. May return
  // early for no reason.
  virtual void wait(Nanoseconds deadline) = 0;

  // Announces that most transfers will be to and from `regions`, so that a device may prepare them
  // once instead of each time; any other memory may be used all the same. Replaces what was
  // announced before; none = takes it back. Regions stay the caller's, and stay mapped until the
  // next call or the device's destruction: what comes to stand at their addresses later would be
  // taken for them. Precondition: nothing in flight. Returns 0, or an errno value: why a device
  // that would prepare them does without, by which nothing is lost. Cost: all of it may be touched
  // and pinned, a millisecond or two for 8 MiB; a device may do that anew when its owner changes.
  [[nodiscard]] virtual int use_memory(std::span<const std::span<std::byte>> /*regions*/) {
    return 0;
  }

  // Ends the current wait(), or else the next one; what its caller did before is seen after that
  // wait(). Any thread; cheap when called twice.
  virtual void wake() = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_DEVICE_H
