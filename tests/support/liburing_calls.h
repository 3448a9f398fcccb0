// The calls of liburing that set a ring up, interposed: what the kernel answers can be changed, so
// that older kernels, refused registrations and small queues are seen on this one.
//
//   KernelAnswers answers;
//   answers.known_setup_flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
//   … open a device …           // until `answers` is gone
//
// Whatever is not changed is passed on. One object at a time, one thread at a time.
#ifndef SEQWAL_TESTS_SUPPORT_LIBURING_CALLS_H
#define SEQWAL_TESTS_SUPPORT_LIBURING_CALLS_H

#include <cstdint>
#include <optional>
#include <vector>

namespace seqwal::testing_support {

struct KernelAnswers {
  KernelAnswers();
  ~KernelAnswers();
  KernelAnswers(const KernelAnswers&) = delete;
  KernelAnswers& operator=(const KernelAnswers&) = delete;

  unsigned known_setup_flags = ~0U;            // any other one: EINVAL, as the kernel says it
  int setup_error = 0;                         // an errno, for every set-up
  unsigned missing_features = 0;               // IORING_FEAT_…
  std::optional<unsigned> completion_entries;  // what it says about its completion queue
  int register_files_error = 0;
  int enter_error = 0;  // of submit_and_wait_timeout

  std::vector<unsigned> setups;  // the flags of each one that was asked for
};

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_LIBURING_CALLS_H
