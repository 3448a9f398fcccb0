// Runs the built command as a process of its own: what it is given, what it says, how it ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace seqwal::process {

struct RunOptions {
  // NOLINTBEGIN(readability-redundant-member-init): GCC warns when one without is left out
  std::string program = {};      // its path; empty: seqwal
  std::string input = {};        // what it reads from stdin
  std::string input_path = {};   // or the file that is its stdin
  std::string output_path = {};  // the file that is its stdout, instead of a pipe
  bool output_closed = false;    // it starts without a stdout
  // Runs in the child before the command does; false: this is not possible here.
  std::function<bool()> in_child = {};
  // NOLINTEND(readability-redundant-member-init)
  std::chrono::seconds timeout{60};  // then it is killed
};

struct Outcome {
  int exit_code = -1;  // -1: it did not exit by itself
  int signal = 0;
  bool timed_out = false;
  bool impossible = false;  // in_child said so
  std::string out;
  std::string err;
};
// How GoogleTest shows one.
void PrintTo(const Outcome& outcome, std::ostream* stream);

[[nodiscard]] Outcome run_tool(const std::vector<std::string>& arguments,
                               const RunOptions& options = {});

// A running command and our ends of its pipes; -1 where there is none. Killed and reaped when this
// goes away.
class RunningTool {
 public:
  RunningTool(const std::vector<std::string>& arguments, const RunOptions& options);
  ~RunningTool();
  RunningTool(const RunningTool&) = delete;
  RunningTool& operator=(const RunningTool&) = delete;

  [[nodiscard]] int in() const { return in_; }    // does not block
  [[nodiscard]] int out() const { return out_; }  // does not block
  [[nodiscard]] int err() const { return err_; }  // does not block
  void close_in();
  void close_out();
  void kill() const;
  // Waits for its end. Fills exit_code, signal and impossible.
  [[nodiscard]] Outcome reap();

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
};

enum class ReadState { more_later, ended };
// Appends all that is there.
ReadState drain(int fd, std::string& text);

// Waits until something is there, for at most ten seconds, and returns a little of it.
[[nodiscard]] std::string read_some(int fd);

[[nodiscard]] std::vector<std::string> lines_of(const std::string& text);
// As the command reads and writes them.
[[nodiscard]] std::string frame(const std::string& body);
[[nodiscard]] std::string frames(const std::vector<std::string>& bodies);
[[nodiscard]] std::vector<std::string> unframe(const std::string& bytes);

}  // namespace seqwal::process
