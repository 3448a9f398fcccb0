#include "fiber_executor.h"

#include <algorithm>
#include <utility>

namespace seqwal::sim {

void FiberExecutor::start() {
  alive_ = workers_.size();
  for (Worker& worker : workers_) {
    worker.fiber = scheduler_.spawn([this, &worker] { work(worker); });
  }
}

void FiberExecutor::stop() {
  stops_ = true;
  for (Worker& worker : workers_) scheduler_.wake(&worker);
}

void FiberExecutor::work(Worker& worker) {
  while (true) {
    if (worker.queue.empty()) {
      if (stops_) break;
      scheduler_.wait(&worker, kNever);
      continue;
    }
    CallbackTask task = std::move(worker.queue.front());
    worker.queue.pop_front();
    worker.running = true;
    task.callback(task.result);
    worker.running = false;
    if (std::exchange(asked_, false) && wake_) wake_();
    scheduler_.yield();
  }
  --alive_;
}

std::size_t FiberExecutor::submit(std::span<CallbackTask> tasks) {
  std::size_t taken = 0;
  for (CallbackTask& task : tasks) {
    Worker& worker = workers_[task.key % workers_.size()];
    if (worker.queue.size() == capacity_) {
      asked_ = true;
      break;
    }
    taken_(task.result.offset);
    worker.queue.push_back(std::move(task));
    scheduler_.wake(&worker);
    ++taken;
  }
  return taken;
}

bool FiberExecutor::idle() {
  asked_ = std::ranges::any_of(
      workers_, [](const Worker& worker) { return worker.running || !worker.queue.empty(); });
  return !asked_;
}

bool FiberExecutor::runs_caller() const {
  return std::ranges::any_of(workers_, [this](const Worker& worker) {
    return worker.running && worker.fiber == scheduler_.current_number();
  });
}

}  // namespace seqwal::sim
