// The Device over blocking system calls on a pool of threads: for where io_uring is forbidden.
// The same semantics, some microseconds more per request.
#ifndef SEQWAL_BACKENDS_THREADS_DEVICE_H
#define SEQWAL_BACKENDS_THREADS_DEVICE_H

#include <cstdint>
#include <memory>

#include "file.h"
#include "raw_io.h"
#include "seqwal/device.h"
#include "seqwal/error.h"

namespace seqwal {

class ThreadsDevice final : public Device {
 public:
  // Takes `file` over when it succeeds. Threads are started as requests need them, at most
  // limits.depth and kMaxThreads; `unsupported` when not even one can be.
  // `io` is not owned and must outlive the device (and, if it hangs, everything).
  // Precondition: limits.depth >= 1.
  static constexpr std::uint32_t kMaxThreads = 64;
  [[nodiscard]] static Result<std::unique_ptr<Device>> open(File& file, const DeviceLimits& limits,
                                                            RawIo& io = system_io());
  // Waits a few seconds for what is still in flight. What still doesn't come back is leaked on
  // purpose, with threads, descriptor and lock: the kernel may yet write to it.
  ~ThreadsDevice() override;
  ThreadsDevice(const ThreadsDevice&) = delete;
  ThreadsDevice& operator=(const ThreadsDevice&) = delete;

  const DeviceLimits& limits() const override;
  std::size_t submit(std::span<const IoRequest> requests) override;
  std::size_t reap(std::span<IoCompletion> completions) override;
  void wait(Nanoseconds deadline) override;
  void wake() override;

 private:
  class Pool;  // what owner and threads share

  explicit ThreadsDevice(std::unique_ptr<Pool> pool);

  std::unique_ptr<Pool> pool_;
};

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_THREADS_DEVICE_H
