#include "seqwal/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "block_writer.h"
#include "closing_gate.h"
#include "cut_tail.h"
#include "doorbell.h"
#include "durable_by.h"
#include "header_store.h"
#include "io_table.h"
#include "io_watch.h"
#include "log_buffer.h"
#include "room_gate.h"
#include "seqwal/check.h"
#include "sync_io.h"
#include "trimmer.h"

namespace seqwal {
namespace {

// Requests that must find a place beside the block writes: a header, a flush, a read for a trim.
constexpr std::uint32_t kExtraRequests = 3;
// Without appends for that long, the header is told how far the log is durable.
constexpr Nanoseconds kQuietTime = 1'000'000'000;

}  // namespace

class Log::Impl {
 public:
  // In the order in which a log goes through them; set_state knows which steps are legal.
  enum class State : std::uint8_t { opened, recovered, running, failing, failed, closed };

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

  [[nodiscard]] Result<Offset> append(std::span<const std::byte> body, AppendCallback& callback,
                                      std::uint32_t body_checksum);
  [[nodiscard]] Result<Offset> append_wait(std::span<const std::byte> body,
                                           AppendCallback& callback, Nanoseconds deadline,
                                           std::uint32_t body_checksum);
  [[nodiscard]] Result<void> trim(Offset offset, TrimCallback callback);
  void close();
  [[nodiscard]] Nanoseconds poll(Nanoseconds now);
  [[nodiscard]] bool device_has_memory() const { return gave_up_ && io_.in_flight() > 0; }

  [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }
  [[nodiscard]] Offset durable() const { return {durable_.load(std::memory_order_acquire)}; }
  [[nodiscard]] Offset trimmed() const { return {trimmed_.load(std::memory_order_acquire)}; }
  [[nodiscard]] std::uint32_t max_body_bytes() const { return geometry_.max_body_bytes(); }
  [[nodiscard]] std::optional<Error> failure() const;

 private:
  void set_state(State next);
  [[nodiscard]] Lineage next_lineage() const;
  [[nodiscard]] std::int64_t wanted_window() const;
  [[nodiscard]] Result<void> write_headers(const char* detail);
  void run_from(Offset end, bool is_new);
  [[nodiscard]] Result<Offset> try_append(std::span<const std::byte> body,
                                          std::uint32_t body_checksum, AppendCallback& callback);

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
  [[nodiscard]] bool rest();

  void header_written(int os_error);
  void fail_log(Offset offset, int os_error, const char* detail);
  [[nodiscard]] Offset offset_of(const IoPurpose& purpose) const;
  [[nodiscard]] bool waits_for_device() const { return io_.in_flight() > 0 && !gave_up_; }
  void acknowledge(const SealedBlock& block, std::uint32_t number, AppendStatus status);
  void notify_room();
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
  std::uint32_t acknowledged_ = 0;  // block writes whose callbacks ran
  bool room_made_ = false;
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
};

Log::Impl::Impl(Device& device, Host& host, const LogOptions& options, EventSink* events,
                const HeaderState& found)
    : device_(device),
      host_(host),
      events_(events),
      options_(options),
      geometry_(found.header().capacity_bytes),
      durable_by_(choose_durability(options.durability, device.limits())),
      headers_(found),
      io_(device, std::min(options.depth + kExtraRequests, device.limits().depth)),
      watch_(io_, options.append_deadline),
      buffer_(geometry_, options.blocks, options.slots),
      writer_(geometry_, buffer_, headers_, io_,
              {.depth = options.depth,
               .slice_bytes = round_down_to_block(
                   std::min(device.limits().max_transfer_bytes, kSoftLimitBytes)),
               .durable_writes = durable_by_ == DurableBy::durable_write,
               .needs_flush = durable_by_ == DurableBy::flush,
               .window_step_bytes = options.window_step_bytes}),
      trimmer_(geometry_, headers_, io_, events) {
  trimmed_.store(headers_.durable_trim().value, std::memory_order_relaxed);
}

// With something in flight the device is stopped for good, and touches nothing any more.
Log::Impl::~Impl() { withdraw_memory(); }

// At the first poll: a device may do this anew for each thread that owns it.
void Log::Impl::announce_memory() {
  const std::array regions{buffer_.block_memory()};
  memory_announced_ = true;
  if (const int os_error = device_.use_memory(regions); os_error != 0) {
    emit({.kind = EventKind::memory_unprepared,
          .offset = kNoOffset,
          .value = 0,
          .os_error = os_error});
  }
}

// Before it is freed: the device would take what comes to stand there for the same. What it has not
// given back keeps the memory, and with it the announcement.
void Log::Impl::withdraw_memory() {
  if (io_.in_flight() > 0) return;
  if (std::exchange(memory_announced_, false)) (void)device_.use_memory({});
}

void Log::Impl::set_state(State next) {
  const State now = state();
  const bool legal = (next == State::recovered && now <= State::recovered) ||
                     (next == State::running && now == State::recovered) ||
                     (next == State::failing && now == State::running) ||
                     (next == State::failed && now == State::failing) ||
                     (next == State::closed && (now == State::running || now == State::failed));
  SEQWAL_CHECK(legal);
  state_.store(next, std::memory_order_release);
}

// --- before it runs ---------------------------------------------------------------------------

Result<RecoveryReport> Log::Impl::recover(const std::function<bool(const RecoveredRecord&)>& visit,
                                          const RecoveryOptions& options) {
  if (state() > State::recovered) return fail(ErrorCode::wrong_state, "recover before reset");
  auto recovery = Recovery::open(device_, host_, options, events_);
  if (!recovery) return std::unexpected(recovery.error());
  // One reading of the headers for all that follows: a slot that could not be read at open, or only
  // then, would else be judged twice, and the newer one taken for the older.
  if ((*recovery)->headers().header().capacity_bytes != geometry_.capacity_bytes()) {
    return fail(ErrorCode::headers_damaged, "the two headers tell different capacities");
  }
  headers_.adopt((*recovery)->headers());
  tail_.reset();
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) return std::unexpected(record.error());
    if (!*record) break;
    if (!visit(**record)) return (*recovery)->report();
  }
  set_state(State::recovered);
  const RecoveryReport& report = (*recovery)->report();
  const bool is_prefix =
      options.mode == RecoveryMode::prefix || headers_.wanted().version == FormatVersion::v1;
  if (is_prefix && report.damage.empty()) tail_ = report.tail;
  watermark_ = report.watermark;
  return report;
}

