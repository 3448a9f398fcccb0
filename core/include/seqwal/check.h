// Checks that stay on in release. They end the process, because going on could write wrong bytes.
//   SEQWAL_REQUIRE  a caller's bug: a documented precondition does not hold;
//   SEQWAL_CHECK    a bug of ours: an invariant does not hold.
// Never used on bytes that came from a disk: those are the world's, and the world's faults are
// returned as Error.
#ifndef SEQWAL_CHECK_H
#define SEQWAL_CHECK_H

namespace seqwal::detail {
[[noreturn]] void check_failed(const char* kind, const char* condition, const char* file, int line);
}  // namespace seqwal::detail

#define SEQWAL_REQUIRE(condition) \
  (static_cast<bool>(condition)   \
       ? void(0)                  \
       : ::seqwal::detail::check_failed("precondition", #condition, __FILE__, __LINE__))

#define SEQWAL_CHECK(condition) \
  (static_cast<bool>(condition) \
       ? void(0)                \
       : ::seqwal::detail::check_failed("invariant", #condition, __FILE__, __LINE__))

#endif  // SEQWAL_CHECK_H
