// The baseline: it keeps the format, and it is the model that it says it is.
#include "bench/baseline/parallel_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bench/baseline/token_bucket.h"
#include "tests/support/log_world.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace seqwal::bench {
namespace {

using testing_support::CompletionOrder;
using testing_support::ManualHost;
using testing_support::MemoryDevice;
using testing_support::recover_image;

constexpr std::uint64_t kCapacity = 1U << 20U;
constexpr Nanoseconds kMillisecond = 1'000'000;

class ParallelLogTest : public testing::Test {
 protected:
  ParallelLogTest() : device_(kCapacity), host_(1'000'000'000) {
    EXPECT_TRUE(create_log(device_, host_, {.capacity_bytes = kCapacity}).has_value());
  }
  ~ParallelLogTest() override {
    if (log_ == nullptr) return;
    device_.set_order(CompletionOrder::in_order);
    log_->close();
    while (!log_->finished()) poll();
  }

  void open(const ParallelLog::Options& options = {}) {
    auto log = ParallelLog::open(device_, host_, options);
    ASSERT_TRUE(log.has_value());
    log_ = std::move(*log);
  }

  // The bodies live as long as the test.
  Result<Offset> append(std::size_t length, char letter = 'x') {
    bodies_.emplace_back(length, letter);
    const std::string& body = bodies_.back();
    const auto offset =
        log_->append(std::as_bytes(std::span(body)), [this](const AppendResult& result) {
          called_.push_back(result.offset);
          statuses_.push_back(result.status);
        });
    if (offset) appended_[*offset] = body;
    return offset;
  }
  void poll() { static_cast<void>(log_->poll(host_.now())); }
  void poll_until_durable() {
    while (log_->durable() <= appended_.rbegin()->first) poll();
  }
  void trim_everything() {
    poll_until_durable();
    ASSERT_TRUE(log_->trim(appended_.rbegin()->first).has_value());
    appended_.clear();
    for (int step = 0; step < 3; ++step) poll();
  }
  void pass(Nanoseconds time) {
    host_.advance(time);
    poll();
  }
  [[nodiscard]] std::uint64_t writes() const { return device_.counts().writes; }

  MemoryDevice device_;
  ManualHost host_;
  std::unique_ptr<ParallelLog> log_;
  std::deque<std::string> bodies_;
  std::map<Offset, std::string> appended_;
  std::vector<Offset> called_;
  std::vector<AppendStatus> statuses_;
};

TEST_F(ParallelLogTest, RecoveryGivesRecordForRecordWhatItWrote) {
  open();
  std::mt19937 random(1);
  device_.set_order(CompletionOrder::shuffled);
  int trims = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::size_t length = random() % 10 == 0 ? 20'000 : 1 + random() % 3000;
    const auto offset = append(length, static_cast<char>('a' + i % 26));
    if (!offset) {
      ASSERT_EQ(offset.error().code, ErrorCode::over_capacity);
      trim_everything();
      ++trims;
    }
    if (random() % 3 == 0) poll();
  }
  poll_until_durable();
  std::map<Offset, std::string> recovered;
  for (const auto& record : recover_image(device_.image())) {
    for (const std::byte byte : record.body) {
      recovered[record.offset] += static_cast<char>(byte);
    }
  }
  ASSERT_FALSE(appended_.empty());
  EXPECT_EQ(recovered, appended_);
  EXPECT_GT(trims, 2);
}

TEST_F(ParallelLogTest, WithoutLimiterEachRecordIsAWriteOfItsOwn) {
  open();
  const std::uint64_t before = writes();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(100).has_value());
  poll();
  EXPECT_EQ(writes() - before, 5U);
}

TEST_F(ParallelLogTest, RecordsShareABlockWhileTheLimiterMakesThemWait) {
  open({.writes_per_second = 120});  // 100 for blocks, ten at once
  const std::uint64_t before = writes();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(append(100).has_value());
  poll();
  poll();  // more than eight
  EXPECT_EQ(writes() - before, 10U);
  pass(10 * kMillisecond);
  EXPECT_EQ(writes() - before, 11U);
  poll();
  EXPECT_EQ(called_.size(), 30U);
}

TEST_F(ParallelLogTest, ATickWithNothingToWriteTakesATokenAllTheSame) {
  open({.writes_per_second = 120});
  for (int i = 0; i < 100; ++i) pass(8 * kMillisecond);  // a token each, more than come back
  const std::uint64_t before = writes();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(100).has_value());
  poll();
  EXPECT_LT(writes() - before, 3U);
}

