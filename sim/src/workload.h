// Workload: what the clients of one life do. Each client is a fiber; together they have a number of
// operations, and each draws what it does next.
#ifndef SEQWAL_SIM_WORKLOAD_H
#define SEQWAL_SIM_WORKLOAD_H

#include <coroutine>
#include <cstdint>
#include <exception>
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
  ~Workload();
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  // The body of a client's fiber: works until the operations are used up or the log is no more; or
  // for ever, when it is certain that the process will die.
  void run_client(bool for_ever);
  // Fills the ring, trims everything, and demands that the longest record finds room. One client
  // alone, after all others.
  void fill_and_drain();

  // Waits until all that was asked of the log is answered.
  void settle();

  [[nodiscard]] bool ring_full() const { return ring_full_; }
  // So many have been done.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }

 private:
  struct Body {
    std::span<const std::byte> bytes;  // what it is
    std::span<const std::byte> given;  // what the log gets: a copy, where it stays the client's
    std::size_t long_body;
  };
  void operate();
  // For so long it waits for room.
  void append(std::uint64_t length, Nanoseconds patience);
  void append_gathered(std::uint64_t length);
  void append_batch(std::uint64_t length);
  void append_in_place(std::uint64_t length);
  // A coroutine that nobody waits for. It is destroyed when it ends, or with the workload.
  struct Detached {
    // NOLINTBEGIN(readability-*): the language says what it is called, and asks the object
    struct promise_type {
      promise_type(Workload& workload, const Body&);
      ~promise_type();
      promise_type(const promise_type&) = delete;
      promise_type& operator=(const promise_type&) = delete;
      Detached get_return_object() { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() {}
      [[noreturn]] void unhandled_exception() { std::terminate(); }

     private:
      Workload& workload_;
    };
    // NOLINTEND(readability-*)
  };
  Detached append_awaited(Body body);
  void wait_durable();
  // What became of an append.
  void told(const Result<Offset>& offset, std::span<const std::byte> body, std::uint64_t key);
  void refused(const Error& error);
  [[nodiscard]] Body make_body(std::uint64_t length);
  [[nodiscard]] AppendOptions draw_options(std::span<const std::byte> body);
  // What order is promised for.
  [[nodiscard]] std::uint64_t order_key(std::uint64_t key) const {
    return plan_.callback_workers > 1 ? key : 0;
  }
  void trim();
  void trim_badly();
  [[nodiscard]] std::uint64_t draw_length();
  [[nodiscard]] std::span<const std::byte> draw_body(std::uint64_t length);
  [[nodiscard]] AppendCallback callback(std::uint64_t key, std::size_t long_body);
  void acknowledged(const AppendResult& result, std::uint64_t key, std::size_t long_body);
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
  std::vector<std::vector<std::span<const std::byte>>> long_pieces_;       // of them
  std::vector<std::coroutine_handle<Detached::promise_type>> coroutines_;  // that have not ended
  std::vector<std::uint64_t> running_keys_;                                // of callbacks
  std::uint64_t trims_pending_ = 0;
  std::uint64_t refused_ = 0;
  bool ring_full_ = false;
  bool stopped_ = false;
  bool in_callback_ = false;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_WORKLOAD_H
