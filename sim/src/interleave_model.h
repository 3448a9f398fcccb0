// Execution: one run of a scenario's threads on a model of memory. Atomics: what the lock-free
// parts of the core are compiled with here.
//
// Memory. Each atomic location has a history of stores, in modification order, which is the order
// in which they were executed. Each thread has a view: per location, the oldest store that
// coherence still lets it read. A release store carries its thread's view along, an acquire load
// joins the one that it meets; a read-modify-write passes on what the store before it carried
// (release sequence). A sequentially consistent load reads nothing older than what a sequentially
// consistent operation on that location wrote or read before. A read-modify-write reads the last
// store. Beside the view goes a vector clock, by which races on plain data are found.
//
// Schedule. Threads are fibers; before each operation a Chooser says who is next, and where a load
// has more than one store to read, which. Single-threaded; Atomics find the Execution that runs
// through Execution::current().
#ifndef SEQWAL_SIM_INTERLEAVE_MODEL_H
#define SEQWAL_SIM_INTERLEAVE_MODEL_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqwal/sim/fiber.h"
#include "seqwal/sim/interleave.h"

namespace seqwal::sim::interleaving {

inline constexpr std::uint32_t kMaxThreads = 4;
inline constexpr std::uint32_t kMaxLocations = 32;
inline constexpr std::uint32_t kNoThread = kMaxThreads;

using LocationId = std::uint32_t;
using Order = std::memory_order;

enum class ChoiceKind : std::uint8_t {
  preemption,  // 0: the thread goes on; others: another one does
  free,        // the thread cannot go on
  read,        // 0: the newest; others: an older one, or failure for no reason
};

// Decides. Every decision has the option 0.
class Chooser {
 public:
  virtual ~Chooser() = default;
  // Of `count` >= 2 options.
  [[nodiscard]] virtual std::uint32_t choose(std::uint32_t count, ChoiceKind kind) = 0;
  // Asked before a decision about the schedule: `state` identifies all that the future depends on,
  // but for the budgets spent. True: need not be explored further.
  [[nodiscard]] virtual bool seen(std::uint64_t state, std::uint32_t preemptions,
                                  std::uint32_t stale_reads) = 0;
};

// A scenario: what one execution does. All three run inside an Execution.
class Scenario {
 public:
  virtual ~Scenario() = default;
  [[nodiscard]] virtual std::uint32_t threads() const = 0;
  // Makes everything anew, and names the locations.
  virtual void set_up() = 0;
  virtual void run(std::uint32_t thread) = 0;
  // After all threads have returned.
  virtual void check() = 0;
};

struct Budget {
  std::uint32_t preemptions = 3;
  std::uint32_t stale_reads = 2;
};

// An order that is made relaxed, wherever the operation meets a location whose name ends so.
struct Weakening {
  enum class Operation : std::uint8_t { load, store, change };
  std::string location;
  Operation operation = Operation::load;
};

struct Knowledge {
  std::array<std::uint16_t, kMaxLocations> view{};  // per location, the oldest store to be read
  std::array<std::uint16_t, kMaxThreads> clock{};   // per thread, what happened before

  void join(const Knowledge& other);
};

class Execution {
 public:
  Execution() = default;
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // The one that runs on this thread. Precondition: there is one.
  [[nodiscard]] static Execution& current();

  // One run from set_up to check, or to the first violation. False: a violation.
  bool run(Scenario& scenario, Chooser& chooser, const Budget& budget, bool with_trace);
  void weaken(const Weakening& weakening) { weakening_ = weakening; }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] std::vector<InterleaveStep>& trace() { return trace_; }

  // --- for scenarios
  // In the order in which the locations were made; all of them.
  void name_locations(std::span<const std::string> names);
  // How a trace shows the values of a location.
  using Describe = std::string (*)(std::uint64_t value);
  void show_with(std::string_view location, Describe how);
  // Does not return when called by a thread of the scenario.
  void violate(const std::string& what);
  void expect(bool condition, const char* what) {
    if (!condition) violate(what);
  }
  // A thread that can only wait for others to change something: it goes on after a store of theirs,
  // or when nobody else can, or all others wait like this too and have looked more often.
  void pause();
  // Sleeps while the location holds 0, then makes it 0. Synchronizes with who changed it.
  void wait_and_clear(LocationId id);
  // If `word` holds `expected`, sleeps until `unparks` changes. Nothing is synchronized with.
  void park(LocationId word, std::uint64_t expected, LocationId unparks);

  // --- for atomics
  [[nodiscard]] LocationId add_location(std::uint64_t value);
  [[nodiscard]] std::uint64_t load(LocationId id, Order order);
  void store(LocationId id, std::uint64_t value, Order order);
  // Returns the value before.
  template <typename Change>
  std::uint64_t change(LocationId id, Order order, const char* name, Change&& change) {
    step();
    const std::uint64_t before = latest(id);
    append_change(id, change(before), order, name);
    return before;
  }
  bool compare_exchange_weak(LocationId id, std::uint64_t& expected, std::uint64_t desired,
                             Order success, Order failure);
  void access(const void* data, std::size_t bytes, bool is_write);

