// SyncIo: one request at a time, waited for. What open, recovery, reset and create use; a running
// log never does.
#ifndef SEQWAL_SYNC_IO_H
#define SEQWAL_SYNC_IO_H

#include <cstddef>
#include <cstdint>
#include <span>

#include "seqwal/device.h"

namespace seqwal {

// Precondition of every call: nothing else is in flight on the device. Buffers aligned as the
// device demands. Returns 0 or an errno value. Long transfers are cut to what the device takes.
class SyncIo {
 public:
  explicit SyncIo(Device& device) : device_(device) {}

  [[nodiscard]] int read(DevicePosition position, std::span<std::byte> into);
  [[nodiscard]] int write(DevicePosition position, std::span<std::byte> from, bool durable);
  [[nodiscard]] int flush();

 private:
  int transfer(IoKind kind, DevicePosition position, std::span<std::byte> bytes, bool durable);
  int run(const IoRequest& request);

  Device& device_;
  std::uint32_t generation_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_SYNC_IO_H
