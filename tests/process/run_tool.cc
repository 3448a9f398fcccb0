#include "tests/process/run_tool.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace seqwal::process {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kImpossible = 125;
constexpr int kNotRun = 126;
constexpr int kPipeBytes = 1 << 20;

struct Pipe {
  int ours = -1;
  int its = -1;
};

Pipe make_pipe(bool we_write) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  // Larger where allowed: fewer turns between two processes.
  static_cast<void>(::fcntl(ends[0], F_SETPIPE_SZ, kPipeBytes));
  const Pipe pipe =
      we_write ? Pipe{.ours = ends[1], .its = ends[0]} : Pipe{.ours = ends[0], .its = ends[1]};
  if (::fcntl(pipe.ours, F_SETFL, O_NONBLOCK) != 0) std::abort();
  return pipe;
}

int open_or_abort(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) {
    std::perror(path.c_str());
    std::abort();
  }
  return fd;
}

void close_if_open(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

struct ChildEnds {
  int in = -1;
  int out = -1;
  int err = -1;
};

[[noreturn]] void become_tool(const std::vector<std::string>& arguments, const RunOptions& options,
                              const ChildEnds& ends) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive a test that is killed
  // Opened before rights are given up: the build directory may be closed to others.
  std::string name = options.program.empty() ? "seqwal" : options.program;
  const char* path = options.program.empty() ? SEQWAL_TOOL : options.program.c_str();
  const int tool = ::open(path, O_PATH | O_CLOEXEC);
  std::vector<char*> argv;
  argv.push_back(name.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (tool < 0 || ::dup2(ends.in, STDIN_FILENO) < 0 || ::dup2(ends.err, STDERR_FILENO) < 0 ||
      (ends.out >= 0 && ::dup2(ends.out, STDOUT_FILENO) < 0)) {
    ::_exit(kNotRun);
  }
  if (options.output_closed) ::close(STDOUT_FILENO);
  if (options.in_child && !options.in_child()) ::_exit(kImpossible);
  ::fexecve(tool, argv.data(), environ);
  ::_exit(kNotRun);
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kShown = 2000;
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

}  // namespace

void PrintTo(const Outcome& outcome, std::ostream* stream) {
  *stream << (outcome.timed_out ? "timed out, " : "") << "exit " << outcome.exit_code;
  if (outcome.signal != 0) *stream << ", signal " << outcome.signal;
  *stream << "\nstderr: " << shortened(outcome.err) << "\nstdout: " << shortened(outcome.out);
}

RunningTool::RunningTool(const std::vector<std::string>& arguments, const RunOptions& options) {
  ChildEnds ends;
  if (options.input_path.empty()) {
    const Pipe pipe = make_pipe(true);
    in_ = pipe.ours;
    ends.in = pipe.its;
  } else {
    ends.in = open_or_abort(options.input_path, O_RDONLY);
  }
  if (!options.output_path.empty()) {
    ends.out = open_or_abort(options.output_path, O_WRONLY | O_CREAT | O_TRUNC);
  } else if (!options.output_closed) {
    const Pipe pipe = make_pipe(false);
    out_ = pipe.ours;
    ends.out = pipe.its;
  }
  const Pipe errors = make_pipe(false);
  err_ = errors.ours;
  ends.err = errors.its;

  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) become_tool(arguments, options, ends);
  close_if_open(ends.in);
  close_if_open(ends.out);
  close_if_open(ends.err);
}

RunningTool::~RunningTool() {
  if (pid_ > 0) {
    kill();
    [[maybe_unused]] const Outcome outcome = reap();
  }
  close_in();
  close_if_open(out_);
  close_if_open(err_);
}

void RunningTool::close_in() { close_if_open(in_); }
void RunningTool::close_out() { close_if_open(out_); }

void RunningTool::kill() const {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Outcome RunningTool::reap() {
  Outcome outcome;
  int status = 0;
  while (::waitpid(pid_, &status, 0) != pid_) {
    if (errno != EINTR) std::abort();
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  outcome.impossible = outcome.exit_code == kImpossible;
  return outcome;
}

ReadState drain(int fd, std::string& text) {
  static std::array<char, 1U << 16U> some{};
  while (true) {
    const ssize_t got = ::read(fd, some.data(), some.size());
    if (got > 0) {
      text.append(some.data(), static_cast<std::size_t>(got));
    } else if (got == 0) {
      return ReadState::ended;
    } else if (errno != EINTR) {
      return ReadState::more_later;
    }
  }
}

std::string read_some(int fd) {
  constexpr int kTimeoutMs = 10'000;
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  static_cast<void>(::poll(&ready, 1, kTimeoutMs));
  std::array<char, 4096> some{};
  const ssize_t got = ::read(fd, some.data(), some.size());
  return {some.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

Outcome run_tool(const std::vector<std::string>& arguments, const RunOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // it need not read all that it is given
  RunningTool tool(arguments, options);
  const auto deadline = Clock::now() + options.timeout;
  std::string out;
  std::string err;
  std::size_t written = 0;
  bool out_open = tool.out() >= 0;
  bool err_open = true;
  bool timed_out = false;
  while (out_open || err_open) {
    if (tool.in() >= 0) {
      const ssize_t sent =
          ::write(tool.in(), options.input.data() + written, options.input.size() - written);
      if (sent > 0) written += static_cast<std::size_t>(sent);
      const bool refused = sent < 0 && errno != EAGAIN && errno != EINTR;
      if (written == options.input.size() || refused) tool.close_in();
    }
    std::array<pollfd, 3> fds{pollfd{.fd = tool.in(), .events = POLLOUT, .revents = 0},
                              {.fd = out_open ? tool.out() : -1, .events = POLLIN, .revents = 0},
                              {.fd = err_open ? tool.err() : -1, .events = POLLIN, .revents = 0}};
    constexpr int kTickMs = 100;
    static_cast<void>(::poll(fds.data(), fds.size(), kTickMs));
    if (out_open) out_open = drain(tool.out(), out) == ReadState::more_later;
    if (err_open) err_open = drain(tool.err(), err) == ReadState::more_later;
    if (!timed_out && Clock::now() >= deadline) {
      timed_out = true;
      tool.kill();
    }
  }
  Outcome outcome = tool.reap();
  outcome.timed_out = timed_out;
  outcome.out = std::move(out);
  outcome.err = std::move(err);
  return outcome;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string frame(const std::string& body) {
  std::string framed;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    framed.push_back(static_cast<char>(body.size() >> shift & 0xFFU));
  }
  return framed + body;
}

std::string frames(const std::vector<std::string>& bodies) {
  std::string all;
  for (const std::string& body : bodies) all += frame(body);
  return all;
}

std::vector<std::string> unframe(const std::string& bytes) {
  std::vector<std::string> bodies;
  std::size_t at = 0;
  while (bytes.size() - at >= 4) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length = length << 8U | static_cast<std::uint8_t>(bytes[at + i]);
    }
    at += 4;
    bodies.push_back(bytes.substr(at, length));
    at += std::min(length, bytes.size() - at);
  }
  return bodies;
}

}  // namespace seqwal::process
