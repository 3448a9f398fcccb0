// The scenarios of the explorer, and what they share: a device that is waited for and woken, and
// threads that park, as the contracts of Device and Host describe them.
#ifndef SEQWAL_SIM_INTERLEAVE_SCENARIOS_H
#define SEQWAL_SIM_INTERLEAVE_SCENARIOS_H

#include <memory>
#include <string_view>
#include <vector>

#include "interleave_model.h"

namespace seqwal::sim::interleaving {

// Device.wait and Device.wake. A wake happens before the return of the wait that it ends; neither
// returns early for no reason, which would only hide a lost wake-up.
class ModelDevice {
 public:
  void wake() { woken_.exchange(true, std::memory_order_acq_rel); }
  void wait() { Execution::current().wait_and_clear(woken_.id()); }

 private:
  ModelAtomic<bool> woken_{false};
};

// Host.park and Host.unpark_all, for one word.
class ModelHost {
 public:
  using Word = ModelAtomic<std::uint32_t>;

  void park(const Word& word, std::uint32_t expected) {
    Execution::current().park(word.id(), expected, unparks_.id());
  }
  void unpark_all(const Word& /*word*/) { unparks_.fetch_add(1, std::memory_order_relaxed); }

 private:
  ModelAtomic<std::uint32_t> unparks_{0};
};

struct Scope {
  std::uint32_t threads = 2;  // thread 0 polls
  std::uint32_t ops = 2;      // of each of the others
  bool rechecks = true;       // false: it goes to sleep without a second look
};

[[nodiscard]] std::vector<std::string_view> buffer_scenarios();
[[nodiscard]] std::vector<std::string_view> protocol_scenarios();
// Null: there is none of that name.
[[nodiscard]] std::unique_ptr<Scenario> make_buffer_scenario(std::string_view name,
                                                             const Scope& scope);
[[nodiscard]] std::unique_ptr<Scenario> make_protocol_scenario(std::string_view name,
                                                               const Scope& scope);

}  // namespace seqwal::sim::interleaving

#endif  // SEQWAL_SIM_INTERLEAVE_SCENARIOS_H
