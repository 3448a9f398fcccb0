// Scenarios of the small protocols: ring, doorbell, room, closing.
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/src/closing_gate.h"
#include "core/src/doorbell.h"
#include "core/src/mpsc_ring.h"
#include "core/src/room_gate.h"
#include "interleave_scenarios.h"

namespace seqwal::sim::interleaving {
namespace {

constexpr Order kSeqCst = std::memory_order_seq_cst;

// State that is made anew for each execution.
template <typename World>
class ProtocolScenario : public Scenario {
 public:
  ProtocolScenario(const Scope& scope, std::vector<std::string> names)
      : scope_(scope), names_(std::move(names)) {}

  [[nodiscard]] std::uint32_t threads() const final { return scope_.threads; }
  void set_up() final {
    world_.emplace();
    Execution::current().name_locations(names_);
  }
  void run(std::uint32_t thread) final {
    if (thread == 0) {
      poll(*world_);
    } else {
      use(*world_, thread);
    }
  }
  void check() final { look_back(*world_); }

 protected:
  virtual void poll(World& world) = 0;
  virtual void use(World& world, std::uint32_t thread) = 0;
  virtual void look_back(World& world) = 0;
  [[nodiscard]] std::uint32_t total() const { return (scope_.threads - 1) * scope_.ops; }
  [[nodiscard]] const Scope& scope() const { return scope_; }

 private:
  const Scope scope_;
  const std::vector<std::string> names_;
  std::optional<World> world_;
};

// Publishers ring; the polling thread sleeps whenever it has seen all.
struct DoorbellWorld {
  ModelAtomic<std::uint32_t> published{0};
  BasicDoorbell<ModelAtomics> doorbell;
  ModelDevice device;
};

class DoorbellScenario final : public ProtocolScenario<DoorbellWorld> {
 public:
  explicit DoorbellScenario(const Scope& scope)
      : ProtocolScenario(scope, {"published", "sleeping", "woken"}) {}

 private:
  void poll(DoorbellWorld& world) override {
    std::uint32_t seen = 0;
    while (seen < total()) {
      world.doorbell.awake();
      seen = world.published.load(kSeqCst);
      const auto is_more = [&] {
        return scope().rechecks && world.published.load(kSeqCst) != seen;
      };
      if (seen < total() && world.doorbell.may_sleep(is_more)) world.device.wait();
    }
  }
  void use(DoorbellWorld& world, std::uint32_t /*thread*/) override {
    for (std::uint32_t i = 0; i < scope().ops; ++i) {
      const std::uint32_t before = world.published.fetch_add(1, kSeqCst);
      if (world.doorbell.ring(static_cast<std::uint16_t>(before + 1))) world.device.wake();
    }
  }
  void look_back(DoorbellWorld& /*world*/) override {}
};

// The polling thread sleeps until so many were published, and not for less.
class TicketScenario final : public ProtocolScenario<DoorbellWorld> {
 public:
  explicit TicketScenario(const Scope& scope)
      : ProtocolScenario(scope, {"published", "sleeping", "woken"}) {}

 private:
  void poll(DoorbellWorld& world) override {
    const auto ticket = static_cast<std::uint16_t>(total());
    const auto reached = [&] { return world.published.load(kSeqCst) >= total(); };
    while (!reached()) {
      world.doorbell.awake();
      const auto is_more = [&] { return scope().rechecks && reached(); };
      if (!world.doorbell.may_sleep_until(ticket, is_more)) continue;
      world.device.wait();
      Execution::current().expect(reached(), "woken before everybody was there");
    }
  }
  void use(DoorbellWorld& world, std::uint32_t /*thread*/) override {
    for (std::uint32_t i = 0; i < scope().ops; ++i) {
      const std::uint32_t before = world.published.fetch_add(1, kSeqCst);
      if (world.doorbell.ring(static_cast<std::uint16_t>(before + 1))) world.device.wake();
    }
  }
  void look_back(DoorbellWorld& /*world*/) override {}
};

// One thread makes room, one unit after the other; the others take all of it.
struct RoomWorld {
  ModelAtomic<std::uint32_t> units{0};
  BasicRoomGate<ModelAtomics> gate;
  ModelHost host;
};

class RoomScenario final : public ProtocolScenario<RoomWorld> {
 public:
  explicit RoomScenario(const Scope& scope)
      : ProtocolScenario(scope, {"units", "epoch", "waiters", "unparks"}) {}

