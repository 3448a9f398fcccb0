#include "tests/support/skip.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace seqwal::testing_support {

std::string no_ring(const Error& error) {
  EXPECT_EQ(error.code, ErrorCode::unsupported) << error.message();
  return error.message();
}

std::string no_locked_memory(int os_error) {
  const std::string reason = std::string("memory refused: ") + std::strerror(os_error);
  EXPECT_TRUE(os_error == ENOMEM || os_error == EPERM) << reason;
  return reason;
}

}  // namespace seqwal::testing_support
