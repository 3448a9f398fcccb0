#include "bench/baseline/parallel_log.h"

#include <algorithm>
#include <utility>

#include "seqwal/check.h"

namespace seqwal::bench {
namespace {

constexpr std::int64_t kFirstWindowBytes = std::int64_t{1} << 20U;
constexpr std::int64_t kWindowStepBytes = std::int64_t{4} << 20U;
constexpr std::int64_t kWindowLimitBytes = std::int64_t{512} << 20U;
constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;

// What is left for blocks when headers are written beside them.
std::uint64_t rate_of_blocks(std::uint64_t writes_per_second) {
  return std::max(writes_per_second - std::min<std::uint64_t>(writes_per_second, 20),
                  writes_per_second / 2);
}

bool needs_durable_writes(Durability durability, const DeviceLimits& limits) {
  return durability == Durability::dsync ||
         (durability == Durability::automatic && limits.durable_write != DurableWrite::free);
}

}  // namespace

ParallelLog::ParallelLog(Device& device, Host& host, const Options& options,
                         const HeaderState& found)
    : device_(device),
      host_(host),
      geometry_(found.header().capacity_bytes),
      durable_writes_(needs_durable_writes(options.durability, device.limits())),
      tick_every_(std::max<Nanoseconds>(
          kMillisecond, static_cast<Nanoseconds>(
                            kSecond / std::max<std::uint64_t>(options.writes_per_second, 1)))),
      writes_(rate_of_blocks(options.writes_per_second)),
      blocks_(options.bytes_per_second / kBlockBytes),
      header_(found.header()),
      header_position_(1 - found.current) {
  header_.version = FormatVersion::v0;
  header_.window_bytes = std::min(kFirstWindowBytes, geometry_.section_bytes());
  header_.shutdown = ShutdownType::ungraceful;
}

ParallelLog::~ParallelLog() = default;

Result<std::unique_ptr<ParallelLog>> ParallelLog::open(Device& device, Host& host,
                                                       const Options& options) {
  SEQWAL_REQUIRE(device.limits().depth > kWriters);
  const auto found = read_headers(device, host);
  if (!found) return std::unexpected(found.error());
  std::unique_ptr<ParallelLog> log(new ParallelLog(device, host, options, *found));
  const Offset start = log->geometry_.reset_start(found->header().trim);
  if (start > kMaxOffset - 4 * log->geometry_.section_bytes()) {
    return seqwal::fail(ErrorCode::offset_exhausted, "no offsets are left: create a new log");
  }
  log->current_ = Block(start.value, 0);
  log->confirmed_ = start.value;
  log->trim_ = start.value - 1;
  // Twice: a slot that still has the former life's trim offset must not count again.
  for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
    log->write_header();
    while (log->header_in_flight_ && !log->failed_) {
      device.wait(kNever);
      log->reap(host.now());
    }
    if (log->failed_) return seqwal::fail(ErrorCode::io_error, "cannot write a header");
  }
  log->next_tick_ = host.now();
  return log;
}

// --- any thread -------------------------------------------------------------------------------

Result<Offset> ParallelLog::append(std::span<const std::byte> body, AppendCallback callback) {
  if (body.empty() || body.size() > geometry_.max_body_bytes()) {
    return seqwal::fail(ErrorCode::bad_length);
  }
  bool wakes = false;
  Result<Offset> offset;
  {
    const std::lock_guard lock(mutex_);
    offset = add_locked(body, std::move(callback));
    if (!offset) return offset;
    const std::size_t before = handed_off_.size();
    hand_off_locked(host_.now(), true);
    wakes = handed_off_.size() > before && poller_ != host_.self();
  }
  if (wakes) device_.wake();
  return offset;
}

Result<Offset> ParallelLog::add_locked(std::span<const std::byte> body, AppendCallback&& callback) {
  if (failed_) return seqwal::fail(ErrorCode::log_failed);
  if (closing_) return seqwal::fail(ErrorCode::log_closed);
  const std::int64_t record_bytes = kRecordHeaderBytes + std::ssize(body);
  if (!current_.takes(record_bytes) && !begin_block_locked(record_bytes)) {
    return seqwal::fail(ErrorCode::over_capacity);
  }
  return current_.add({.body = body, .callback = std::move(callback)});
}

