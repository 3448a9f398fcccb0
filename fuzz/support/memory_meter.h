// How much memory is allocated, and was at most: counted in operator new and delete, which are
// replaced in every program that asks.
#pragma once

#include <cstddef>

namespace seqwal::fuzz {

[[nodiscard]] std::size_t allocated_bytes();
[[nodiscard]] std::size_t peak_allocated_bytes();
// From now on the peak counts from what is allocated now.
void restart_peak();

}  // namespace seqwal::fuzz
