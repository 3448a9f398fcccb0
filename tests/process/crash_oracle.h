// What may be found after a kill. Knows nothing of the log: only what was offered to it, what it
// acknowledged, and what it gave back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace seqwal::process {

// How long records are.
enum class Mix : std::uint8_t {
  tiny,       // 1 .. 64 bytes: thousands in a block write
  small,      // 1 .. 2000 bytes
  blocks,     // around multiples of 4096 with the record header
  mixed,      // anything up to 512 KiB: some are longer than a block write's soft limit
  long_ones,  // 256 KiB .. 3 MiB: each alone, in slices
};
[[nodiscard]] const char* to_text(Mix mix);

// An endless sequence of pseudo-random records, a function of the seed.
class RecordSource {
 public:
  RecordSource(std::uint64_t seed, Mix mix) : seed_(seed), mix_(mix) {}
  [[nodiscard]] std::string record(std::uint64_t index) const;

 private:
  std::uint64_t seed_;
  Mix mix_;
};

struct Recovered {
  std::int64_t offset = 0;
  std::string body;
  friend bool operator==(const Recovered&, const Recovered&) = default;
};

// One life of the writer, from its start to its kill.
struct Life {
  std::uint64_t offered = 0;               // records that it may have read, from index 0
  std::vector<std::int64_t> acknowledged;  // offsets, in the order they came
  bool contiguous = false;                 // format 1: no record after one that is missing
  bool resumes = false;                    // it kept what the log held, and did not discard it
  std::vector<Recovered> before;           // what the log held when it started
};

// Nothing when `found` keeps every promise, else what is wrong. A writer that was killed before it
// acknowledged anything may have left everything as it was; one that resumes leaves it in any case.
[[nodiscard]] std::optional<std::string> complaint(const Life& life, const RecordSource& source,
                                                   const std::vector<Recovered>& found);

}  // namespace seqwal::process
