#include "seqwal/check.h"

#include <fmt/core.h>

#include <exception>

namespace seqwal::detail {

// Printing is the one thing the core says by itself: there is nobody left to hand an event to.
void check_failed(const char* kind, const char* condition, const char* file, int line) {
  fmt::print(stderr, "seqwal: {} violated: {} at {}:{}\n", kind, condition, file, line);
  std::terminate();
}

}  // namespace seqwal::detail
