// Exhaustive: every state that a power cut can leave of a few writes in flight.
//
// A shape brings a log, by a fixed script, to a moment with n writes in flight: at the end of a
// cycle, in a full ring, with a trim racing, with a header write among them. From there every write
// has either completed (and the log was told) or meets one of c fates; all (1 + c)^n combinations
// are recovered and checked against the naive reader and against what was acknowledged.
//
// Fates of a write, 17: lost, kept, a prefix or a suffix torn at each of the 7 sector boundaries of
// one of its blocks, that block garbage. 3: lost, kept, torn in the middle.
//
// Double: after each recovery the log is reset, and also resumed, and crashes again in each write
// of that, with 3 fates. (Recovery itself writes nothing, so a crash in it changes nothing.)
#ifndef SEQWAL_SIM_EXHAUSTIVE_H
#define SEQWAL_SIM_EXHAUSTIVE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqwal/sim/oracle.h"

namespace seqwal::sim {

struct ExhaustiveOptions {
  std::uint32_t blocks = 3;  // writes in flight, 1 .. 8
  std::uint32_t fates = 17;  // 3 or 17
  std::uint32_t shapes = 0;  // the first so many, 0 = all
  bool twice = false;
  unsigned threads = 1;
  std::function<void(std::uint64_t states)> on_progress = {};  // any thread, now and then
};

struct ExhaustiveReport {
  std::uint64_t states = 0;  // recovered and checked
  std::uint64_t violations = 0;
  std::uint32_t shapes = 0;
  double seconds = 0;
  // The first of them: which state of which shape, and what is wrong with it.
  std::string where;
  std::optional<Violation> violation;
};

// Precondition: blocks 1 .. 8, fates 3 or 17.
[[nodiscard]] ExhaustiveReport run_exhaustive(const ExhaustiveOptions& options);

[[nodiscard]] std::vector<std::string> shape_names();

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_EXHAUSTIVE_H
