// How often this program has allocated memory: counted by its operator new, which is linked into
// seqwal-bench alone (counting_new.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace seqwal::bench {

inline std::atomic<std::uint64_t> allocations{0};

}  // namespace seqwal::bench
