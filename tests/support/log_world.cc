#include "tests/support/log_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace seqwal::testing_support {

std::size_t EventRecorder::count(EventKind kind) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(events, [kind](const Event& event) { return event.kind == kind; }));
}

std::vector<std::byte> make_body(std::uint64_t seed, std::size_t length_bytes) {
  std::vector<std::byte> body(length_bytes);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (std::byte& byte : body) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<std::byte>(state >> 32U);
  }
  return body;
}

LogWorld::LogWorld(const LogWorldOptions& options) {
  DeviceLimits limits = options.limits;
  device_ = std::make_unique<MemoryDevice>(options.capacity_bytes, limits);
  const auto created = create_log(
      *device_, host,
      {.capacity_bytes = options.capacity_bytes, .version = options.version, .force = true});
  if (!created) ADD_FAILURE() << created.error().message();
  open(options, true);
}

LogWorld::LogWorld(std::vector<std::byte> image, const LogWorldOptions& options, bool reset) {
  device_ = std::make_unique<MemoryDevice>(std::move(image), options.limits);
  open(options, reset);
}

void LogWorld::open(const LogWorldOptions& options, bool reset) {
  auto log = Log::open(*device_, host, options.log, &events);
  if (!log) {
    ADD_FAILURE() << log.error().message();
    return;
  }
  log_ = std::move(*log);
  const auto report = log_->recover([this](const RecoveredRecord& record) {
    found_.push_back({record.offset, {record.body.begin(), record.body.end()}});
    return true;
  });
  if (!report) ADD_FAILURE() << report.error().message();
  if (!reset) return;
  const auto start = log_->reset({.version = options.version});
  if (!start) {
    ADD_FAILURE() << start.error().message();
    return;
  }
  start_ = *start;
}

LogWorld::~LogWorld() {
  if (log_ == nullptr || start_ == kNoOffset) return;
  device_->set_order(CompletionOrder::in_order);
  log_->close();
  for (int i = 0; i < 10000 && !log_->finished(); ++i) poll_paced();
  EXPECT_TRUE(log_->finished()) << "the log does not come to its end";
  poll();  // what it gave up waiting for
}

Result<Offset> LogWorld::try_append(std::size_t body_bytes) {
  std::vector<std::byte> body = make_body(++appends_, body_bytes);
  const auto offset =
      log_->append(body, [this](const AppendResult& result) { results_.push_back(result); });
  if (offset) {
    EXPECT_FALSE(appended_.contains(*offset)) << "offset given twice: " << offset->value;
    appended_.emplace(*offset, std::move(body));  // moving keeps the memory of a long body in place
  }
  return offset;
}

Offset LogWorld::append(std::size_t body_bytes) {
  const auto offset = try_append(body_bytes);
  EXPECT_TRUE(offset.has_value()) << offset.error().message();
  return offset.value_or(kNoOffset);
}

Result<void> LogWorld::trim(Offset offset) {
  auto accepted =
      log_->trim(offset, [this](const Result<Offset>& result) { trims_.push_back(result); });
  if (accepted) trim_asked_ = std::max(trim_asked_, offset);
  return accepted;
}

void LogWorld::run() {
  for (int quiet = 0, steps = 0; quiet < 3 && steps < 1'000'000; ++steps) {
    const std::size_t before = results_.size() + trims_.size();
    const IoCounts io = device_->counts();
    const std::size_t in_flight = device_->in_flight();
    const bool wants_more = log_->poll(host.now()) <= host.now();
    const IoCounts now = device_->counts();
    const bool moved = results_.size() + trims_.size() != before || wants_more ||
                       now.reads != io.reads || now.writes != io.writes ||
                       now.flushes != io.flushes || device_->in_flight() != in_flight;
    quiet = moved ? 0 : quiet + 1;
  }
}

void LogWorld::poll_paced() {
  constexpr Nanoseconds kMost = 200'000'000;
  const Nanoseconds now = host.now();
  const Nanoseconds next = log_->poll(now);
  if (next > now && next - now <= kMost) host.set(next);
}

void LogWorld::close() {
  log_->close();
  for (int i = 0; i < 100000 && !log_->finished(); ++i) poll_paced();
  EXPECT_TRUE(log_->finished());
}

void LogWorld::kill() {
  device_->abandon();
  log_.reset();
}

std::vector<Offset> LogWorld::acked() const {
  std::vector<Offset> offsets;
  for (const AppendResult& result : results_) {
    if (result.status == AppendStatus::durable) offsets.push_back(result.offset);
  }
  return offsets;
}

std::vector<Recovered> recover_image(const std::vector<std::byte>& image, RecoveryMode mode,
                                     bool salvage) {
  MemoryDevice device(image);
  ManualHost host;
  std::vector<Recovered> records;
  auto recovery = Recovery::open(device, host, {.mode = mode, .salvage = salvage});
  if (!recovery) {
    ADD_FAILURE() << recovery.error().message();
    return records;
  }
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) {
      ADD_FAILURE() << record.error().message();
      break;
    }
    if (!*record) break;
    records.push_back({(*record)->offset, {(*record)->body.begin(), (*record)->body.end()}});
  }
  return records;
}

Result<RecoveryReport> read_image(const std::vector<std::byte>& image,
                                  const RecoveryOptions& options) {
  MemoryDevice device(image);
  ManualHost host;
  auto recovery = Recovery::open(device, host, options);
  if (!recovery) return std::unexpected(recovery.error());
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) return std::unexpected(record.error());
    if (!*record) return (*recovery)->report();
  }
}

}  // namespace seqwal::testing_support
