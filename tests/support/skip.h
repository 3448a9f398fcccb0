// What a test is skipped for on this machine, as a reason to print:
//
//   if (!opened) GTEST_SKIP() << no_ring(opened.error());
//
// An error that says anything else fails the test, skipped or not.
#ifndef SEQWAL_TESTS_SUPPORT_SKIP_H
#define SEQWAL_TESTS_SUPPORT_SKIP_H

#include <string>

#include "seqwal/error.h"

namespace seqwal::testing_support {

// The kernel does not give us an io_uring, or no thread. That a ring is used wherever the kernel
// has one: Open.UsesIoUringWhereTheKernelHasIt.
[[nodiscard]] std::string no_ring(const Error& error);

// Memory cannot be locked (ulimit -l), or a filter is against it.
[[nodiscard]] std::string no_locked_memory(int os_error);

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_SKIP_H
