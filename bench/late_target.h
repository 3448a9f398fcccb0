// LateTarget: passes everything on to another target, but its clients hear of their callbacks a
// while later, each after a time of its own, as threads do that have to wake up first. In virtual
// time only: who drives it calls run_due.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "bench/target.h"

namespace seqwal::bench {

class LateTarget final : public Target {
 public:
  // 0 .. 2 * `mean_delay`, all equally likely; 0: callbacks run at once. Not owned.
  LateTarget(Target& target, Host& host, Nanoseconds mean_delay, std::uint64_t seed)
      : target_(target), host_(host), mean_delay_(mean_delay), state_(seed) {}

  Result<Offset> append(std::span<const std::byte> body, AppendCallback callback,
                        std::uint64_t key) override;
  Result<void> trim(Offset offset) override { return target_.trim(offset); }
  Offset durable() const override { return target_.durable(); }
  Nanoseconds poll(Nanoseconds now) override { return target_.poll(now); }
  bool finished() const override { return target_.finished(); }
  void close() override { target_.close(); }
  std::optional<LogMetrics> metrics() const override { return target_.metrics(); }

  // When the next callback is due, kNever when none waits.
  [[nodiscard]] Nanoseconds next_due() const;
  // Runs those whose time has come.
  void run_due(Nanoseconds now);

 private:
  // A callback that ran, and whose client has not heard of it.
  struct Late {
    Nanoseconds due = 0;
    std::uint64_t number = 0;  // for those that are due at the same time: first come, first served
    std::size_t place = 0;
    AppendResult result;
    friend bool operator>(const Late& a, const Late& b) {
      return a.due != b.due ? a.due > b.due : a.number > b.number;
    }
  };

  [[nodiscard]] Nanoseconds draw_delay();

  Target& target_;
  Host& host_;
  const Nanoseconds mean_delay_;
  std::uint64_t state_;
  std::uint64_t number_ = 0;
  std::vector<AppendCallback> callbacks_;  // of the clients, by place
  std::vector<std::size_t> free_places_;
  std::priority_queue<Late, std::vector<Late>, std::greater<>> late_;
};

}  // namespace seqwal::bench