 private:
  struct Store {
    std::uint64_t value = 0;
    bool releases = false;  // `message` is to be joined
    Knowledge message;
  };
  struct Location {
    std::string name;
    std::vector<Store> history;
    std::size_t length = 0;  // of the history; what is behind is kept for its memory
    std::uint32_t sc_floor = 0;
    std::uint64_t hash = 0;
    std::uint64_t summand = 0;
    Describe describe = nullptr;
    bool relaxed_loads = false;
    bool relaxed_stores = false;
    bool relaxed_changes = false;
  };
  struct Thread {
    Knowledge knows;
    std::uint64_t hash = 0;
    bool done = false;
    bool pausing = false;
    std::uint32_t pauses = 0;  // since anybody stored something
    bool sleeping = false;     // while the location's last value is this one
    LocationId sleeps_on = 0;
    std::uint64_t sleeps_while = 0;
  };
  // What a thread remembers of an operation, beside location and store.
  enum class Did : std::uint8_t { load, store, change, failed_swap, pause, wait, park };
  struct Access {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::uint16_t stamp = 0;
    std::uint8_t thread = 0;
    bool is_write = false;
  };

  void reset();
  void begin_threads(Scenario& scenario);
  void run_thread(Scenario& scenario, std::uint32_t number);
  void unwind_threads();
  // The scheduling point before each operation.
  void step();
  [[nodiscard]] std::uint32_t pick_next();
  [[nodiscard]] bool can_run(const Thread& thread) const;
  // Those with the lowest come first.
  [[nodiscard]] static std::uint32_t rank(const Thread& thread) {
    return thread.pausing ? thread.pauses : 0;
  }
  [[nodiscard]] std::uint64_t state() const;
  [[nodiscard]] std::uint64_t latest(LocationId id) const {
    const Location& location = locations_[id];
    return location.history[location.length - 1].value;
  }
  [[nodiscard]] bool scheduled() const { return running_ != kNoThread && !unwinding_; }
  Store& append(LocationId id, std::uint64_t value);
  void append_change(LocationId id, std::uint64_t value, Order order, const char* name);
  void read(LocationId id, std::size_t index, Order order);
  void wrote(LocationId id, Store& store, Order order);
  void note_sc(LocationId id, std::size_t index);
  void remember(Did what, LocationId id, std::size_t index);
  [[nodiscard]] std::string show(LocationId id, std::uint64_t value) const;
  void tell(const std::string& location, const char* operation, const char* order,
            std::string value);
  [[nodiscard]] std::string data_name(std::uintptr_t begin);

  std::array<Fiber, kMaxThreads> fibers_;
  std::array<Thread, kMaxThreads> threads_;
  std::array<Location, kMaxLocations> locations_;
  std::uint32_t thread_count_ = 0;
  std::uint32_t location_count_ = 0;
  std::vector<Access> accesses_;
  std::vector<std::uintptr_t> data_names_;
  Chooser* chooser_ = nullptr;
  Budget budget_;
  Weakening weakening_;
  std::uint32_t preemptions_ = 0;  // spent
  std::uint32_t stale_reads_ = 0;
  std::uint32_t steps_ = 0;
  std::uint32_t running_ = kNoThread;
  std::uint32_t next_ = kNoThread;
  std::uint64_t state_sum_ = 0;
  bool unwinding_ = false;
  bool with_trace_ = false;
  bool failed_ = false;
  std::string violation_;
  std::vector<InterleaveStep> trace_;
};

template <typename T>
class ModelAtomic {
 public:
  ModelAtomic(T value)  // NOLINT(google-explicit-constructor): as std::atomic
      : id_(Execution::current().add_location(to_word(value))) {}
  ModelAtomic(const ModelAtomic&) = delete;
  ModelAtomic& operator=(const ModelAtomic&) = delete;

  [[nodiscard]] LocationId id() const { return id_; }

  [[nodiscard]] T load(Order order) const { return to_value(world().load(id_, order)); }
  void store(T value, Order order) { world().store(id_, to_word(value), order); }
  T exchange(T value, Order order) {
    return to_value(
        world().change(id_, order, "exchange", [=](std::uint64_t) { return to_word(value); }));
  }
  T fetch_add(T value, Order order) {
    return to_value(world().change(id_, order, "add", [=](std::uint64_t before) {
      return to_word(static_cast<T>(to_value(before) + value));
    }));
  }
  T fetch_sub(T value, Order order) {
    return to_value(world().change(id_, order, "subtract", [=](std::uint64_t before) {
      return to_word(static_cast<T>(to_value(before) - value));
    }));
  }
  bool compare_exchange_weak(T& expected, T desired, Order success, Order failure) {
    std::uint64_t word = to_word(expected);
    const bool swapped =
        world().compare_exchange_weak(id_, word, to_word(desired), success, failure);
    expected = to_value(word);
    return swapped;
  }
  bool compare_exchange_weak(T& expected, T desired, Order order) {
    return compare_exchange_weak(expected, desired, order, failure_order(order));
  }

 private:
  static Order failure_order(Order success) {
    if (success == Order::acq_rel) return Order::acquire;
    return success == Order::release ? Order::relaxed : success;
  }
  static Execution& world() { return Execution::current(); }
  static std::uint64_t to_word(T value) { return static_cast<std::uint64_t>(value); }
  static T to_value(std::uint64_t word) { return static_cast<T>(word); }

  LocationId id_;
};

struct ModelAtomics {
  template <typename T>
  using Atomic = ModelAtomic<T>;

  template <typename... Objects>
  static void reads(const Objects&... objects) {
    (Execution::current().access(static_cast<const void*>(&objects), sizeof objects, false), ...);
  }
  template <typename... Objects>
  static void writes(const Objects&... objects) {
    (Execution::current().access(static_cast<const void*>(&objects), sizeof objects, true), ...);
  }
  static void reads_bytes(std::span<const std::byte> bytes) {
    Execution::current().access(bytes.data(), bytes.size(), false);
  }
  static void writes_bytes(std::span<const std::byte> bytes) {
    Execution::current().access(bytes.data(), bytes.size(), true);
  }
};

}  // namespace seqwal::sim::interleaving

#endif  // SEQWAL_SIM_INTERLEAVE_MODEL_H
