#include "seqwal/sim/scheduler.h"

#include <algorithm>
#include <utility>

#include "seqwal/check.h"

namespace seqwal::sim {

std::unique_ptr<Fiber> FiberPool::take() {
  if (idle_.empty()) return std::make_unique<Fiber>();
  std::unique_ptr<Fiber> fiber = std::move(idle_.back());
  idle_.pop_back();
  return fiber;
}

void FiberPool::give_back(std::unique_ptr<Fiber> fiber) {
  if (fiber->idle()) idle_.push_back(std::move(fiber));
}

Scheduler::Scheduler(Choices& choices, Trace& trace, FiberPool& pool)
    : choices_(choices), trace_(trace), pool_(pool) {}

Scheduler::~Scheduler() {
  for (auto& task : tasks_) pool_.give_back(std::move(task->fiber));
}

std::uint64_t Scheduler::spawn(std::function<void()> task) {
  tasks_.push_back(std::make_unique<Task>());
  Task& added = *tasks_.back();
  added.number = ++last_number_;
  added.fiber = pool_.take();
  added.fiber->start(std::move(task));
  runnable_.push_back(&added);
  ++alive_;
  return added.number;
}

void Scheduler::run_one() {
  SEQWAL_REQUIRE(!runnable_.empty() && current_ == nullptr);
  const std::size_t index =
      runnable_.size() == 1 ? 0 : choices_.choose(Stream::schedule, runnable_.size(), "fiber");
  Task* task = runnable_[index];
  runnable_.erase(runnable_.begin() + static_cast<std::ptrdiff_t>(index));
  trace_.note(Happened::run, static_cast<std::int64_t>(task->number));
  current_ = task;
  task->fiber->resume();
  current_ = nullptr;
  if (!task->fiber->idle()) return;
  pool_.give_back(std::move(task->fiber));
  std::erase_if(tasks_, [&](const auto& other) { return other.get() == task; });
  --alive_;
}

Nanoseconds Scheduler::next_deadline() const {
  Nanoseconds deadline = kNever;
  for (const auto& task : tasks_) {
    if (task->waiting) deadline = std::min(deadline, task->deadline);
  }
  return deadline;
}

void Scheduler::advance_to(Nanoseconds time) {
  now_ = std::max(now_, time);
  trace_.set_time(now_);
  for (const auto& task : tasks_) {
    if (task->waiting && task->deadline <= now_) make_runnable(*task);
  }
}

void Scheduler::make_runnable(Task& task) {
  task.waiting = false;
  task.key = nullptr;
  runnable_.push_back(&task);
}

void Scheduler::yield() {
  SEQWAL_REQUIRE(in_fiber());
  Task& task = *current_;
  runnable_.push_back(&task);
  task.fiber->yield();
}

void Scheduler::sleep(Nanoseconds duration) { wait(nullptr, now_ + duration); }

void Scheduler::wait(const void* key, Nanoseconds deadline) {
  SEQWAL_REQUIRE(in_fiber());
  Task& task = *current_;
  task.key = key;
  task.deadline = deadline;
  task.waiting = true;
  if (deadline <= now_) make_runnable(task);
  task.fiber->yield();
}

void Scheduler::wake(const void* key) {
  for (const auto& task : tasks_) {
    if (task->waiting && task->key == key) make_runnable(*task);
  }
}

void Scheduler::park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                     Nanoseconds deadline) {
  if (word.load() == expected) wait(&word, deadline);
}

void Scheduler::unpark_all(const std::atomic<std::uint32_t>& word) { wake(&word); }

std::uint64_t Scheduler::self() {
  return current_ == nullptr ? ~std::uint64_t{0} : current_->number;
}

}  // namespace seqwal::sim
