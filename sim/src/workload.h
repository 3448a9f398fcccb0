// Workload: what the clients of one life do. Each client is a fiber; together they have a number of
// operations, and each draws what it does next.
#ifndef SEQWAL_SIM_WORKLOAD_H
#define SEQWAL_SIM_WORKLOAD_H

#include <cstdint>
#include <span>
#include <vector>

#include "seqwal/log.h"
#include "seqwal/sim/oracle.h"
#include "seqwal/sim/scheduler.h"
#include "world_plan.h"

namespace seqwal::sim {

class Workload {
 public:
  // `dead` becomes true when the process dies: clients end as soon as they see it.
  Workload(const WorldPlan& plan, Log& log, Oracle& oracle, Scheduler& scheduler, Choices& choices,
           Trace& trace, std::span<const std::byte> noise, const bool& dead);

  // The body of a client's fiber: works until the operations are used up or the log is no more; or
  // for ever, when it is certain that the process will die.
  void run_client(bool for_ever);
  // Fills the ring, trims everything, and demands that the longest record finds room. One client
  // alone, after all others.
  void fill_and_drain();

  [[nodiscard]] bool ring_full() const { return ring_full_; }
  // So many have been done.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }

 private:
  void operate();
  // For so long it waits for room.
  void append(std::uint64_t length, Nanoseconds patience);
  void trim();
  void trim_badly();
  [[nodiscard]] std::uint64_t draw_length();
  [[nodiscard]] std::span<const std::byte> draw_body(std::uint64_t length);
  [[nodiscard]] AppendCallback callback(std::size_t long_body);
  void acknowledged(const AppendResult& result, std::size_t long_body);
  bool begin_trim(Offset offset, bool is_record);
  void note_refusal(const Error& error);
  [[nodiscard]] bool over() const { return dead_ || stopped_; }

  const WorldPlan& plan_;
  Log& log_;
  Oracle& oracle_;
  Scheduler& scheduler_;
  Choices& choices_;
  Trace& trace_;
  std::span<const std::byte> noise_;
  const bool& dead_;
  const std::uint64_t most_operations_;
  std::uint64_t operations_ = 0;
  std::vector<std::vector<std::byte>> long_bodies_;  // noise once their callback has run
  std::uint64_t trims_pending_ = 0;
  std::uint64_t refused_ = 0;
  bool ring_full_ = false;
  bool stopped_ = false;
  bool in_callback_ = false;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_WORKLOAD_H
