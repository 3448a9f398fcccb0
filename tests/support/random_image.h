// Arbitrary small logs, sound ones and hurt ones, out of a sequence of choices. Who chooses is the
// caller's: RapidCheck, to have failures shrunk, or a seed, to have many quickly.
#pragma once

#include <cstdint>
#include <functional>

#include "tests/support/naive_log.h"

namespace seqwal::naive {

// An integer in 0 .. n - 1; smaller ones stand for simpler images.
using Choose = std::function<std::uint64_t(std::uint64_t n)>;

// Chooses by a seed alone.
[[nodiscard]] Choose choose_by_seed(std::uint64_t seed);

// A log of 1 to 24 blocks of record section, of either version, that was written to for up to two
// cycles by something like a writer, at offsets anywhere in the countable range. Records are
// damaged, torn and left out at random, and strays laid between them.
[[nodiscard]] Image random_image(const Choose& choose);

}  // namespace seqwal::naive
