#include "seqwal/log.h"

#include <algorithm>
#include <utility>

#include "log_impl.h"
#include "seqwal/check.h"

namespace seqwal {
namespace {

// Requests that must find a place beside the block writes: a header, a flush, a read for a trim.
constexpr std::uint32_t kExtraRequests = 3;

constexpr Nanoseconds kMostPlug = 1'000'000'000;

std::uint32_t most_in_flight(const LogOptions& options) {
  return options.depth == 0 ? DepthControl::kMost : options.depth;
}

// Where bytes are what limits a volume, longer writes than its limits balance only make records
// wait for each other: three times as long ones waste little on fill.
std::uint32_t merged_bytes(const LogOptions& options) {
  if (options.iops == 0 || options.bytes_per_second == 0) return kSoftLimitBytes;
  const std::uint64_t balanced = options.bytes_per_second / options.iops;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(3 * balanced, kSoftLimitBytes / 4, kSoftLimitBytes));
}

}  // namespace

Log::Impl::Impl(Device& device, Host& host, const LogOptions& options, EventSink* events,
                const HeaderState& found)
    : device_(device),
      host_(host),
      events_(events),
      options_(options),
      geometry_(found.header().capacity_bytes),
      durable_by_(choose_durability(options.durability, device.limits())),
      headers_(found),
      io_(device, std::min(most_in_flight(options) + kExtraRequests, device.limits().depth),
          Pacer(options.iops, options.bytes_per_second)),
      watch_(io_, options.append_deadline),
      buffer_(geometry_, options.blocks, options.slots, options.reservations,
              merged_bytes(options)),
      writer_(geometry_, buffer_, headers_, io_,
              {.depth = options.depth,
               .iops = options.iops,
               .plug = options.plug,
               .slice_bytes = round_down_to_block(
                   std::min(device.limits().max_transfer_bytes, kSoftLimitBytes)),
               .durable_writes = durable_by_ == DurableBy::durable_write,
               .needs_flush = durable_by_ == DurableBy::flush,
               .window_step_bytes = options.window_step_bytes}),
      trimmer_(geometry_, headers_, io_, events),
      callbacks_(buffer_, options.executor) {
  if (options.executor != nullptr) options.executor->bind([&device] { device.wake(); });
  trimmed_.store(headers_.durable_trim().value, std::memory_order_relaxed);
}

