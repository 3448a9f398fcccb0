// Interleavings: the lock-free parts of the core on a model of memory, over all schedules of a
// small scope and then over random ones.
//
// LogBuffer, MpscRing, Doorbell, RoomGate and ClosingGate are compiled with atomics whose every
// operation is a scheduling point and whose loads may return whatever the C++ memory model allows,
// not only what x86 would (docs/decisions/0007-interleavings.md). Each scenario runs a few threads,
// as fibers, and checks what they did: every accepted record is delivered once, in order, with its
// bytes; nobody sleeps through a wake-up; no data race.
//
// Systematic first: all schedules with up to `preemptions` preemptions and up to `stale_reads`
// loads that return an older value (or spurious failures of a compare-and-swap). Then
// `random_schedules` without these bounds. The first violation of a scenario ends it and is told
// step by step. The same options give the same report.
#ifndef SEQWAL_SIM_INTERLEAVE_H
#define SEQWAL_SIM_INTERLEAVE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace seqwal::sim {

// Planted bugs: a run that reports none of them proves nothing.
enum class InterleaveCanary : std::uint8_t {
  none,
  weakened_order,   // the polling thread's look at what is published does not acquire
  missing_recheck,  // it goes to sleep without a second look
};

struct InterleaveOptions {
  std::uint32_t threads = 2;  // 2..4, one of them polls
  std::uint32_t ops = 2;      // of each of the others, at most 8 in all
  std::uint32_t preemptions = 3;
  std::uint32_t stale_reads = 2;
  std::uint64_t max_schedules = 200'000;  // of a scenario's systematic part
  std::uint64_t random_schedules = 20'000;
  std::uint64_t seed = 1;
  InterleaveCanary canary = InterleaveCanary::none;
};

struct InterleaveStep {
  std::uint32_t thread = 0;
  std::string location;   // an atomic, "data N" for what is not atomic, or empty
  std::string operation;  // load, store, add, ...
  std::string order;
  std::string value;
};

struct InterleaveReport {
  std::string scenario;
  std::uint64_t schedules = 0;  // of the systematic part
  std::uint64_t random_schedules = 0;
  std::uint64_t states = 0;  // points where the systematic part had a choice, equal ones once
  bool complete = false;     // the systematic part covered all within its bounds
  std::uint64_t violations = 0;
  std::string violation;              // the first one,
  std::vector<InterleaveStep> trace;  // and what led to it
};

// In the order in which they are run.
[[nodiscard]] std::vector<std::string_view> interleave_scenarios();

// Precondition: a name from interleave_scenarios(), and options within their limits.
[[nodiscard]] InterleaveReport interleave(std::string_view scenario,
                                          const InterleaveOptions& options);

// A violation and its steps, one per line.
[[nodiscard]] std::string describe_violation(const InterleaveReport& report);

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_INTERLEAVE_H
