#include "workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "seqwal/awaitable.h"
#include "seqwal/format.h"

namespace seqwal::sim {
namespace {

constexpr std::size_t kNoLongBody = std::numeric_limits<std::size_t>::max();
constexpr Nanoseconds kPatience = 2'000'000;
constexpr Nanoseconds kRefusedTime = 2'000;
// Enough that no two bodies at one offset are the same by chance, and few enough that short ones
// are cut from what a cache holds.
constexpr std::uint64_t kBodyPlaces = 65'536;

}  // namespace

Workload::Workload(const WorldPlan& plan, Log& log, Oracle& oracle, Scheduler& scheduler,
                   Choices& choices, Trace& trace, std::span<const std::byte> noise,
                   const bool& dead)
    : plan_(plan),
      log_(log),
      oracle_(oracle),
      scheduler_(scheduler),
      choices_(choices),
      trace_(trace),
      noise_(noise),
      dead_(dead),
      most_operations_(choices.between(Stream::workload, plan.most_operations / 2,
                                       plan.most_operations, "operations of a life")) {}

Workload::~Workload() {
  while (!coroutines_.empty()) coroutines_.back().destroy();
}

void Workload::run_client(bool for_ever) {
  while ((for_ever || operations_ < most_operations_) && !over()) {
    ++operations_;
    choices_.begin_group(Stream::workload);
    operate();
    // Far behind what a life is for, there is only one thing to wait for.
    if (plan_.has_deadline_for_hangs() && operations_ > 2 * plan_.most_operations && !over()) {
      scheduler_.sleep(plan_.log.append_deadline / 64);
    }
    if (!over() && choices_.choose(Stream::schedule, 3, "others first") != 0) scheduler_.yield();
  }
}

void Workload::operate() {
  const auto one_in = [this](std::uint64_t n, const char* label) {
    return choices_.one_in(Stream::workload, n, label);
  };
  // A full ring makes trims likely.
  if (one_in(ring_full_ ? 2 : plan_.trim_one_in, "trim")) {
    trim();
  } else if (plan_.bad_trims && one_in(12, "bad trim")) {
    trim_badly();
  } else if (one_in(20, "sleep")) {
    scheduler_.sleep(
        static_cast<Nanoseconds>(1 + choices_.choose(Stream::workload, 20'000, "time")));
  } else if (one_in(plan_.waits_one_in, "wait for durable")) {
    wait_durable();
  } else {
    const std::uint64_t length = draw_length();
    switch (plan_.append_forms ? choices_.choose(Stream::workload, 6, "form") : 0) {
      case 2:
        append_awaited(make_body(length));
        break;
      case 3:
        append_gathered(length);
        break;
      case 4:
        append_batch(length);
        break;
      case 5:
        append_in_place(length);
        break;
      default:
        append(length, one_in(plan_.wait_one_in, "blocking") ? kPatience : 0);
    }
  }
}

std::uint64_t Workload::draw_length() {
  const std::uint64_t most = log_.max_body_bytes();
  const auto up_to = [&](std::uint64_t limit) {
    return 1 + choices_.choose(Stream::workload, std::min(limit, most), "length");
  };
  if (choices_.one_in(Stream::workload, plan_.longest_one_in, "longest")) return up_to(most);
  if (choices_.one_in(Stream::workload, plan_.large_one_in, "large"))
    return up_to(plan_.most_large);
  if (choices_.one_in(Stream::workload, plan_.medium_one_in, "medium")) return up_to(4096);
  return up_to(200);
}

std::span<const std::byte> Workload::draw_body(std::uint64_t length) {
  const std::uint64_t places = std::min(noise_.size() - length, kBodyPlaces);
  return noise_.subspan(choices_.choose(Stream::workload, places, "body"), length);
}

Workload::Body Workload::make_body(std::uint64_t length) {
  Body body{.bytes = draw_body(length), .given = {}, .long_body = kNoLongBody};
  body.given = body.bytes;
  if (length + kRecordHeaderBytes > kSoftLimitBytes) {
    body.long_body = long_bodies_.size();
    long_bodies_.emplace_back(body.bytes.begin(), body.bytes.end());
    body.given = long_bodies_.back();
  }
  return body;
}

AppendOptions Workload::draw_options(std::span<const std::byte> body) {
  return {.body_checksum = plan_.own_checksums ? naive_checksum(body) : 0,
          .key = plan_.callback_workers > 1 ? choices_.choose(Stream::workload, 5, "key") : 0};
}

void Workload::append(std::uint64_t length, Nanoseconds patience) {
  const Body body = make_body(length);
  const AppendOptions options = draw_options(body.bytes);
  const Nanoseconds deadline = patience == kNever ? kNever : scheduler_.now() + patience;
  AppendCallback called = callback(options.key, body.long_body);
  told(patience > 0 ? log_.append_wait(body.given, std::move(called), deadline, options)
                    : log_.append(body.given, std::move(called), options),
       body.bytes, options.key);
}

Workload::Detached::promise_type::promise_type(Workload& workload, const Body& /*body*/)
    : workload_(workload) {
  workload.coroutines_.push_back(std::coroutine_handle<promise_type>::from_promise(*this));
}

Workload::Detached::promise_type::~promise_type() {
  std::erase(workload_.coroutines_, std::coroutine_handle<promise_type>::from_promise(*this));
}

Workload::Detached Workload::append_awaited(Body body) {
  const AppendOptions options = draw_options(body.bytes);
  oracle_.awaits(body.bytes, order_key(options.key));
  const Result<AppendResult> told = co_await append_async(log_, body.given, options);
  if (dead_) co_return;
  if (!told) {
    oracle_.await_refused();
    refused(told.error());
    co_return;
  }
  oracle_.awaited(told->offset, body.bytes);
  acknowledged(*told, options.key, body.long_body);
}

void Workload::append_gathered(std::uint64_t length) {
  const Body body = make_body(length);
  const AppendOptions options = draw_options(body.bytes);
  std::vector<std::span<const std::byte>> pieces;
  for (std::span<const std::byte> left = body.given; !left.empty();) {
    const std::size_t size =
        pieces.size() == 3
            ? left.size()
            : left.size() - choices_.choose(Stream::workload, left.size() + 1, "piece");
    pieces.push_back(left.first(size));
    left = left.subspan(size);
  }
  // The array stays where the body does.
  if (body.long_body != kNoLongBody) long_pieces_.push_back(pieces);
  const std::span<const std::span<const std::byte>> given =
      body.long_body == kNoLongBody ? pieces : long_pieces_.back();
  told(log_.append_gather(given, callback(options.key, body.long_body), options), body.bytes,
       options.key);
}

void Workload::append_batch(std::uint64_t length) {
  std::array<BatchRecord, 4> records;
  const std::size_t count = 1 + choices_.choose(Stream::workload, records.size(), "batch");
  for (BatchRecord& record : std::span(records).first(count)) {
    const Body body = make_body(std::min<std::uint64_t>(length, 4096));
    record.body = body.given;
    record.options = draw_options(body.bytes);
    record.callback = callback(record.options.key, body.long_body);
  }
  const BatchResult result = log_.append_batch(std::span(records).first(count));
  for (const BatchRecord& record : std::span(records).first(result.accepted)) {
    told(record.offset, record.body, record.options.key);
  }
  if (result.refused) refused({.code = *result.refused, .detail = {}});
}

void Workload::append_in_place(std::uint64_t length) {
  const Body body =
      make_body(std::min<std::uint64_t>(length, kSoftLimitBytes - kRecordHeaderBytes));
  const AppendOptions options = draw_options(body.bytes);
  auto reservation = log_.reserve(body.bytes.size());
  if (!reservation) {
    refused(reservation.error());
    return;
  }
  std::ranges::copy(body.bytes, reservation->body().begin());
  if (choices_.one_in(Stream::workload, 3, "takes its time")) {
    scheduler_.sleep(kRefusedTime);
    if (over()) return;
  }
  if (choices_.one_in(Stream::workload, 4, "abandon")) return;
  told(reservation->publish(body.bytes.size(), callback(options.key, kNoLongBody), options),
       body.bytes, options.key);
}

void Workload::told(const Result<Offset>& offset, std::span<const std::byte> body,
                    std::uint64_t key) {
  if (over() && dead_) return;
  if (!offset) {
    refused(offset.error());
    return;
  }
  ring_full_ = false;
  trace_.note(Happened::appended, offset->value, static_cast<std::int64_t>(body.size()));
  oracle_.appended(*offset, body, order_key(key));
}

void Workload::refused(const Error& error) {
  if (over() && dead_) return;
  note_refusal(error);
  // Room is made by the disk: let it.
  if (!over() && !in_callback_) scheduler_.sleep(kRefusedTime);
}

// Until the newest record is durable, or no longer than its patience lasts.
void Workload::wait_durable() {
  const auto newest = oracle_.newest_in_life();
  if (!newest) return;
  const auto waited = log_.wait_durable(*newest, scheduler_.now() + kPatience);
  if (dead_) return;
  if (waited) oracle_.told_durable(*newest);
}

AppendCallback Workload::callback(std::uint64_t key, std::size_t long_body) {
  return
      [this, key, long_body](const AppendResult& result) { acknowledged(result, key, long_body); };
}

void Workload::acknowledged(const AppendResult& result, std::uint64_t key, std::size_t long_body) {
  if (dead_) return;
  trace_.note(Happened::called, result.offset.value, static_cast<std::int64_t>(result.status));
  if (std::ranges::find(running_keys_, order_key(key)) != running_keys_.end()) {
    oracle_.violate(Invariant::i5_callbacks_in_order, "two callbacks of one key at a time");
  }
  oracle_.called(result.offset, result.status);
  // The body is the client's again: whoever still reads it finds something else.
  if (long_body != kNoLongBody) std::ranges::fill(long_bodies_[long_body], std::byte{0x5A});
  if (plan_.callback_workers > 0 && choices_.one_in(Stream::schedule, 8, "slow callback")) {
    running_keys_.push_back(order_key(key));
    scheduler_.sleep(kRefusedTime);
    std::erase(running_keys_, order_key(key));
    if (dead_) return;
  }
  if (plan_.appends_from_callbacks && operations_ < most_operations_ &&
      choices_.one_in(Stream::workload, 6, "append from the callback")) {
    ++operations_;
    in_callback_ = true;
    const std::uint64_t length = 1 + choices_.choose(Stream::workload, 200, "length");
    append(length, choices_.one_in(Stream::workload, 3, "blocking") ? kPatience : 0);
    in_callback_ = false;
  }
}

void Workload::note_refusal(const Error& error) {
  ++refused_;
  trace_.note(Happened::refused, 0, static_cast<std::int64_t>(error.code));
  switch (error.code) {
    case ErrorCode::over_capacity:
      ring_full_ = true;
      return;
    case ErrorCode::would_block:
      return;
    case ErrorCode::log_failed:
    case ErrorCode::log_closed:
      stopped_ = true;
      return;
    default:
      oracle_.violate(Invariant::i16_everything_resolves, "append: " + error.message());
      stopped_ = true;
  }
}

void Workload::trim() {
  const std::size_t count = oracle_.acknowledged_in_life();
  if (count == 0) return;
  // From the newest on, so that the simplest choice frees the most.
  const std::size_t index = count - 1 - choices_.choose(Stream::workload, count, "trim at");
  begin_trim(oracle_.acknowledged_offset(index), true);
}

void Workload::trim_badly() {
  const std::size_t count = oracle_.acknowledged_in_life();
  const Offset newest = count == 0 ? log_.durable() : oracle_.acknowledged_offset(count - 1);
  const auto off = static_cast<std::int64_t>(choices_.choose(Stream::workload, 64, "off by"));
  switch (choices_.choose(Stream::workload, 3, "bad trim")) {
    case 0:
      if (!oracle_.has_record(newest + 1 + off)) begin_trim(newest + 1 + off, false);
      return;
    case 1:
      begin_trim(log_.durable() + off * 512, false);
      return;
    default:
      begin_trim(log_.trimmed() - off, false);
  }
}

bool Workload::begin_trim(Offset offset, bool is_record) {
  const auto accepted = log_.trim(offset, [this, offset, is_record](const Result<Offset>& result) {
    if (dead_) return;
    --trims_pending_;
    trace_.note(Happened::trimmed, offset.value, result ? result->value : -1,
                result ? 0 : 1 + static_cast<std::int64_t>(result.error().code));
    if (result) ring_full_ = false;
    if (result && !is_record) {
      oracle_.violate(Invariant::i4_trimmed_stays_trimmed,
                      fmt::format("trim at {}, where no record starts, was done", offset.value));
    }
    oracle_.trim_done(offset, result);
  });
  trace_.note(Happened::trimming, offset.value,
              accepted ? 0 : 1 + static_cast<std::int64_t>(accepted.error().code));
  if (!accepted) return false;
  ++trims_pending_;
  if (is_record) oracle_.trim_begins(offset);
  return true;
}

void Workload::settle() {
  while (!over() && !log_.failure() &&
         (oracle_.acknowledged_in_life() < oracle_.appended_in_life() || trims_pending_ > 0 ||
          !coroutines_.empty())) {
    scheduler_.sleep(10'000);
  }
}

void Workload::fill_and_drain() {
  const std::uint64_t length = std::min<std::uint64_t>(
      std::max<std::uint64_t>(plan_.capacity / 48, 1000), log_.max_body_bytes());
  for (bool full = false; !full && !over();) {
    const std::uint64_t refused_before = refused_;
    append(length, 0);
    if (refused_ != refused_before && !ring_full_) scheduler_.sleep(10'000);
    full = ring_full_;
  }
  settle();
  if (over() || log_.failure()) return;
  const std::size_t count = oracle_.acknowledged_in_life();
  const bool trims = count > 0 && begin_trim(oracle_.acknowledged_offset(count - 1), true);
  ring_full_ = false;
  // Waits for the trim, which is all there is to wake it.
  append(log_.max_body_bytes(), trims ? kNever : kPatience);
  if (ring_full_ && !over()) {
    oracle_.violate(Invariant::i16_everything_resolves,
                    "a log that was trimmed as a whole has no room for the longest record");
  }
  settle();
}

}  // namespace seqwal::sim