// With something in flight the device is stopped for good, and touches nothing any more.
Log::Impl::~Impl() {
  withdraw_memory();
  if (options_.executor != nullptr) options_.executor->bind({});
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

// --- any thread -------------------------------------------------------------------------------

// Why a body of this length is not even tried.
std::optional<ErrorCode> Log::Impl::refusal(std::uint64_t body_bytes) const {
  if (body_bytes == 0 || body_bytes > max_body_bytes()) return ErrorCode::bad_length;
  if (state() < State::running) return ErrorCode::wrong_state;
  if (closing_.seems_closed()) return to_code(Refusal::stopped);
  return std::nullopt;
}

ErrorCode Log::Impl::to_code(Refusal refusal) const {
  return to_error_code(refusal, failed_.load(std::memory_order_acquire));
}

// Does not wake anybody. Precondition: no refusal().
std::expected<Appended, Refusal> Log::Impl::try_append(Pieces pieces, std::uint64_t body_bytes,
                                                       AppendCallback& callback,
                                                       const AppendOptions& options) {
  // Of a plain CRC-32, as callers have it.
  std::uint32_t sum = options.body_checksum & kChecksumMask;
  if (sum == 0) sum = checksum_of_pieces(pieces);
  return buffer_.append({.pieces = pieces,
                         .body_bytes = static_cast<std::uint32_t>(body_bytes),
                         .body_checksum = sum,
                         .key = options.key},
                        callback);
}

void Log::Impl::ring(const Appended& appended) {
  if (!doorbell_.ring(appended.end_ticket, appended.begins_block)) return;
  counters_.wakes.fetch_add(1, std::memory_order_relaxed);
  device_.wake();
}

Result<Offset> Log::Impl::append(Pieces pieces, AppendCallback& callback,
                                 const AppendOptions& options) {
  std::uint64_t body_bytes = 0;
  for (const auto piece : pieces) body_bytes += piece.size();
  if (const auto code = refusal(body_bytes)) return fail(*code);
  const auto appended = try_append(pieces, body_bytes, callback, options);
  if (!appended) return fail(to_code(appended.error()));
  ring(*appended);
  return appended->offset;
}

BatchResult Log::Impl::append_batch(std::span<BatchRecord> records) {
  BatchResult result;
  Appended last;
  for (BatchRecord& record : records) {
    result.refused = refusal(record.body.size());
    if (result.refused) break;
    const auto appended =
        try_append(Pieces(&record.body, 1), record.body.size(), record.callback, record.options);
    if (!appended) {
      result.refused = to_code(appended.error());
      break;
    }
    record.offset = appended->offset;
    last.end_ticket = appended->end_ticket;
    last.begins_block = last.begins_block || appended->begins_block;
    ++result.accepted;
  }
  if (result.accepted > 0) ring(last);
  return result;
}

// Waiting for oneself would never end: on the thread that polls, and in a callback on an executor,
// which may be full of callbacks that wait for this one.
bool Log::Impl::may_wait() const {
  return poller_.load(std::memory_order_relaxed) != host_.self() &&
         (options_.executor == nullptr || !options_.executor->runs_caller());
}

Result<Offset> Log::Impl::append_wait(std::span<const std::byte> body, AppendCallback& callback,
                                      Nanoseconds deadline, AppendOptions options) {
  const Pieces pieces(&body, 1);
  if (options.body_checksum == 0 && !body.empty()) options.body_checksum = checksum(body);
  auto offset = append(pieces, callback, options);
  const auto waits = [&] {
    return !offset && (offset.error().code == ErrorCode::would_block ||
                       offset.error().code == ErrorCode::over_capacity);
  };
  if (!waits() || !may_wait()) return offset;

  room_.wait(
      [&] {
        offset = append(pieces, callback, options);
        return !waits() || host_.now() >= deadline;
      },
      [&](const RoomGate::Word& word, std::uint32_t epoch) { host_.park(word, epoch, deadline); });
  return offset;
}

Result<std::uint32_t> Log::Impl::reserve(std::size_t body_bytes) {
  if (body_bytes > kSoftLimitBytes - kRecordHeaderBytes) return fail(ErrorCode::bad_length);
  if (const auto code = refusal(body_bytes)) return fail(*code);
  if (failed_.load(std::memory_order_acquire)) return fail(ErrorCode::log_failed);
  const auto index = buffer_.reserve();
  if (!index) return fail(ErrorCode::would_block);
  return *index;
}

Result<Offset> Log::Impl::publish(std::uint32_t index, std::size_t body_bytes,
                                  AppendCallback& callback, const AppendOptions& options) {
  if (const auto code = refusal(body_bytes)) return fail(*code);
  const std::span<const std::byte> body(reserved_body(index), body_bytes);
  std::uint32_t sum = options.body_checksum & kChecksumMask;
  if (sum == 0) sum = checksum(body);
  const auto appended = buffer_.publish(index,
                                        {.pieces = {},
                                         .body_bytes = static_cast<std::uint32_t>(body_bytes),
                                         .body_checksum = sum,
                                         .key = options.key},
                                        callback);
  if (!appended) return fail(to_code(appended.error()));
  ring(*appended);
  return appended->offset;
}

void Log::Impl::abandon(std::uint32_t index) { buffer_.abandon(index); }

Result<void> Log::Impl::wait_durable(Offset offset, Nanoseconds deadline) {
  if (state() < State::running) return fail(ErrorCode::wrong_state);
  Result<void> result;
  const auto is_done = [&] {
    // In this order: what is durable in the end is so before the state says that it is the end.
    const State now = state();
    if (durable() > offset) return true;
    if (now <= State::failing) return false;
    result = fail(failed_.load(std::memory_order_acquire) ? ErrorCode::log_failed
                                                          : ErrorCode::log_closed);
    return true;
  };
  if (is_done()) return result;
  if (poller_.load(std::memory_order_relaxed) == host_.self()) return fail(ErrorCode::would_block);
  moved_.wait(
      [&] {
        if (is_done()) return true;
        if (host_.now() < deadline) return false;
        result = fail(ErrorCode::would_block);
        return true;
      },
      [&](const RoomGate::Word& word, std::uint32_t epoch) { host_.park(word, epoch, deadline); });
  return result;
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

// --- the public face --------------------------------------------------------------------------

Result<std::unique_ptr<Log>> Log::open(Device& device, Host& host, const LogOptions& options,
                                       EventSink* events) {
  SEQWAL_REQUIRE(options.depth <= 1024);
  SEQWAL_REQUIRE(options.plug >= 0 && options.plug <= kMostPlug);
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
                           const AppendOptions& options) {
  return impl_->append(Pieces(&body, 1), callback, options);
}

Result<Offset> Log::append_gather(Pieces pieces, AppendCallback callback,
                                  const AppendOptions& options) {
  return impl_->append(pieces, callback, options);
}

BatchResult Log::append_batch(std::span<BatchRecord> records) {
  return impl_->append_batch(records);
}

Result<Offset> Log::append_wait(std::span<const std::byte> body, AppendCallback&& callback,
                                Nanoseconds deadline, const AppendOptions& options) {
  return impl_->append_wait(body, callback, deadline, options);
}

Result<Reservation> Log::reserve(std::size_t body_bytes) {
  const auto index = impl_->reserve(body_bytes);
  if (!index) return std::unexpected(index.error());
  return Reservation(*this, *index, {impl_->reserved_body(*index), body_bytes});
}

Result<Offset> Reservation::publish(std::size_t body_bytes, AppendCallback&& callback,
                                    const AppendOptions& options) {
  SEQWAL_REQUIRE(log_ != nullptr && body_bytes <= body_.size());
  auto offset = log_->impl_->publish(index_, body_bytes, callback, options);
  if (offset) log_ = nullptr;
  return offset;
}

void Reservation::abandon() {
  if (log_ != nullptr) std::exchange(log_, nullptr)->impl_->abandon(index_);
}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    abandon();
    log_ = std::exchange(other.log_, nullptr);
    index_ = other.index_;
    body_ = other.body_;
  }
  return *this;
}

Result<void> Log::wait_durable(Offset offset, Nanoseconds deadline) {
  return impl_->wait_durable(offset, deadline);
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
LogMetrics Log::metrics() const { return impl_->metrics(); }
std::optional<Error> Log::failure() const { return impl_->failure(); }

}  // namespace seqwal