bool ParallelLog::begin_block_locked(std::int64_t record_bytes) {
  Offset start{current_.end()};
  if (geometry_.left_in_cycle(start) < record_bytes) start = geometry_.next_cycle(start);
  const std::int64_t space =
      geometry_.space_end(round_down_to_block(Offset{flushed_trim_ + 1})) - start;
  if (space < record_bytes) return false;
  const std::int64_t most = std::min({space, geometry_.left_in_cycle(start), kWindowLimitBytes});
  if (!current_.empty()) sealed_.push_back(std::move(current_));
  current_ = Block(start.value, most);
  return true;
}

// The token goes first, and does not come back when there is nothing to hand off.
void ParallelLog::hand_off_locked(Nanoseconds now, bool is_limited) {
  if (is_limited && !writes_.take_one(now)) return;
  if (sealed_.empty()) {
    if (current_.empty()) return;
    Block next(current_.end(), 0);
    sealed_.push_back(std::exchange(current_, std::move(next)));
  }
  writing_.insert(sealed_.front().start());
  handed_off_.push_back(std::move(sealed_.front()));
  sealed_.pop_front();
}

std::int64_t ParallelLog::confirmed_locked() const {
  if (!writing_.empty()) return *writing_.begin();
  return sealed_.empty() ? current_.start() : sealed_.front().start();
}

Result<void> ParallelLog::trim(Offset offset) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return seqwal::fail(ErrorCode::log_failed);
    if (closing_) return seqwal::fail(ErrorCode::log_closed);
    if (offset.value >= confirmed_) return seqwal::fail(ErrorCode::not_durable);
    trim_ = std::max(trim_, offset.value);
  }
  device_.wake();
  return {};
}

Offset ParallelLog::durable() const {
  const std::lock_guard lock(mutex_);
  return {confirmed_};
}

void ParallelLog::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  device_.wake();
}

// --- the polling thread -----------------------------------------------------------------------

Nanoseconds ParallelLog::poll(Nanoseconds now) {
  if (finished_) return now;
  {
    const std::lock_guard lock(mutex_);
    poller_ = host_.self();
    header_wanted_ = header_wanted_ || trim_ > header_.trim.value;
  }
  reap(now);
  tick(now);
  start_writers(now);
  if (header_wanted_ && !header_in_flight_) write_header();
  finish_close();
  return finished_ ? now : next_deadline(now);
}

void ParallelLog::reap(Nanoseconds now) {
  std::array<IoCompletion, kWriters + 1> done{};
  const std::size_t count = device_.reap(done);
  for (const IoCompletion& completion : std::span(done).first(count)) {
    if (completion.token.slot == kHeaderSlot) {
      header_in_flight_ = false;
      if (completion.os_error != 0) {
        fail();
        continue;
      }
      window_bytes_ = header_.window_bytes;
      const std::lock_guard lock(mutex_);
      flushed_trim_ = header_.trim.value;
      continue;
    }
    Writer& writer = writers_.at(completion.token.slot);
    SEQWAL_CHECK(writer.in_flight);
    writer.in_flight = false;
    if (completion.os_error == 0 && writer.written_bytes < writer.image.bytes().size()) {
      write_on(writer, now);
    } else {
      written(writer, completion.os_error);
    }
  }
}

// At a fixed rate: one that came late is made up for.
void ParallelLog::tick(Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  for (; next_tick_ <= now; next_tick_ += tick_every_) hand_off_locked(now, true);
}

void ParallelLog::start_writers(Nanoseconds now) {
  for (Writer& writer : writers_) {
    if (writer.busy && !writer.in_flight && writer.not_before <= now) write_on(writer, now);
    if (writer.busy) continue;
    {
      const std::lock_guard lock(mutex_);
      if (handed_off_.empty() || !window_allows(handed_off_.front())) continue;
      writer.block = std::move(handed_off_.front());
      handed_off_.pop_front();
    }
    writer.busy = true;
    writer.image.compose(writer.block);
    writer.written_bytes = 0;
    writer.not_before = blocks_.reserve(writer.image.bytes().size() / kBlockBytes, now);
    if (writer.not_before <= now) write_on(writer, now);
  }
}

// Asks for a header with a longer window where the block does not fit into the one that stands.
bool ParallelLog::window_allows(const Block& block) {
  const std::int64_t needed = block.end() - confirmed_;
  if (needed <= window_bytes_) return true;
  const std::int64_t most = std::min(kWindowLimitBytes, geometry_.section_bytes());
  const std::int64_t grown = std::max(needed, std::min(needed + kWindowStepBytes, most));
  if (header_.window_bytes < grown && !header_in_flight_) {
    header_.window_bytes = grown;
    header_wanted_ = true;
  }
  return false;
}

