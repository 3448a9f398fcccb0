// What the polling thread does: the steps of poll, failure, close.
#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "log_impl.h"
#include "seqwal/check.h"

namespace seqwal {
namespace {

// Without appends for that long, the header is told how far the log is durable.
constexpr Nanoseconds kQuietTime = 1'000'000'000;
// A header write for trims alone comes after so many block writes, unless space runs short.
constexpr std::uint32_t kBlockWritesPerHeader = 32;
constexpr std::int64_t kShortOfSpaceBytes = std::int64_t{64} << 20U;

}  // namespace

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
  io_.pacer().advance(now);
  count_waiting();
  reap();
  // A backlog that fills a block has nothing to gain from whoever is called back now.
  io_.defer(false);
  if (state() == State::running) writer_.submit_full();
  advance_frontier();
  watch_device();
  finish_failure();
  hand_on();
  io_.defer(true);  // the wait comes next
  pump_trims();
  pump_watermark(now);
  pump_header();
  pump_flush();
  writer_.pump();
  pump_header();  // a block write may wait for more window or space
  finish_close();
  if (std::exchange(room_made_, false)) notify_room();
  if (std::exchange(durable_moved_, false)) notify_durable();
  count();
  const Nanoseconds until = rest(now);
  io_.pacer().sleeps_until(until);
  if (writer_.waits_for_slot()) io_.pacer().waits_from(std::max(now, io_.pacer().next()));
  return until;
}

// Completions are collected first; no callback runs in here.
void Log::Impl::reap() {
  IoTable::Done done;
  while (io_.reap(done)) {
    if (gave_up_) continue;  // its callbacks ran, its outcome changes nothing
    switch (done.purpose.kind) {
      case IoPurpose::Kind::block:
        writer_.complete(done);
        counters_.writes.add(1);
        counters_.write_latency.add(done.latency);
        if (done.os_error != 0) {
          fail_log(writer_.start_of(done.purpose.number), done.os_error, "a block write failed");
        }
        break;
      case IoPurpose::Kind::flush:
        counters_.flushes.add(1);
        if (done.os_error != 0) {
          fail_log(end_, done.os_error, "a flush failed");
        } else if (state() == State::running) {
          writer_.frontier().flush_ends();
        }  // else: a write failed meanwhile, and what a flush says then is not to be trusted
        break;
      case IoPurpose::Kind::header:
        counters_.header_writes.add(1);
        header_written(done.os_error);
        break;
      case IoPurpose::Kind::trim_read:
        counters_.trim_reads.add(1);
        trimmer_.read_done(done.os_error);
        break;
    }
  }
}

void Log::Impl::advance_frontier() {
  const std::uint16_t next_ticket = buffer_.next_ticket();
  std::uint32_t records = 0;
  while (writer_.frontier().advance()) {
    const BlockWriter::DurableBlock durable = writer_.take_durable();
    const SealedBlock& block = durable.block;
    count(durable);
    end_ = block.records_end;
    trimmer_.note_durable(block.gap_begin, block.start, block.records_end);
    durable_.store(end_.value, std::memory_order_release);
    durable_moved_ = true;
    records += static_cast<std::uint16_t>(block.end_ticket - block.first_ticket);
    acknowledge(block, AppendStatus::durable);
  }
  if (records == 0) return;
  hand_on();
  writer_.acknowledged(next_ticket, records);
}

// The block's memory goes back first, so that a callback that appends finds room.
void Log::Impl::acknowledge(const SealedBlock& block, AppendStatus status) {
  const std::uint32_t number = acknowledged_++;
  buffer_.release_block(number, block.records_end, status == AppendStatus::durable);
  room_made_ = true;
  if (callbacks_.has_executor()) {
    callbacks_.add(block.first_ticket, block.end_ticket, status);
  } else {
    run_callbacks(block, status);
  }
}

