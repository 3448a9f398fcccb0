// Called beside each system call that transfers, waits or wakes.
#ifndef SEQWAL_BACKENDS_COUNT_SYSTEM_CALL_H
#define SEQWAL_BACKENDS_COUNT_SYSTEM_CALL_H

namespace seqwal {

// Any thread.
void count_system_call();

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_COUNT_SYSTEM_CALL_H
