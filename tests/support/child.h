// Tests in a process of their own: with other rights, under a filter, or to be killed.
#ifndef SEQWAL_TESTS_SUPPORT_CHILD_H
#define SEQWAL_TESTS_SUPPORT_CHILD_H

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace seqwal::testing_support {

// Runs `body` in a forked child and returns what it returned, or "died: signal N".
// The parent must have no other threads that hold locks at that moment.
[[nodiscard]] std::string in_child(const std::function<std::string()>& body);

// A child that does something and then waits to be killed. Killed and reaped at the end at latest.
class HeldChild {
 public:
  // Returns when `body` has; its answer is in said().
  explicit HeldChild(const std::function<std::string()>& body);
  ~HeldChild();
  HeldChild(const HeldChild&) = delete;
  HeldChild& operator=(const HeldChild&) = delete;

  [[nodiscard]] const std::string& said() const { return said_; }
  void kill();

 private:
  pid_t pid_ = -1;
  std::string said_;
};

// From now on these system calls fail with `os_error` in this process. For children. False where
// filters can't be set.
[[nodiscard]] bool forbid_system_calls(const std::vector<long>& numbers, int os_error);

// Gives up root for nobody. False when that is not possible.
[[nodiscard]] bool become_nobody();

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_CHILD_H
