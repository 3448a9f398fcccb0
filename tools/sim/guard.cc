#include "guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace seqwal::tool {
namespace {

constexpr unsigned kNobody = SeedBoard::kThreads;
constexpr std::array kDeadly = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

// A signal handler has nothing but globals. In the child only.
SeedBoard* board_of_child = nullptr;
thread_local unsigned this_thread = kNobody;

void note_death(int signal) {
  if (board_of_child != nullptr) board_of_child->dying();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void catch_deadly_signals() {
  for (const int signal : kDeadly) {
    struct sigaction action = {};
    action.sa_handler = note_death;
    action.sa_flags = SA_NODEFER;
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

struct SeedBoard::Shared {
  std::array<std::atomic<std::uint64_t>, kThreads> seeds{};
  std::array<std::atomic<std::uint64_t>, kThreads> cycles{};
  std::atomic<unsigned> dead{kNobody};
};

SeedBoard::SeedBoard() {
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  shared_ = ::new (memory) Shared;
}

SeedBoard::~SeedBoard() { ::munmap(shared_, sizeof(Shared)); }

void SeedBoard::running(unsigned thread, const World& world) {
  this_thread = thread % kThreads;
  shared_->seeds.at(this_thread).store(world.seed);
  shared_->cycles.at(this_thread).store(world.cycles);
}

void SeedBoard::dying() {
  unsigned nobody = kNobody;
  shared_->dead.compare_exchange_strong(nobody, this_thread);
}

std::optional<SeedBoard::World> SeedBoard::died_of() const {
  const unsigned thread = shared_->dead.load();
  if (thread == kNobody) return std::nullopt;
  return World{.seed = shared_->seeds.at(thread).load(),
               .cycles = shared_->cycles.at(thread).load()};
}

Ended run_in_child(const std::function<int()>& body, SeedBoard* board, bool quiet) {
  std::fflush(nullptr);  // or both would say what is left
  const pid_t child = ::fork();
  if (child < 0) return {.exit_code = 3, .how = fmt::format("cannot fork: {}", strerror(errno))};
  if (child == 0) {
    if (quiet) {
      const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
      if (nowhere >= 0) ::dup2(nowhere, STDERR_FILENO);
    }
    board_of_child = board;
    catch_deadly_signals();
    std::exit(body());  // which writes what was measured of it
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) return {.exit_code = WEXITSTATUS(status), .how = {}};
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const std::string how = signal == SIGABRT
                              ? "a check of the log failed"
                              : fmt::format("the process died: {}", strsignal(signal));
  return {.exit_code = 1, .how = how};
}

}  // namespace seqwal::tool
