#include "tests/support/liburing_calls.h"

#include <dlfcn.h>
#include <liburing.h>

#include <cerrno>
#include <cstdlib>

namespace seqwal::testing_support {
namespace {

KernelAnswers* answers = nullptr;

// The library's own, behind the one here.
template <typename Function>
Function* real(Function* /*here*/, const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function*>(found);
}

}  // namespace

KernelAnswers::KernelAnswers() {
  if (answers != nullptr) std::abort();
  answers = this;
}

KernelAnswers::~KernelAnswers() { answers = nullptr; }

}  // namespace seqwal::testing_support

using seqwal::testing_support::answers;
using seqwal::testing_support::real;

extern "C" {

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* parameters) {
  static const auto call = real(&io_uring_queue_init_params, "io_uring_queue_init_params");
  if (answers == nullptr) return call(entries, ring, parameters);
  answers->setups.push_back(parameters->flags);
  if (answers->setup_error != 0) return -answers->setup_error;
  if ((parameters->flags & ~answers->known_setup_flags) != 0) return -EINVAL;
  const int result = call(entries, ring, parameters);
  parameters->features &= ~answers->missing_features;
  parameters->cq_entries = answers->completion_entries.value_or(parameters->cq_entries);
  return result;
}

int io_uring_register_files(io_uring* ring, const int* files, unsigned count) {
  static const auto call = real(&io_uring_register_files, "io_uring_register_files");
  if (answers != nullptr && answers->register_files_error != 0) {
    return -answers->register_files_error;
  }
  return call(ring, files, count);
}

int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** entry, unsigned count,
                                     __kernel_timespec* timeout, sigset_t* mask) {
  static const auto call =
      real(&io_uring_submit_and_wait_timeout, "io_uring_submit_and_wait_timeout");
  if (answers != nullptr && answers->enter_error != 0) return -answers->enter_error;
  return call(ring, entry, count, timeout, mask);
}

}  // extern "C"
