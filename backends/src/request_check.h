// What a device accepts: the one place that says which requests are misaligned or out of range.
#ifndef SEQWAL_BACKENDS_REQUEST_CHECK_H
#define SEQWAL_BACKENDS_REQUEST_CHECK_H

#include "seqwal/device.h"

namespace seqwal {

// 0, or EINVAL for a request that breaks point 3 of the Device contract: position, lengths and
// addresses in multiples of what `limits` says, 1..kMaxSegments segments (a flush: none), none
// empty, at most max_transfer_bytes together, all of it inside the device. Pure.
[[nodiscard]] int check_request(const IoRequest& request, const DeviceLimits& limits);

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_REQUEST_CHECK_H