Lineage Log::Impl::next_lineage() const {
  const auto& found = headers_.wanted_evidence();
  if (!found) return {.log_id = options_.log_id, .incarnation = 1};
  return {.log_id = found->lineage.log_id, .incarnation = found->lineage.incarnation + 1};
}

std::int64_t Log::Impl::wanted_window() const {
  const std::int64_t window = options_.window_bytes > 0
                                  ? options_.window_bytes
                                  : std::int64_t{options_.blocks} * kSoftLimitBytes;
  return round_up_to_block(std::min(window, geometry_.section_bytes()));
}

Result<void> Log::Impl::write_headers(const char* detail) {
  SyncIo io(device_);
  if (const int os_error = headers_.write_all(io, options_.durability != Durability::none);
      os_error != 0) {
    return fail(ErrorCode::io_error, detail, os_error);
  }
  return {};
}

void Log::Impl::run_from(Offset end, bool is_new) {
  buffer_.start(end, geometry_.space_end(headers_.durable_keep()));
  writer_.start(end, is_new);
  trimmer_.note_durable(end, end, end);
  end_ = quiet_end_ = end;
  durable_.store(end.value, std::memory_order_relaxed);
  trimmed_.store(headers_.durable_trim().value, std::memory_order_relaxed);
  set_state(State::running);
}