void ParallelLog::write_on(Writer& writer, Nanoseconds now) {
  if (writer.not_before > now) return;
  const std::span<std::byte> left = writer.image.bytes().subspan(writer.written_bytes);
  const std::size_t length =
      std::min<std::size_t>(left.size(), round_down_to_block(device_.limits().max_transfer_bytes));
  const std::array segment{IoSegment{left.data(), length}};
  const Offset at = Offset{writer.block.start()} + static_cast<std::int64_t>(writer.written_bytes);
  writer.written_bytes += length;
  writer.in_flight = true;
  submit({.token = {.slot = static_cast<std::uint32_t>(&writer - writers_.data()), .generation = 0},
          .kind = IoKind::write,
          .durable = durable_writes_,
          .position = geometry_.position(at),
          .segments = segment});
}

void ParallelLog::written(Writer& writer, int os_error) {
  if (os_error != 0) {
    call_back(writer.block, AppendStatus::indeterminate);
    writer.busy = false;
    fail();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    writing_.erase(writing_.find(writer.block.start()));
    confirmed_ = std::max(confirmed_, confirmed_locked());
  }
  // Callbacks may append: the writer is free before.
  Block block = std::exchange(writer.block, Block());
  writer.busy = false;
  call_back(block, AppendStatus::durable);
}

void ParallelLog::write_header() {
  {
    const std::lock_guard lock(mutex_);
    header_.trim = {std::max(header_.trim.value, trim_)};
  }
  ++header_.stamp;
  header_wanted_ = false;
  header_in_flight_ = true;
  header_image_.compose(header_);
  const std::array segment{IoSegment{header_image_.bytes().data(), header_image_.bytes().size()}};
  submit({.token = {.slot = kHeaderSlot, .generation = 0},
          .kind = IoKind::write,
          .durable = durable_writes_,
          .position = {std::uint64_t{header_position_} * kBlockBytes},
          .segments = segment});
  header_position_ = 1 - header_position_;
}

void ParallelLog::submit(const IoRequest& request) {
  SEQWAL_CHECK(device_.submit(std::span(&request, 1)) == 1);
}

void ParallelLog::call_back(Block& block, AppendStatus status) {
  Offset offset{block.start()};
  for (PendingRecord& record : block.records()) {
    const Offset next = offset + (kRecordHeaderBytes + std::ssize(record.body));
    record.callback({.status = status, .offset = offset});
    offset = next;
  }
}

void ParallelLog::fail() {
  std::deque<Block> left;
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    for (Block& block : handed_off_) left.push_back(std::move(block));
    for (Block& block : sealed_) left.push_back(std::move(block));
    left.push_back(std::move(current_));
    handed_off_.clear();
    sealed_.clear();
    current_ = Block();
  }
  for (Block& block : left) call_back(block, AppendStatus::rejected);
}

// What was appended is written without waiting for tokens, then the header says graceful.
void ParallelLog::finish_close() {
  const bool idle =
      !header_in_flight_ && !header_wanted_ && std::ranges::none_of(writers_, &Writer::busy);
  {
    const std::lock_guard lock(mutex_);
    if (!closing_) return;
    if (!failed_) {
      hand_off_locked(0, false);
      if (!idle || !handed_off_.empty()) return;
    }
  }
  if (idle && !failed_ && header_.shutdown != ShutdownType::graceful) {
    header_.shutdown = ShutdownType::graceful;
    write_header();
    return;
  }
  finished_ = idle;
}

Nanoseconds ParallelLog::next_deadline(Nanoseconds now) {
  Nanoseconds deadline = next_tick_;
  for (const Writer& writer : writers_) {
    if (writer.busy && !writer.in_flight) deadline = std::min(deadline, writer.not_before);
  }
  const std::lock_guard lock(mutex_);
  const bool could_start =
      !handed_off_.empty() &&
      std::ranges::any_of(writers_, [](const Writer& writer) { return !writer.busy; });
  // A block that waits for the window waits for a header, which is in flight.
  return could_start && !header_in_flight_ ? now : deadline;
}

}  // namespace seqwal::bench
