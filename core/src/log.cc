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
      buffer_(geometry_, options.blocks, options.slots),
      writer_(geometry_, buffer_, headers_, io_,
              {.depth = options.depth,
               .iops = options.iops,
               .plug = options.plug,
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

Result<Offset> Log::Impl::try_append(std::span<const std::byte> body, std::uint32_t body_checksum,
                                     AppendCallback& callback) {
  const auto appended = buffer_.append(body, body_checksum, callback);
  if (!appended) {
    return fail(to_error_code(appended.error(), failed_.load(std::memory_order_acquire)));
  }
  if (doorbell_.ring(appended->end_ticket, appended->begins_block)) device_.wake();
  return appended->offset;
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