Result<Offset> Log::Impl::resume(const ResumeOptions& options) {
  if (state() != State::recovered || !tail_) {
    return fail(ErrorCode::wrong_state, "recover the prefix first, undamaged, then resume");
  }
  WalHeader header = headers_.wanted();
  const bool had_evidence = headers_.wanted_evidence().has_value();
  if (!had_evidence && tail_->end > header.trim + 1) {
    return fail(ErrorCode::unknown_tail,
                "its records were written by a writer that leaves no evidence, their end is not "
                "certain: recover them, then reset");
  }
  const Lineage lineage = next_lineage();
  if (tail_->end > kMaxOffset - 4 * geometry_.section_bytes() || header.stamp > kMaxStamp ||
      lineage.incarnation == 0) {
    return fail(ErrorCode::offset_exhausted, "no offsets are left: create a new log");
  }
  if (!tail_->trim_is_record && tail_->end == header.trim + 1 && header.trim != kNoOffset) {
    // The trimmed record is gone, perhaps never was on the media: nothing in its block is missed.
    tail_->end = round_up_to_block(tail_->end);
    headers_.want_trim(TrimTarget::before(tail_->end));
    header = headers_.wanted();
  }
  const bool at_record = tail_->trim_is_record || !is_block_aligned(header.trim + 1);
  const Offset keep = at_record ? round_down_to_block(header.trim) : header.trim + 1;
  const TailCut cut{.tail = *tail_,
                    .lineage = lineage,
                    .watermark = watermark_,
                    .trim = header.trim,
                    .window_bytes = headers_.greatest_window(),
                    .space_end = geometry_.space_end(keep),
                    .had_evidence = had_evidence,
                    .flushes = options_.durability != Durability::none};
  if (auto ok = check_tail(device_, geometry_, cut); !ok) return std::unexpected(ok.error());
  // Space counts by the trim offset that both slots hold, on the media.
  header.shutdown = ShutdownType::ungraceful;
  headers_.want(header);
  headers_.note_keep(keep);
  SyncIo io(device_);
  if (const int os_error = headers_.write_both(io, options_.durability != Durability::none);
      os_error != 0) {
    return fail(ErrorCode::io_error, "cannot write both headers: the log is not resumed", os_error);
  }
  if (auto ok = cut_tail(device_, geometry_, cut); !ok) return std::unexpected(ok.error());
  header.node_id = options.node_id.value_or(header.node_id);
  header.epoch = options.epoch.value_or(header.epoch);
  header.window_bytes = std::clamp(header.window_bytes, wanted_window(), geometry_.section_bytes());
  headers_.want(header);
  headers_.want_evidence(
      {.lineage = lineage, .flags = HeaderEvidence::kResumed, .watermark = tail_->end});
  if (auto ok = write_headers("cannot write both headers: the log may or may not be resumed"); !ok)
    return std::unexpected(ok.error());
  run_from(tail_->end, false);
  emit({.kind = EventKind::resumed, .offset = end_});
  return end_;
}

Result<Offset> Log::Impl::reset(const ResetOptions& options) {
  if (state() != State::recovered) return fail(ErrorCode::wrong_state, "recover first, then reset");
  WalHeader header = headers_.wanted();
  const Offset start = geometry_.reset_start(header.trim);
  if (start > kMaxOffset - 4 * geometry_.section_bytes() || header.stamp > kMaxStamp) {
    return fail(ErrorCode::offset_exhausted,
                "no offsets are left behind the trim offset: create a new log");
  }
  header.version = options.version.value_or(header.version);
  header.node_id = options.node_id.value_or(header.node_id);
  header.epoch = options.epoch.value_or(header.epoch);
  header.window_bytes = wanted_window();
  header.shutdown = ShutdownType::ungraceful;
  headers_.want(header);
  headers_.want_trim(TrimTarget::before(start));
  headers_.want_evidence({.lineage = next_lineage(), .flags = 0, .watermark = start});
  if (auto ok = write_headers("cannot write both headers: the log may or may not be reset"); !ok) {
    return std::unexpected(ok.error());
  }
  run_from(start, true);
  emit({.kind = EventKind::reset, .offset = start});
  return start;
}

// --- any thread -------------------------------------------------------------------------------

Result<Offset> Log::Impl::try_append(std::span<const std::byte> body, std::uint32_t body_checksum,
                                     AppendCallback& callback) {
  const auto offset = buffer_.append(body, body_checksum, callback);
  if (!offset) {
    return fail(to_error_code(offset.error(), failed_.load(std::memory_order_acquire)));
  }
  if (doorbell_.ring()) device_.wake();
  return *offset;
}

Result<Offset> Log::Impl::append(std::span<const std::byte> body, AppendCallback& callback,
                                 std::uint32_t body_checksum) {
  if (body.empty() || body.size() > max_body_bytes()) return fail(ErrorCode::bad_length);
  if (state() < State::running) return fail(ErrorCode::wrong_state, "reset before append");
  if (closing_.seems_closed()) {
    return fail(to_error_code(Refusal::stopped, failed_.load(std::memory_order_acquire)));
  }
  body_checksum &= kChecksumMask;  // of a plain CRC-32, as callers have it
  if (body_checksum == 0) body_checksum = checksum(body);
  return try_append(body, body_checksum, callback);
}

