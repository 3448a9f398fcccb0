#include "seqwal/backends/system_calls.h"

#include <atomic>

#include "count_system_call.h"

namespace seqwal {
namespace {

std::atomic<std::uint64_t> calls{0};

}  // namespace

void count_system_call() { calls.fetch_add(1, std::memory_order_relaxed); }

std::uint64_t system_calls() { return calls.load(std::memory_order_relaxed); }

}  // namespace seqwal
