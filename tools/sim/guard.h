// Guard: runs simulations in a child process, so that one that ends the process (a failed check of
// the log, a segmentation fault, a sanitizer's report) is caught, named and made smaller too.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace seqwal::tool {

// Which seed each thread of the child is running, visible to the parent after the child's death.
class SeedBoard {
 public:
  static constexpr unsigned kThreads = 256;

  struct World {
    std::uint64_t seed = 0;
    std::uint64_t cycles = 0;  // of the campaign before it
  };

  SeedBoard();
  ~SeedBoard();
  SeedBoard(const SeedBoard&) = delete;
  SeedBoard& operator=(const SeedBoard&) = delete;

  // By the child's thread.
  void running(unsigned thread, const World& world);
  // The child's thread is dying: remembers what it was running. Safe in a signal handler.
  void dying();
  // By the parent: what the thread that died was running.
  [[nodiscard]] std::optional<World> died_of() const;

 private:
  struct Shared;
  Shared* shared_;
};

struct Ended {
  int exit_code = 0;
  std::string how;  // not empty: it did not exit by itself
};

// Runs `body` in a child process; what it returns is its exit code. `quiet`: its stderr goes
// nowhere.
[[nodiscard]] Ended run_in_child(const std::function<int()>& body, SeedBoard* board, bool quiet);

}  // namespace seqwal::tool