void Log::Impl::run_callbacks(const SealedBlock& block, AppendStatus status) {
  for (std::uint16_t ticket = block.first_ticket; ticket != block.end_ticket; ++ticket) {
    buffer_.run_callback(ticket, status);
  }
  buffer_.release_tickets(block.end_ticket);
}

void Log::Impl::hand_on() {
  if (callbacks_.pump()) room_made_ = true;
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
    acknowledge(*block, writer_.was_submitted(acknowledged_) ? AppendStatus::indeterminate
                                                             : AppendStatus::rejected);
  }
  set_state(State::failed);
  durable_moved_ = true;  // for good
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

// While block writes go out one after the other, trims share a header write now and then. It goes
// at once where something waits for it, where space runs short, and where nothing else is to do.
bool Log::Impl::header_is_due() {
  if (writer_.gated() || trimmer_.crowded() || closing_.seems_closed()) return true;
  if (writer_.begun() - begun_at_header_ >= kBlockWritesPerHeader) return true;
  if (acknowledged_ == buffer_.blocks_end()) return true;
  const std::int64_t free = geometry_.space_end(headers_.durable_keep()) - buffer_.end();
  return free < std::min(geometry_.section_bytes() / 4, kShortOfSpaceBytes);
}

void Log::Impl::pump_header() {
  if (state() != State::running || !headers_.dirty() || headers_.writing() || io_.full()) return;
  if (!io_.pacer().ready() || !header_is_due()) return;
  begun_at_header_ = writer_.begun();
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
  if (state() != State::running || !writer_.wants_flush() || io_.full()) return;
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
    if (!callbacks_.idle()) return;
    WalHeader header = headers_.wanted();
    header.shutdown = ShutdownType::graceful;
    headers_.want(header);
    headers_.want_watermark(end_);
    pump_header();
    if (headers_.writing() || headers_.dirty()) return;
    trimmer_.refuse_all(ErrorCode::log_closed);
  }
  if (state() == State::failing || !callbacks_.idle()) return;
  const bool graceful = state() == State::running;
  if (!graceful) trimmer_.refuse_all(ErrorCode::log_failed);
  emit({.kind = EventKind::closed, .offset = end_, .value = graceful ? 1 : 0});
  room_made_ = true;
  withdraw_memory();
  set_state(State::closed);
  durable_moved_ = true;  // for good
}

// Until when nothing can be done before a completion or a wake-up.
Nanoseconds Log::Impl::rest(Nanoseconds now) {
  if (state() == State::closed) return now;  // nobody is to wait for a log that has finished
  // A trim on its way in, for some instructions more. It may be refused, and wakes nobody then.
  if (close_postponed_) return now;
  const Nanoseconds next_look = gave_up_ ? kNever : watch_.next_look();
  Nanoseconds until = std::min(next_look, quiet_until_);
  if (headers_.dirty() && !headers_.writing() && !io_.pacer().ready()) {
    until = std::min(until, io_.pacer().next());
  }
  if (state() == State::failing && !waits_for_device()) {
    const auto is_ready = [&] { return buffer_.ready(acknowledged_).has_value(); };
    return doorbell_.may_sleep(is_ready) ? until : now;
  }
  return std::min(until, rest_until(writer_.waits(), now));
}

Nanoseconds Log::Impl::rest_until(const BlockWriter::Waits& waits, Nanoseconds now) {
  using For = BlockWriter::Waits::For;
  const auto could_pump = [&] { return writer_.could_pump(waits); };
  switch (waits.what) {
    case For::completion:
    case For::time:
      break;  // an append changes nothing
    case For::clients:
      return doorbell_.may_sleep_until(waits.ticket, could_pump) ? waits.until : now;
    case For::append:
      return doorbell_.may_sleep(could_pump) ? waits.until : now;
  }
  return waits.until;
}

void Log::Impl::notify_room() {
  room_.notify([&](const RoomGate::Word& word) { host_.unpark_all(word); });
}

void Log::Impl::notify_durable() {
  moved_.notify([&](const RoomGate::Word& word) { host_.unpark_all(word); });
}

}  // namespace seqwal
