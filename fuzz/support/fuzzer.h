// What a target and whoever runs it (libFuzzer, fuzz/replay_main.cc) have in common.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" {
// Every target defines it. Returns 0, or aborts where something is wrong.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Optional: libFuzzer calls it instead of its own mutations.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed);
// Those mutations. Weak, because only libFuzzer has them, and only libFuzzer asks for mutations.
__attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                   std::size_t max_size);
}

namespace seqwal::fuzz {

// Ends the process; what it says is the last but one thing a run prints.
[[noreturn]] inline void broken(std::string_view what) {
  std::fflush(stdout);
  fmt::print(stderr, "broken: {}\n", what);
  std::abort();
}

inline void demand(bool holds, std::string_view what) {
  if (!holds) broken(what);
}

}  // namespace seqwal::fuzz
