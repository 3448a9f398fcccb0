#include "interleave_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "seqwal/check.h"
#include "seqwal/sim/choice.h"

namespace seqwal::sim::interleaving {
namespace {

// A scenario's threads have some dozens of steps each; who needs this many goes round in circles.
constexpr std::uint32_t kMaxSteps = 3000;

// Atomics are made without a parameter: this is how they find the memory that they are part of.
thread_local Execution* running_execution = nullptr;

// Thrown through a thread of the scenario whose execution has failed, and only there.
struct Unwind {};

bool acquires(Order order) {
  return order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst;
}
bool releases(Order order) {
  return order == Order::release || order == Order::acq_rel || order == Order::seq_cst;
}

const char* name_of(Order order) {
  switch (order) {
    case Order::relaxed:
      return "relaxed";
    case Order::consume:
    case Order::acquire:
      return "acquire";
    case Order::release:
      return "release";
    case Order::acq_rel:
      return "acq_rel";
    case Order::seq_cst:
      break;
  }
  return "seq_cst";
}

}  // namespace

void Knowledge::join(const Knowledge& other) {
  for (std::size_t i = 0; i < view.size(); ++i) view[i] = std::max(view[i], other.view[i]);
  for (std::size_t i = 0; i < clock.size(); ++i) clock[i] = std::max(clock[i], other.clock[i]);
}

Execution& Execution::current() {
  SEQWAL_REQUIRE(running_execution != nullptr);
  return *running_execution;
}

// --- one run ----------------------------------------------------------------------------------

bool Execution::run(Scenario& scenario, Chooser& chooser, const Budget& budget, bool with_trace) {
  Execution* const outer = std::exchange(running_execution, this);
  chooser_ = &chooser;
  budget_ = budget;
  with_trace_ = with_trace;
  reset();
  scenario.set_up();
  begin_threads(scenario);
  next_ = pick_next();
  while (next_ != kNoThread) {
    running_ = next_;
    fibers_[running_].resume();
  }
  unwind_threads();
  running_ = kNoThread;
  unwinding_ = false;
  if (!failed_) scenario.check();
  running_execution = outer;
  return !failed_;
}

void Execution::reset() {
  for (std::uint32_t i = 0; i < location_count_; ++i) {
    Location& location = locations_[i];
    location.length = 0;
    location.sc_floor = 0;
    location.hash = 0;
    location.summand = 0;
    location.describe = nullptr;
    location.relaxed_loads = location.relaxed_stores = location.relaxed_changes = false;
  }
  location_count_ = 0;
  thread_count_ = 0;
  accesses_.clear();
  data_names_.clear();
  preemptions_ = stale_reads_ = steps_ = 0;
  running_ = next_ = kNoThread;
  state_sum_ = 0;
  unwinding_ = failed_ = false;
  violation_.clear();
  trace_.clear();
}

// All that set_up did happened before: a thread can read nothing older than its last stores.
void Execution::begin_threads(Scenario& scenario) {
  thread_count_ = scenario.threads();
  SEQWAL_REQUIRE(thread_count_ >= 1 && thread_count_ <= kMaxThreads);
  for (std::uint32_t number = 0; number < thread_count_; ++number) {
    Thread& thread = threads_[number];
    thread = Thread{};
    for (std::uint32_t i = 0; i < location_count_; ++i) {
      thread.knows.view[i] = static_cast<std::uint16_t>(locations_[i].length - 1);
    }
    thread.knows.clock[number] = 1;
    thread.hash = mix(number + 1);
    state_sum_ += thread.hash * (2 * number + 3);
    fibers_[number].start([this, &scenario, number] { run_thread(scenario, number); });
  }
}

void Execution::run_thread(Scenario& scenario, std::uint32_t number) {
  if (!failed_) {
    try {
      scenario.run(number);
    } catch (const Unwind&) {  // NOLINT(bugprone-empty-catch): it came as far as it should
    }
  }
  threads_[number].done = true;
  next_ = failed_ ? kNoThread : pick_next();
}

void Execution::unwind_threads() {
  if (!failed_) return;
  for (std::uint32_t number = 0; number < thread_count_; ++number) {
    running_ = number;
    unwinding_ = false;
    if (!fibers_[number].idle()) fibers_[number].resume();
  }
}

void Execution::violate(const std::string& what) {
  if (!failed_) {
    failed_ = true;
    violation_ = what;
  }
  if (!scheduled()) return;
  unwinding_ = true;
  throw Unwind{};
}

// --- the schedule -----------------------------------------------------------------------------

void Execution::step() {
  if (!scheduled()) return;
  const std::uint32_t self = running_;
  if (++steps_ > kMaxSteps) violate("does not come to an end");
  next_ = pick_next();
  if (next_ != self) fibers_[self].yield();
  if (failed_) {
    unwinding_ = true;
    throw Unwind{};
  }
}

bool Execution::can_run(const Thread& thread) const {
  if (thread.done) return false;
  return !thread.sleeping || latest(thread.sleeps_on) != thread.sleeps_while;
}

// kNoThread: all have finished, or the execution has failed.
std::uint32_t Execution::pick_next() {
  std::array<std::uint32_t, kMaxThreads> options{};
  std::uint32_t count = 0;
  const bool goes_on =
      running_ != kNoThread && can_run(threads_[running_]) && !threads_[running_].pausing;
  if (goes_on) {
    if (preemptions_ >= budget_.preemptions) return running_;
    options[count++] = running_;
  }
  std::uint32_t lowest = goes_on ? 0 : ~0U;
  bool alive = false;
  for (std::uint32_t number = 0; number < thread_count_; ++number) {
    const Thread& thread = threads_[number];
    alive = alive || !thread.done;
    if (!can_run(thread) || rank(thread) > lowest || (goes_on && number == running_)) continue;
    if (rank(thread) < lowest) count = 0;
    lowest = rank(thread);
    options[count++] = number;
  }
  if (count == 0) {
    if (alive && !failed_) {
      failed_ = true;
      violation_ = "lost wake-up: everybody sleeps, and not everything is done";
    }
    return kNoThread;
  }
  if (count == 1) return options[0];
  if (chooser_->seen(state(), preemptions_, stale_reads_)) return options[0];
  const std::uint32_t chosen =
      chooser_->choose(count, goes_on ? ChoiceKind::preemption : ChoiceKind::free);
  if (goes_on && chosen != 0) ++preemptions_;
  return options[chosen];
}

// What each thread has read and each location has been given decides everything else.
std::uint64_t Execution::state() const {
  std::uint64_t flags = running_;
  for (std::uint32_t number = 0; number < thread_count_; ++number) {
    const Thread& thread = threads_[number];
    flags = mix(flags + (std::uint64_t{thread.pauses} << 1U) +
                static_cast<std::uint64_t>(thread.pausing));
  }
  return mix(state_sum_ + mix(flags + 1));
}

void Execution::remember(Did what, LocationId id, std::size_t index) {
  Thread& self = threads_[running_];
  const std::uint64_t factor = 2 * running_ + 3;
  state_sum_ -= self.hash * factor;
  self.hash =
      mix(self.hash + (static_cast<std::uint64_t>(what) << 48U | std::uint64_t{id} << 32U | index) +
          0x9E3779B97F4A7C15U);
  state_sum_ += self.hash * factor;
}

void Execution::pause() {
  if (!scheduled()) return;
  Thread& self = threads_[running_];
  ++self.pauses;
  self.pausing = true;
  step();
  self.pausing = false;
  remember(Did::pause, 0, 0);
  tell({}, "pause", "", {});
}

void Execution::wait_and_clear(LocationId id) {
  if (!scheduled()) return;
  Thread& self = threads_[running_];
  self.sleeping = true;
  self.sleeps_on = id;
  self.sleeps_while = 0;
  tell(locations_[id].name, "wait", "", {});
  step();
  self.sleeping = false;
  remember(Did::wait, id, locations_[id].length);
  append_change(id, 0, Order::acq_rel, "woken");
}

void Execution::park(LocationId word, std::uint64_t expected, LocationId unparks) {
  if (!scheduled()) return;
  step();
  Thread& self = threads_[running_];
  remember(Did::park, word, locations_[word].length);
  if (with_trace_) {
    tell(locations_[word].name, "park", "",
         fmt::format("{}, expected {}", show(word, latest(word)), show(word, expected)));
  }
  if (latest(word) != expected) return;
  remember(Did::park, unparks, locations_[unparks].length);
  self.sleeping = true;
  self.sleeps_on = unparks;
  self.sleeps_while = latest(unparks);
  step();
  self.sleeping = false;
  remember(Did::wait, unparks, locations_[unparks].length);
  tell(locations_[word].name, "unparked", "", {});
}

// --- memory -----------------------------------------------------------------------------------

LocationId Execution::add_location(std::uint64_t value) {
  SEQWAL_REQUIRE(location_count_ < kMaxLocations && running_ == kNoThread);
  const LocationId id = location_count_++;
  append(id, value);
  return id;
}

void Execution::name_locations(std::span<const std::string> names) {
  SEQWAL_REQUIRE(names.size() == location_count_);
  for (std::uint32_t i = 0; i < location_count_; ++i) {
    Location& location = locations_[i];
    if (location.name != names[i]) location.name = names[i];
    if (weakening_.location.empty() || !location.name.ends_with(weakening_.location)) continue;
    location.relaxed_loads = weakening_.operation == Weakening::Operation::load;
    location.relaxed_stores = weakening_.operation == Weakening::Operation::store;
    location.relaxed_changes = weakening_.operation == Weakening::Operation::change;
  }
}

Execution::Store& Execution::append(LocationId id, std::uint64_t value) {
  Location& location = locations_[id];
  if (location.length == location.history.size()) location.history.emplace_back();
  Store& store = location.history[location.length++];
  store.value = value;
  store.releases = false;
  for (Thread& thread : threads_) thread.pauses = 0;
  return store;
}

void Execution::note_sc(LocationId id, std::size_t index) {
  Location& location = locations_[id];
  location.sc_floor = std::max(location.sc_floor, static_cast<std::uint32_t>(index));
  state_sum_ -= location.summand;
  location.summand = mix(location.hash + location.sc_floor * 0x9E3779B97F4A7C15U + id);
  state_sum_ += location.summand;
}

// This thread has read that store.
void Execution::read(LocationId id, std::size_t index, Order order) {
  Thread& self = threads_[running_];
  const Store& store = locations_[id].history[index];
  self.knows.view[id] = static_cast<std::uint16_t>(index);
  if (acquires(order) && store.releases) self.knows.join(store.message);
  if (order == Order::seq_cst) note_sc(id, index);
}

// This thread has just appended that store; `message` holds what is passed on already.
void Execution::wrote(LocationId id, Store& store, Order order) {
  Thread& self = threads_[running_];
  Location& location = locations_[id];
  const std::size_t index = location.length - 1;
  self.knows.view[id] = static_cast<std::uint16_t>(index);
  if (releases(order)) {
    if (store.releases) {
      store.message.join(self.knows);
    } else {
      store.message = self.knows;
    }
    store.releases = true;
  }
  ++self.knows.clock[running_];
  location.hash = mix(location.hash + self.hash);
  note_sc(id, order == Order::seq_cst ? index : 0);
}

std::uint64_t Execution::load(LocationId id, Order order) {
  if (!scheduled()) return latest(id);
  step();
  Location& location = locations_[id];
  if (location.relaxed_loads) order = Order::relaxed;
  const std::size_t last = location.length - 1;
  std::size_t oldest = threads_[running_].knows.view[id];
  if (order == Order::seq_cst) oldest = std::max<std::size_t>(oldest, location.sc_floor);
  std::size_t index = last;
  if (oldest < last && stale_reads_ < budget_.stale_reads) {
    index -= chooser_->choose(static_cast<std::uint32_t>(last - oldest + 1), ChoiceKind::read);
    if (index != last) ++stale_reads_;
  }
  remember(Did::load, id, index);
  read(id, index, order);
  const std::uint64_t value = location.history[index].value;
  if (with_trace_) {
    tell(location.name, "load", name_of(order),
         index == last ? show(id, value)
                       : fmt::format("{}, not yet {}", show(id, value), show(id, latest(id))));
  }
  return value;
}

void Execution::store(LocationId id, std::uint64_t value, Order order) {
  step();
  Store& store = append(id, value);
  if (!scheduled()) return;
  if (locations_[id].relaxed_stores) order = Order::relaxed;
  remember(Did::store, id, 0);
  wrote(id, store, order);
  if (with_trace_) tell(locations_[id].name, "store", name_of(order), show(id, value));
}

void Execution::append_change(LocationId id, std::uint64_t value, Order order, const char* name) {
  Store& store = append(id, value);
  if (!scheduled()) return;
  Location& location = locations_[id];
  if (location.relaxed_changes) order = Order::relaxed;
  const Store& before = location.history[location.length - 2];
  remember(Did::change, id, location.length - 2);
  read(id, location.length - 2, order);
  if (before.releases) {
    store.message = before.message;
    store.releases = true;
  }
  wrote(id, store, order);
  if (with_trace_) {
    tell(location.name, name, name_of(order),
         fmt::format("{} -> {}", show(id, before.value), show(id, value)));
  }
}

bool Execution::compare_exchange_weak(LocationId id, std::uint64_t& expected, std::uint64_t desired,
                                      Order success, Order failure) {
  step();
  if (!scheduled()) {
    const std::uint64_t found = latest(id);
    const bool swaps = found == expected;
    if (swaps) append(id, desired);
    expected = found;
    return swaps;
  }
  Location& location = locations_[id];
  if (location.relaxed_changes) success = failure = Order::relaxed;
  const std::size_t last = location.length - 1;
  const bool equal = latest(id) == expected;
  std::size_t oldest = threads_[running_].knows.view[id];
  if (failure == Order::seq_cst) oldest = std::max<std::size_t>(oldest, location.sc_floor);
  // Option 0 is what the last store leads to, then, where that is success, failure for no reason,
  // then failure with older values.
  std::uint32_t chosen = 0;
  const auto options = static_cast<std::uint32_t>(last - oldest + 1 + (equal ? 1 : 0));
  if (options > 1 && stale_reads_ < budget_.stale_reads) {
    chosen = chooser_->choose(options, ChoiceKind::read);
    if (chosen != 0) ++stale_reads_;
  }
  if (equal && chosen == 0) {
    append_change(id, desired, success, "swap");
    return true;
  }
  const std::size_t index = last - (chosen - (equal ? 1 : 0));
  remember(Did::failed_swap, id, index);
  read(id, index, failure);
  const std::uint64_t found = location.history[index].value;
  if (with_trace_) {
    tell(location.name, "swap failed", name_of(failure),
         fmt::format("{}, expected {}", show(id, found), show(id, expected)));
  }
  expected = found;
  return false;
}

void Execution::access(const void* data, std::size_t bytes, bool is_write) {
  if (!scheduled()) return;
  const Knowledge& knows = threads_[running_].knows;
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t end = begin + bytes;
  if (with_trace_) {
    tell(data_name(begin), is_write ? "write" : "read", "", fmt::format("{} bytes", bytes));
  }
  for (const Access& other : accesses_) {
    if (other.begin < end && begin < other.end && other.thread != running_ &&
        (is_write || other.is_write) && knows.clock[other.thread] < other.stamp) {
      violate(fmt::format("data race: thread {} {} {}, which thread {} {}", running_,
                          is_write ? "writes" : "reads", data_name(other.begin), other.thread,
                          other.is_write ? "wrote" : "read"));
    }
  }
  accesses_.push_back({.begin = begin,
                       .end = end,
                       .stamp = knows.clock[running_],
                       .thread = static_cast<std::uint8_t>(running_),
                       .is_write = is_write});
}

// --- the trace --------------------------------------------------------------------------------

void Execution::show_with(std::string_view location, Describe how) {
  for (std::uint32_t i = 0; i < location_count_; ++i) {
    if (locations_[i].name == location) locations_[i].describe = how;
  }
}

std::string Execution::show(LocationId id, std::uint64_t value) const {
  const Describe how = locations_[id].describe;
  return how != nullptr ? how(value) : fmt::format("{}", value);
}

std::string Execution::data_name(std::uintptr_t begin) {
  const auto found = std::ranges::find(data_names_, begin);
  const auto index = found - data_names_.begin();
  if (found == data_names_.end()) data_names_.push_back(begin);
  return fmt::format("data {}", index);
}

void Execution::tell(const std::string& location, const char* operation, const char* order,
                     std::string value) {
  if (!with_trace_) return;
  trace_.push_back({.thread = running_,
                    .location = location,
                    .operation = operation,
                    .order = order,
                    .value = std::move(value)});
}

}  // namespace seqwal::sim::interleaving