TEST_F(ParallelLogTest, EightBlocksAreInFlightAndTheirCallbacksRunAsTheyComplete) {
  open();
  device_.set_order(CompletionOrder::held);
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(append(100).has_value());
  poll();
  ASSERT_EQ(device_.pending().size(), ParallelLog::kWriters);
  device_.complete(3);
  poll();
  ASSERT_EQ(called_.size(), 1U);
  const auto fourth = std::next(appended_.begin(), 3)->first;
  EXPECT_EQ(called_[0], fourth);
  EXPECT_EQ(log_->durable(), appended_.begin()->first);
  EXPECT_EQ(device_.pending().size(), ParallelLog::kWriters);  // the ninth went in its place
  device_.complete_all();
  poll();
  EXPECT_EQ(called_.size(), 9U);
  EXPECT_GT(log_->durable(), appended_.rbegin()->first);
}

TEST_F(ParallelLogTest, ABlockBeyondTheWindowWaitsForTheHeader) {
  const std::uint64_t capacity = 16U << 20U;
  MemoryDevice device(capacity);
  ASSERT_TRUE(create_log(device, host_, {.capacity_bytes = capacity}).has_value());
  auto log = ParallelLog::open(device, host_, {});
  ASSERT_TRUE(log.has_value());
  const std::vector<std::byte> body(250'000);
  int called = 0;
  device.set_order(CompletionOrder::held);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE((*log)->append(body, [&called](const AppendResult&) { ++called; }).has_value());
  }
  static_cast<void>((*log)->poll(host_.now()));
  const auto pending = device.pending();
  ASSERT_EQ(pending.size(), 5U);  // four blocks fit into 1 MiB; then a header
  EXPECT_LT(pending.back().position.value, kHeaderAreaBytes);
  device.complete(4);
  static_cast<void>((*log)->poll(host_.now()));
  static_cast<void>((*log)->poll(host_.now()));
  EXPECT_EQ(device.pending().size(), 5U);
  device.set_order(CompletionOrder::in_order);
  (*log)->close();
  while (!(*log)->finished()) static_cast<void>((*log)->poll(host_.now()));
  EXPECT_EQ(called, 5);
}

TEST_F(ParallelLogTest, AFailedWriteEndsIt) {
  open();
  device_.add_fault({.kind = IoKind::write});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(100).has_value());
  for (int i = 0; i < 3; ++i) poll();
  EXPECT_EQ(statuses_.size(), 10U);
  EXPECT_EQ(std::ranges::count(statuses_, AppendStatus::indeterminate), 1);
  EXPECT_EQ(append(100).error().code, ErrorCode::log_failed);
}

TEST_F(ParallelLogTest, ClosingWritesWhatWaitsForTokens) {
  open({.writes_per_second = 40});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(100).has_value());
  log_->close();
  for (int i = 0; i < 10 && !log_->finished(); ++i) poll();
  EXPECT_TRUE(log_->finished());
  EXPECT_EQ(called_.size(), 10U);
  EXPECT_EQ(append(100).error().code, ErrorCode::log_closed);
  EXPECT_EQ(read_headers(device_, host_)->header().shutdown, ShutdownType::graceful);
}

TEST(TokenBucket, GivesABurstThenTheRate) {
  TokenBucket bucket(1000);
  int taken = 0;
  for (Nanoseconds now = 0; now < 1'000'000'000; now += 100'000)
    taken += bucket.take_one(now) ? 1 : 0;
  EXPECT_EQ(taken, 100 + 999);
}

TEST(TokenBucket, LendsWhatIsNotThereYet) {
  TokenBucket bucket(1000);
  EXPECT_EQ(bucket.reserve(100, 0), 0);
  EXPECT_EQ(bucket.reserve(50, 0), 50 * kMillisecond);
  EXPECT_FALSE(bucket.take_one(50 * kMillisecond));
  EXPECT_TRUE(bucket.take_one(51 * kMillisecond));
}

TEST(TokenBucket, WithoutARateIsNeverEmpty) {
  TokenBucket bucket(0);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(bucket.take_one(0));
  EXPECT_EQ(bucket.reserve(1U << 30U, 7), 7);
}

}  // namespace
}  // namespace seqwal::bench