Result<Offset> Log::Impl::append_wait(std::span<const std::byte> body, AppendCallback& callback,
                                      Nanoseconds deadline, std::uint32_t body_checksum) {
  if (body_checksum == 0 && !body.empty()) body_checksum = checksum(body);
  auto offset = append(body, callback, body_checksum);
  const auto waits = [&] {
    return !offset && (offset.error().code == ErrorCode::would_block ||
                       offset.error().code == ErrorCode::over_capacity);
  };
  // Waiting for oneself would never end.
  if (!waits() || poller_.load(std::memory_order_relaxed) == host_.self()) return offset;

  room_.wait(
      [&] {
        offset = append(body, callback, body_checksum);
        return !waits() || host_.now() >= deadline;
      },
      [&](const RoomGate::Word& word, std::uint32_t epoch) { host_.park(word, epoch, deadline); });
  return offset;
}

Result<void> Log::Impl::trim(Offset offset, TrimCallback callback) {
  if (state() < State::running) return fail(ErrorCode::wrong_state, "reset before trim");
  // Held while a trim is on its way in, so that closing answers every one.
  const ClosingGate::Visit visit(closing_);
  if (failed_.load(std::memory_order_acquire)) return fail(ErrorCode::log_failed);
  if (closing_.closed()) return fail(ErrorCode::log_closed);
  if (offset >= durable()) return fail(ErrorCode::not_durable);
  if (offset <= trimmed()) return fail(ErrorCode::below_trim);
  TrimRequest request{.offset = offset, .callback = std::move(callback)};
  if (!trimmer_.push(request)) return fail(ErrorCode::would_block);
  device_.wake();
  return {};
}

void Log::Impl::close() {
  if (closing_.close()) device_.wake();
}

std::optional<Error> Log::Impl::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
  return failure_;
}

// --- the polling thread -----------------------------------------------------------------------

Nanoseconds Log::Impl::poll(Nanoseconds now) {
  SEQWAL_REQUIRE(state() >= State::running);
  if (state() == State::closed) {
    if (device_has_memory()) reap();
    return now;
  }
  poller_.store(host_.self(), std::memory_order_relaxed);
  if (!memory_announced_) announce_memory();
  doorbell_.awake();
  watch_.advance(now);
  reap();
  advance_frontier();
  watch_device();
  finish_failure();
  pump_trims();
  pump_watermark(now);
  pump_header();
  pump_flush();
  writer_.pump();
  pump_header();  // a block write may wait for more window or space
  finish_close();
  if (std::exchange(room_made_, false)) notify_room();
  const Nanoseconds next_look = gave_up_ ? kNever : watch_.next_look();
  return rest() ? std::min(next_look, quiet_until_) : now;
}

// Completions are collected first; no callback runs in here.
void Log::Impl::reap() {
  IoTable::Done done;
  while (io_.reap(done)) {
    if (gave_up_) continue;  // its callbacks ran, its outcome changes nothing
    switch (done.purpose.kind) {
      case IoPurpose::Kind::block:
        writer_.complete(done.purpose, done.os_error);
        if (done.os_error != 0) {
          fail_log(writer_.start_of(done.purpose.number), done.os_error, "a block write failed");
        }
        break;
      case IoPurpose::Kind::flush:
        if (done.os_error != 0) {
          fail_log(end_, done.os_error, "a flush failed");
        } else if (state() == State::running) {
          writer_.frontier().flush_ends();
        }  // else: a write failed meanwhile, and what a flush says then is not to be trusted
        break;
      case IoPurpose::Kind::header:
        header_written(done.os_error);
        break;
      case IoPurpose::Kind::trim_read:
        trimmer_.read_done(done.os_error);
        break;
    }
  }
}

void Log::Impl::advance_frontier() {
  while (writer_.frontier().advance()) {
    const SealedBlock block = writer_.take_durable();
    end_ = block.records_end;
    trimmer_.note_durable(block.gap_begin, block.start, block.records_end);
    durable_.store(end_.value, std::memory_order_release);
    acknowledge(block, acknowledged_, AppendStatus::durable);
  }
}

// The block's memory goes back first, so that a callback that appends finds room.
void Log::Impl::acknowledge(const SealedBlock& block, std::uint32_t number, AppendStatus status) {
  SEQWAL_CHECK(number == acknowledged_);
  ++acknowledged_;
  buffer_.release_block(number, block.records_end);
  for (std::uint16_t ticket = block.first_ticket; ticket != block.end_ticket; ++ticket) {
    AppendResult result{.status = status, .offset = kNoOffset};
    AppendCallback callback = buffer_.take_callback(ticket, result.offset);
    if (callback) callback(result);
  }
  buffer_.release_tickets(block.end_ticket);
  room_made_ = true;
}

