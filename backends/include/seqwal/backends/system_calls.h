// How many system calls appending costs, for measurements.
#ifndef SEQWAL_BACKENDS_SYSTEM_CALLS_H
#define SEQWAL_BACKENDS_SYSTEM_CALLS_H

#include <cstdint>

namespace seqwal {

// Those that this process's devices and PosixHosts have made so far to transfer, wait and wake.
// Any thread.
[[nodiscard]] std::uint64_t system_calls();

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_SYSTEM_CALLS_H
