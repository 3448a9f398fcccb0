// Stdout: bytes to standard output in large writes, and no error of them lost.
//
// The first error sticks: what is written after it goes nowhere, and finish() turns it into a
// message and an exit code, so that a full disk or a closed pipe is never taken for success.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "cli.h"

namespace seqwal::tool {

// 0 or an errno value; goes on after short writes and interruptions.
[[nodiscard]] int write_all(int fd, std::span<const std::byte> bytes);

class Stdout {
 public:
  Stdout();
  Stdout(const Stdout&) = delete;
  Stdout& operator=(const Stdout&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // Bytes of a path that are not UTF-8 are replaced.
  void write_line(const nlohmann::ordered_json& object);

  [[nodiscard]] bool failed() const { return os_error_ != 0; }

  // Writes what is left. Returns `exit`, or Exit::failed after saying what went wrong.
  [[nodiscard]] Exit finish(Exit exit);

 private:
  void flush();

  std::vector<std::byte> buffer_;
  int os_error_ = 0;
};

// Says that standard output took no more. Returns Exit::failed.
Exit explain_stdout_error(int os_error);

}  // namespace seqwal::tool
