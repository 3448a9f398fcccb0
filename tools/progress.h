// Progress and Waiting: one line on stderr that is rewritten while something takes longer than a
// second. Silent unless stderr is a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

namespace seqwal::tool {

class Progress {
 public:
  explicit Progress(std::string what);
  // Leaves the terminal's line empty.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called for every record. `total_bytes` of 0: nobody knows.
  void show(std::uint64_t done_bytes, std::uint64_t total_bytes = 0) {
    if (enabled_) show_on_terminal(done_bytes, total_bytes);
  }

 private:
  using Clock = std::chrono::steady_clock;
  void show_on_terminal(std::uint64_t done_bytes, std::uint64_t total_bytes);

  std::string what_;
  bool enabled_;
  bool shown_ = false;
  Clock::time_point started_ = Clock::now();
  Clock::time_point next_ = started_ + std::chrono::seconds(1);
};

// For what tells nothing about itself before it is done: shows for how long it has been going on.
class Waiting {
 public:
  explicit Waiting(std::string what);

 private:
  std::jthread ticker_;  // runs only where there is a terminal; stopped when this goes away
};

}  // namespace seqwal::tool
