#include "tests/support/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace seqwal::testing_support {
namespace {

constexpr unsigned kNobody = 65534;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  return {ends[0], ends[1]};
}

void say(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(99);
  ::close(fd);
}

std::string hear(int fd) {
  std::string text;
  std::array<char, 4096> some{};
  for (ssize_t got = 0; (got = ::read(fd, some.data(), some.size())) > 0;) {
    text.append(some.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return text;
}

// In the child, `write_end`; in the parent, the child's id.
std::pair<pid_t, Pipe> fork_with_pipe() {
  const Pipe pipe = make_pipe();
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) std::abort();
  ::close(pid == 0 ? pipe.read_end : pipe.write_end);
  if (pid == 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive a test that is killed
  return {pid, pipe};
}

}  // namespace

std::string in_child(const std::function<std::string()>& body) {
  const auto [pid, pipe] = fork_with_pipe();
  if (pid == 0) {
    say(pipe.write_end, body());
    ::_exit(0);
  }
  std::string said = hear(pipe.read_end);
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) std::abort();
  if (WIFSIGNALED(status)) return "died: signal " + std::to_string(WTERMSIG(status));
  return said;
}

HeldChild::HeldChild(const std::function<std::string()>& body) {
  const auto [pid, pipe] = fork_with_pipe();
  if (pid == 0) {
    say(pipe.write_end, body());
    for (;;) ::pause();
  }
  pid_ = pid;
  said_ = hear(pipe.read_end);
}

HeldChild::~HeldChild() { kill(); }

void HeldChild::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool forbid_system_calls(const std::vector<long>& numbers, int os_error) {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long number : numbers) {
    program.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    program.push_back(
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(os_error)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                          .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool become_nobody() {
  return ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
}

}  // namespace seqwal::testing_support