// The first failure decides. What is in flight is waited for; finish_failure does the rest.
void Log::Impl::fail_log(Offset offset, int os_error, const char* detail) {
  if (state() != State::running) return;
  failure_ = {
      .code = ErrorCode::log_failed, .os_error = os_error, .offset = offset, .detail = detail};
  failed_.store(true, std::memory_order_release);
  set_state(State::failing);
  writer_.stop();
  buffer_.stop();
  room_made_ = true;
  emit({.kind = EventKind::failed, .offset = offset, .value = 0, .os_error = os_error});
}

// From where on a log fails because of it; nowhere in it for a header, or a read for a trim.
Offset Log::Impl::offset_of(const IoPurpose& purpose) const {
  switch (purpose.kind) {
    case IoPurpose::Kind::block:
      return writer_.start_of(purpose.number);
    case IoPurpose::Kind::flush:
      return end_;
    case IoPurpose::Kind::header:
    case IoPurpose::Kind::trim_read:
      break;
  }
  return kNoOffset;
}

// A device that is silent for too long fails the log like one that says so, but is not waited for.
void Log::Impl::watch_device() {
  if (gave_up_) return;
  const IoWatch::Finding finding = watch_.look();
  if (finding == IoWatch::Finding::well) return;
  const Offset offset = offset_of(watch_.oldest().purpose);
  if (finding == IoWatch::Finding::stalled) {
    emit({.kind = EventKind::stalled, .offset = offset, .value = watch_.oldest_age()});
    return;
  }
  fail_log(offset, ETIMEDOUT, "a request was in flight for longer than the append deadline");
  gave_up_ = true;
}

// In order: what the device never saw is rejected, the rest is in doubt. A block whose appenders
// are still copying is waited for, they wake us.
void Log::Impl::finish_failure() {
  if (state() != State::failing || waits_for_device()) return;
  trimmer_.refuse_all(ErrorCode::log_failed);
  while (acknowledged_ != buffer_.blocks_end()) {
    const auto block = buffer_.ready(acknowledged_);
    if (!block) return;
    acknowledge(*block, acknowledged_,
                writer_.was_submitted(acknowledged_) ? AppendStatus::indeterminate
                                                     : AppendStatus::rejected);
  }
  set_state(State::failed);
}

void Log::Impl::pump_trims() {
  if (state() == State::running) {
    trimmer_.answer_durable();
    trimmer_.pump();
  } else if (state() == State::failed) {
    trimmer_.refuse_all(ErrorCode::log_failed);
  }
}

// A log that nobody appends to says how far it is durable, so that damage to it shows after a
// crash.
void Log::Impl::pump_watermark(Nanoseconds now) {
  const auto& evidence = headers_.wanted_evidence();
  const bool knows = !evidence || evidence->watermark >= end_;
  if (state() != State::running || knows || acknowledged_ != buffer_.blocks_end()) {
    quiet_until_ = kNever;
    return;
  }
  if (quiet_until_ == kNever || quiet_end_ != end_) {
    quiet_end_ = end_;
    quiet_until_ = now > kNever - kQuietTime ? kNever : now + kQuietTime;
  } else if (now >= quiet_until_) {
    headers_.want_watermark(end_);
    quiet_until_ = kNever;
  }
}

void Log::Impl::pump_header() {
  if (state() != State::running || !headers_.dirty() || headers_.writing() || io_.full()) return;
  const HeaderStore::Write write = headers_.begin();
  const std::array segment{IoSegment{write.bytes.data(), write.bytes.size()}};
  io_.submit({.token = {},
              .kind = IoKind::write,
              .durable = options_.durability != Durability::none,
              .position = write.position,
              .segments = segment},
             {.kind = IoPurpose::Kind::header});
}

void Log::Impl::header_written(int os_error) {
  const Offset trim_before = headers_.durable_trim();
  const std::int64_t window_before = headers_.durable_window();
  headers_.complete(os_error == 0);
  if (os_error != 0) {
    fail_log(kNoOffset, os_error, "a header write failed");
    return;
  }
  if (headers_.durable_window() > window_before) {
    emit(
        {.kind = EventKind::window_grown, .offset = kNoOffset, .value = headers_.durable_window()});
  }
  if (headers_.durable_trim() > trim_before) {
    trimmed_.store(headers_.durable_trim().value, std::memory_order_release);
    buffer_.allow_space(geometry_.space_end(headers_.durable_keep()));
    room_made_ = true;
    emit({.kind = EventKind::trimmed, .offset = headers_.durable_trim()});
  }
}