 private:
  void poll(RoomWorld& world) override {
    for (std::uint32_t i = 0; i < total(); ++i) {
      world.units.fetch_add(1, std::memory_order_release);
      world.gate.notify([&](const ModelHost::Word& word) { world.host.unpark_all(word); });
    }
  }
  void use(RoomWorld& world, std::uint32_t /*thread*/) override {
    for (std::uint32_t i = 0; i < scope().ops; ++i) {
      if (take(world)) continue;
      world.gate.wait(
          [&] { return take(world); },
          [&](const ModelHost::Word& word, std::uint32_t epoch) { world.host.park(word, epoch); });
    }
  }
  static bool take(RoomWorld& world) {
    std::uint32_t units = world.units.load(std::memory_order_acquire);
    while (units > 0) {
      if (world.units.compare_exchange_weak(units, units - 1, std::memory_order_acquire)) {
        return true;
      }
    }
    return false;
  }
  void look_back(RoomWorld& world) override {
    Execution::current().expect(world.units.load(kSeqCst) == 0, "room is left");
  }
};

struct Item {
  std::uint32_t producer = 0;
  std::uint32_t number = 0;
};

// A ring of two, so that it is full most of the time.
struct RingWorld {
  MpscRing<Item, 2, ModelAtomics> ring;
};

class RingScenario final : public ProtocolScenario<RingWorld> {
 public:
  explicit RingScenario(const Scope& scope)
      : ProtocolScenario(scope, {"cell0.sequence", "cell1.sequence", "ring.tail"}) {}

 private:
  void poll(RingWorld& world) override {
    std::array<std::uint32_t, kMaxThreads> next{};
    for (std::uint32_t popped = 0; popped < total();) {
      const auto item = world.ring.pop();
      if (!item) {
        Execution::current().pause();
        continue;
      }
      ++popped;
      Execution::current().expect(item->number == next.at(item->producer)++,
                                  "a value is lost, repeated or out of its producer's order");
    }
  }
  void use(RingWorld& world, std::uint32_t thread) override {
    for (std::uint32_t i = 0; i < scope().ops; ++i) {
      Item item{.producer = thread, .number = i};
      while (!world.ring.push(item)) Execution::current().pause();
    }
  }
  void look_back(RingWorld& world) override {
    Execution::current().expect(!world.ring.pop().has_value(), "a value is left");
  }
};

// Trims on their way in while the log closes, as in Log.trim, Log.close and finish_close. A trim
// that went in is answered; after the end nothing is in the ring.
struct ClosingWorld {
  BasicClosingGate<ModelAtomics> gate;
  MpscRing<Item, 2, ModelAtomics> ring;
  ModelDevice device;
  std::array<std::array<std::uint32_t, 8>, kMaxThreads> answers{};
  std::array<std::array<bool, 8>, kMaxThreads> accepted{};
};

class ClosingScenario final : public ProtocolScenario<ClosingWorld> {
 public:
  explicit ClosingScenario(const Scope& scope)
      : ProtocolScenario(
            scope, {"closed", "inside", "cell0.sequence", "cell1.sequence", "ring.tail", "woken"}) {
  }

 private:
  void poll(ClosingWorld& world) override {
    while (true) {
      answer_all(world);
      if (world.gate.closed()) {
        if (!world.gate.occupied()) break;
        Execution::current().pause();  // a trim on its way in
        continue;
      }
      world.device.wait();
    }
    answer_all(world);
  }
  void use(ClosingWorld& world, std::uint32_t thread) override {
    for (std::uint32_t i = 0; i < scope().ops; ++i) {
      if (thread == 1 && i + 1 == scope().ops && world.gate.close()) world.device.wake();
      trim(world, {.producer = thread, .number = i});
    }
  }
  static void trim(ClosingWorld& world, Item item) {
    const BasicClosingGate<ModelAtomics>::Visit visit(world.gate);
    if (world.gate.closed()) return;
    if (!world.ring.push(item)) return;
    world.accepted.at(item.producer).at(item.number) = true;
    world.device.wake();
  }
  static void answer_all(ClosingWorld& world) {
    while (const auto item = world.ring.pop()) ++world.answers.at(item->producer).at(item->number);
  }
  void look_back(ClosingWorld& world) override {
    Execution::current().expect(!world.ring.pop().has_value(), "a trim is left in the ring");
    for (std::size_t i = 0; i < kMaxThreads; ++i) {
      for (std::size_t j = 0; j < world.answers.at(i).size(); ++j) {
        Execution::current().expect(
            world.answers.at(i).at(j) == (world.accepted.at(i).at(j) ? 1U : 0U),
            "a trim is not answered exactly once");
      }
    }
  }
};

}  // namespace

std::vector<std::string_view> protocol_scenarios() {
  return {"doorbell", "ticket", "room", "ring", "close"};
}

std::unique_ptr<Scenario> make_protocol_scenario(std::string_view name, const Scope& scope) {
  if (name == "doorbell") return std::make_unique<DoorbellScenario>(scope);
  if (name == "ticket") return std::make_unique<TicketScenario>(scope);
  if (name == "room") return std::make_unique<RoomScenario>(scope);
  if (name == "ring") return std::make_unique<RingScenario>(scope);
  if (name == "close") return std::make_unique<ClosingScenario>(scope);
  return nullptr;
}

}  // namespace seqwal::sim::interleaving
