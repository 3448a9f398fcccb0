// What a log asks of a device.
#ifndef SEQWAL_DEVICE_CHECK_H
#define SEQWAL_DEVICE_CHECK_H

#include "seqwal/device.h"
#include "seqwal/error.h"

namespace seqwal {

// unsupported: blocks or buffer alignment above kBlockBytes, or transfers too short for a record
// header that lies across two blocks.
[[nodiscard]] Result<void> check_device(const DeviceLimits& limits);

}  // namespace seqwal

#endif  // SEQWAL_DEVICE_CHECK_H
