#include "tests/process/crash_oracle.h"

#include <fmt/format.h>

#include <algorithm>

namespace seqwal::process {
namespace {

// The finalizer of SplitMix64: every input gives an unrelated output.
std::uint64_t scramble(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ value >> 30U) * 0xBF58476D1CE4E5B9U;
  value = (value ^ value >> 27U) * 0x94D049BB133111EBU;
  return value ^ value >> 31U;
}

std::size_t length_of(Mix mix, std::uint64_t random) {
  constexpr std::uint64_t kKiB = 1024;
  switch (mix) {
    case Mix::tiny:
      return 1 + random % 64;
    case Mix::small:
      return 1 + random % 2000;
    case Mix::blocks:
      return (1 + random % 4) * 4096 - 24 - 8 + (random >> 8U) % 16;
    case Mix::mixed: {
      const std::uint64_t kind = random % 16;
      if (kind < 10) return 1 + (random >> 8U) % 300;
      if (kind < 15) return 1 + (random >> 8U) % (64 * kKiB);
      return 1 + (random >> 8U) % (512 * kKiB);
    }
    case Mix::long_ones:
      return 256 * kKiB + random % (2816 * kKiB);
  }
  return 1;
}

std::optional<std::string> complain_about_acknowledged(const Life& life,
                                                       const std::vector<Recovered>& found) {
  for (std::size_t i = 0; i < life.acknowledged.size(); ++i) {
    if (i >= found.size()) {
      return fmt::format("{} records were acknowledged, {} are recovered", life.acknowledged.size(),
                         found.size());
    }
    if (found[i].offset != life.acknowledged[i]) {
      return fmt::format("acknowledged record {} had offset {}, recovered is one at {}", i,
                         life.acknowledged[i], found[i].offset);
    }
  }
  return std::nullopt;
}

// Each found record is the next one of the sequence (or, where holes may be, a later one).
std::optional<std::string> complain_about_bodies(const Life& life, const RecordSource& source,
                                                 const std::vector<Recovered>& found) {
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0 && found[i].offset <= found[i - 1].offset) {
      return fmt::format("record {} at offset {} comes after one at {}", i, found[i].offset,
                         found[i - 1].offset);
    }
    const bool must_be_next = life.contiguous || i < life.acknowledged.size();
    while (next < life.offered && !must_be_next && source.record(next) != found[i].body) ++next;
    if (next >= life.offered || source.record(next) != found[i].body) {
      return fmt::format("recovered record {} (offset {}, {} bytes) is not what was appended there",
                         i, found[i].offset, found[i].body.size());
    }
    ++next;
  }
  return std::nullopt;
}

}  // namespace

const char* to_text(Mix mix) {
  switch (mix) {
    case Mix::tiny:
      return "tiny";
    case Mix::small:
      return "small";
    case Mix::blocks:
      return "blocks";
    case Mix::mixed:
      return "mixed";
    case Mix::long_ones:
      return "long";
  }
  return "unknown";
}

std::string RecordSource::record(std::uint64_t index) const {
  std::uint64_t state = scramble(seed_ ^ scramble(index));
  const std::size_t length = length_of(mix_, state);
  std::string body;
  body.reserve(length + 8);
  while (body.size() < length) {
    state = scramble(state);
    body.append(reinterpret_cast<const char*>(&state), sizeof(state));
  }
  body.resize(length);
  return body;
}

std::optional<std::string> complaint(const Life& life, const RecordSource& source,
                                     const std::vector<Recovered>& found) {
  if (life.acknowledged.empty() && found == life.before) return std::nullopt;
  if (life.resumes) {
    const auto [kept, rest] = std::ranges::mismatch(life.before, found);
    if (kept != life.before.end()) return fmt::format("the record at {} is gone", kept->offset);
    Life mine = life;
    mine.resumes = false;
    mine.contiguous = true;
    return complaint(mine, source, {rest, found.end()});
  }
  if (auto wrong = complain_about_acknowledged(life, found)) return wrong;
  return complain_about_bodies(life, source, found);
}

}  // namespace seqwal::process
