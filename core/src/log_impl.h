// Log::Impl: a log, its parts and its states. Who may call what stands in log.h.
//
//   log.cc        the public face, and what any thread may do: append, trim, close
//   log_start.cc  recover, then resume or reset
//   log_poll.cc   the steps of poll, failure, close
#ifndef SEQWAL_LOG_IMPL_H
#define SEQWAL_LOG_IMPL_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "block_writer.h"
#include "callback_queue.h"
#include "closing_gate.h"
#include "doorbell.h"
#include "durable_by.h"
#include "header_store.h"
#include "io_table.h"
#include "io_watch.h"
#include "log_buffer.h"
#include "log_counters.h"
#include "room_gate.h"
#include "seqwal/log.h"
#include "trimmer.h"

namespace seqwal {

class Log::Impl {
 public:
  // In the order in which a log goes through them; set_state knows which steps are legal.
  using State = LogState;

  Impl(Device& device, Host& host, const LogOptions& options, EventSink* events,
       const HeaderState& found);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] const HeaderState& headers() const { return headers_.state(); }
  [[nodiscard]] Result<RecoveryReport> recover(
      const std::function<bool(const RecoveredRecord&)>& visit, const RecoveryOptions& options);
  [[nodiscard]] Result<Offset> resume(const ResumeOptions& options);
  [[nodiscard]] Result<Offset> reset(const ResetOptions& options);

  [[nodiscard]] Result<Offset> append(Pieces pieces, AppendCallback& callback,
                                      const AppendOptions& options);
  [[nodiscard]] Result<Offset> append_wait(std::span<const std::byte> body,
                                           AppendCallback& callback, Nanoseconds deadline,
                                           AppendOptions options);
  [[nodiscard]] BatchResult append_batch(std::span<BatchRecord> records);
  [[nodiscard]] Result<std::uint32_t> reserve(std::size_t body_bytes);
  [[nodiscard]] std::byte* reserved_body(std::uint32_t index) const {
    return buffer_.reserved_body(index);
  }
  [[nodiscard]] Result<Offset> publish(std::uint32_t index, std::size_t body_bytes,
                                       AppendCallback& callback, const AppendOptions& options);
  void abandon(std::uint32_t index);
  [[nodiscard]] Result<void> wait_durable(Offset offset, Nanoseconds deadline);
  [[nodiscard]] Result<void> trim(Offset offset, TrimCallback callback);
  void close();
  [[nodiscard]] Nanoseconds poll(Nanoseconds now);
  [[nodiscard]] bool device_has_memory() const { return gave_up_ && io_.in_flight() > 0; }

  [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }
  [[nodiscard]] Offset durable() const { return {durable_.load(std::memory_order_acquire)}; }
  [[nodiscard]] Offset trimmed() const { return {trimmed_.load(std::memory_order_acquire)}; }
  [[nodiscard]] std::uint32_t max_body_bytes() const { return geometry_.max_body_bytes(); }
  [[nodiscard]] std::optional<Error> failure() const;
  [[nodiscard]] LogMetrics metrics() const;

 private:
  void set_state(State next);
  [[nodiscard]] Lineage next_lineage() const;
  [[nodiscard]] std::int64_t wanted_window() const;
  [[nodiscard]] Result<void> write_headers(const char* detail);
  void run_from(Offset end, bool is_new);
  [[nodiscard, gnu::always_inline]] inline std::optional<ErrorCode> refusal(
      std::uint64_t body_bytes) const;
  [[nodiscard]] ErrorCode to_code(Refusal refusal) const;
  [[nodiscard]] std::expected<Appended, Refusal> try_append(Pieces pieces, std::uint64_t body_bytes,
                                                            AppendCallback& callback,
                                                            const AppendOptions& options);
  void ring(const Appended& appended);
  [[nodiscard]] bool may_wait() const;

  // The steps of poll.
  void reap();
  void advance_frontier();
  void watch_device();
  void finish_failure();
  void pump_trims();
  void pump_watermark(Nanoseconds now);
  void pump_header();
  void pump_flush();
  void finish_close();
  [[nodiscard]] Nanoseconds rest(Nanoseconds now);
  [[nodiscard]] Nanoseconds rest_until(const BlockWriter::Waits& waits, Nanoseconds now);

  [[nodiscard]] bool header_is_due();
  void header_written(int os_error);
  void fail_log(Offset offset, int os_error, const char* detail);
  [[nodiscard]] Offset offset_of(const IoPurpose& purpose) const;
  [[nodiscard]] bool waits_for_device() const { return io_.in_flight() > 0 && !gave_up_; }
  void acknowledge(const SealedBlock& block, AppendStatus status);
  void run_callbacks(const SealedBlock& block, AppendStatus status);
  void hand_on();
  void count(const BlockWriter::DurableBlock& durable);
  void count_waiting();
  void count();
  void notify_room();
  void notify_durable();
  void announce_memory();
  void withdraw_memory();
  void emit(const Event& event) const {
    if (events_ != nullptr) events_->on_event(event);
  }

  Device& device_;
  Host& host_;
  EventSink* events_;
  const LogOptions options_;
  const Geometry geometry_;
  const DurableBy durable_by_;
  std::optional<RecoveredTail> tail_;  // of a recovery that a resume may go on from
  Offset watermark_;                   // that it found

  // The polling thread's own.
  HeaderStore headers_;
  IoTable io_;
  IoWatch watch_;
  LogBuffer buffer_;
  BlockWriter writer_;
  Trimmer trimmer_;
  CallbackQueue callbacks_;  // on their way to an executor
  LogCounters counters_;
  std::uint32_t acknowledged_ = 0;     // block writes that are durable or failed for good
  std::uint32_t begun_at_header_ = 0;  // block writes, when a header was written last
  bool room_made_ = false;
  bool durable_moved_ = false;
  bool gave_up_ = false;  // on what is in flight: it counts for nothing any more
  bool close_postponed_ = false;
  bool memory_announced_ = false;
  Offset end_;                        // end of the last durable record
  Offset quiet_end_;                  // what it was
  Nanoseconds quiet_until_ = kNever;  // when nothing will have been appended for long enough

  // Written by the polling thread, read by any.
  std::atomic<State> state_{State::opened};
  std::atomic<std::int64_t> durable_{0};
  std::atomic<std::int64_t> trimmed_{-1};
  std::atomic<std::uint64_t> poller_{0};  // Host::self() of the polling thread
  std::atomic<bool> failed_{false};       // set after failure_ was written
  Error failure_;

  // Written by any thread.
  ClosingGate closing_;  // trims are inside while they are on their way in
  Doorbell doorbell_;    // appends ring
  RoomGate room_;        // append_wait waits
  RoomGate moved_;       // wait_durable waits
};

}  // namespace seqwal

#endif  // SEQWAL_LOG_IMPL_H