// One flush covers every block write reaped before it.
void Log::Impl::pump_flush() {
  if (state() != State::running || !writer_.frontier().wants_flush() || io_.full()) return;
  writer_.frontier().flush_begins();
  io_.submit({.token = {}, .kind = IoKind::flush, .durable = false, .position = {}, .segments = {}},
             {.kind = IoPurpose::Kind::flush});
}

// Intake stops, what was appended is finished, then both headers say graceful.
void Log::Impl::finish_close() {
  if (!closing_.closed()) return;
  close_postponed_ = closing_.occupied();
  if (close_postponed_) return;
  if (state() == State::running) {
    buffer_.stop();
    if (acknowledged_ != buffer_.blocks_end() || !trimmer_.idle() || io_.in_flight() > 0) return;
    WalHeader header = headers_.wanted();
    header.shutdown = ShutdownType::graceful;
    headers_.want(header);
    headers_.want_watermark(end_);
    pump_header();
    if (headers_.writing() || headers_.dirty()) return;
    trimmer_.refuse_all(ErrorCode::log_closed);
  }
  if (state() == State::failing) return;
  const bool graceful = state() == State::running;
  if (!graceful) trimmer_.refuse_all(ErrorCode::log_failed);
  emit({.kind = EventKind::closed, .offset = end_, .value = graceful ? 1 : 0});
  room_made_ = true;
  withdraw_memory();
  set_state(State::closed);
}

// True: nothing can be done before a completion or a wake-up.
bool Log::Impl::rest() {
  if (state() == State::closed) return false;  // nobody is to wait for a log that has finished
  // A trim on its way in, for some instructions more. It may be refused, and wakes nobody then.
  if (close_postponed_) return false;
  const bool failing = state() == State::failing && !waits_for_device();
  if (!failing && !writer_.has_free_slot()) return true;  // an append changes nothing
  return doorbell_.may_sleep(
      [&] { return failing ? buffer_.ready(acknowledged_).has_value() : writer_.could_pump(); });
}

void Log::Impl::notify_room() {
  room_.notify([&](const RoomGate::Word& word) { host_.unpark_all(word); });
}

// --- the public face --------------------------------------------------------------------------

Result<std::unique_ptr<Log>> Log::open(Device& device, Host& host, const LogOptions& options,
                                       EventSink* events) {
  SEQWAL_REQUIRE(options.depth >= 1 && options.depth <= 1024);
  const auto found = read_headers(device, host);
  if (!found) return std::unexpected(found.error());
  if (events != nullptr) {
    events->on_event({.kind = EventKind::opened, .offset = found->header().trim});
  }
  return std::unique_ptr<Log>(
      new Log(std::make_unique<Impl>(device, host, options, events, *found)));
}

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Log::~Log() {
  if (!impl_->device_has_memory()) return;
  [[maybe_unused]] const Impl* leaked = impl_.release();
}

const HeaderState& Log::headers() const { return impl_->headers(); }

Result<RecoveryReport> Log::recover(const std::function<bool(const RecoveredRecord&)>& visit,
                                    const RecoveryOptions& options) {
  return impl_->recover(visit, options);
}

Result<Offset> Log::resume(const ResumeOptions& options) { return impl_->resume(options); }
Result<Offset> Log::reset(const ResetOptions& options) { return impl_->reset(options); }

Result<Offset> Log::append(std::span<const std::byte> body, AppendCallback callback,
                           std::uint32_t body_checksum) {
  return impl_->append(body, callback, body_checksum);
}

Result<Offset> Log::append_wait(std::span<const std::byte> body, AppendCallback&& callback,
                                Nanoseconds deadline, std::uint32_t body_checksum) {
  return impl_->append_wait(body, callback, deadline, body_checksum);
}

Result<void> Log::trim(Offset offset, TrimCallback callback) {
  return impl_->trim(offset, std::move(callback));
}

void Log::close() { impl_->close(); }
Nanoseconds Log::poll(Nanoseconds now) { return impl_->poll(now); }
bool Log::device_has_memory() const { return impl_->device_has_memory(); }
bool Log::finished() const { return impl_->state() == Impl::State::closed; }
Offset Log::durable() const { return impl_->durable(); }
Offset Log::trimmed() const { return impl_->trimmed(); }
std::uint32_t Log::max_body_bytes() const { return impl_->max_body_bytes(); }
std::optional<Error> Log::failure() const { return impl_->failure(); }

}  // namespace seqwal
