// Records that arrive when they arrive: at their rate, in order, and late by their own account.
#include "bench/clients/open_loop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "tests/support/manual_host.h"

namespace seqwal::bench {
namespace {

using testing_support::ManualHost;

constexpr std::int64_t kSectionBytes = 1 << 20;

TEST(Arrivals, HaveTheMeanAndTheSpreadOfAnExponential) {
  constexpr int kCount = 200'000;
  Arrivals arrivals(1000, 1);  // a millisecond apart on average
  double sum = 0;
  double squares = 0;
  int beyond_mean = 0;
  for (int i = 0; i < kCount; ++i) {
    const double gap = static_cast<double>(arrivals.next_gap()) * 1e-6;
    ASSERT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
    if (gap > 1) ++beyond_mean;
  }
  EXPECT_NEAR(sum / kCount, 1, 0.01);
  EXPECT_NEAR(squares / kCount, 2, 0.05);
  EXPECT_NEAR(beyond_mean, kCount * std::exp(-1), kCount * 0.005);
}

TEST(Arrivals, AreAFunctionOfTheSeed) {
  Arrivals one(90'000, 7);
  Arrivals same(90'000, 7);
  Arrivals other(90'000, 8);
  int differ = 0;
  for (int i = 0; i < 100; ++i) {
    const Nanoseconds gap = one.next_gap();
    EXPECT_EQ(gap, same.next_gap());
    if (gap != other.next_gap()) ++differ;
  }
  EXPECT_GT(differ, 90);
}

// Completes when it is told to, and has room for as many as it is told.
class HeldTarget final : public Target {
 public:
  Result<Offset> append(std::span<const std::byte> /*body*/, AppendCallback callback,
                        std::uint64_t /*key*/) override {
    if (error != ErrorCode::would_block) return fail(error);
    if (callbacks_.size() >= room) return fail(ErrorCode::would_block);
    callbacks_.push_back(std::move(callback));
    return Offset{next_++};
  }
  Result<void> trim(Offset /*offset*/) override { return {}; }
  Offset durable() const override { return {0}; }
  Nanoseconds poll(Nanoseconds /*now*/) override { return kNever; }
  bool finished() const override { return false; }
  void close() override {}
  std::optional<LogMetrics> metrics() const override { return std::nullopt; }

  [[nodiscard]] std::size_t held() const { return callbacks_.size(); }
  void complete_all() {
    for (AppendCallback& callback : std::exchange(callbacks_, {})) {
      callback({.status = AppendStatus::durable, .offset = {completed_++}});
    }
  }

  std::size_t room = 1'000'000;
  ErrorCode error = ErrorCode::would_block;

 private:
  std::vector<AppendCallback> callbacks_;
  std::int64_t next_ = 0;
  std::int64_t completed_ = 0;
};

class OpenLoopTest : public testing::Test {
 protected:
  OpenLoopTest() {
    meter_.begin();
    loop_.start();
  }
  // The next arrival, at its time.
  Nanoseconds arrive() {
    const Nanoseconds due = loop_.next_due();
    host_.set(due);
    loop_.run_due(due);
    return due;
  }

  ManualHost host_;
  HeldTarget target_;
  Meter meter_{target_, kSectionBytes};
  OpenLoop loop_{target_, host_, meter_, {.record_bytes = 100, .arrivals_per_second = 1000}};
};

TEST_F(OpenLoopTest, NobodyWaitsForThoseBefore) {
  for (std::size_t i = 1; i <= 100; ++i) {
    static_cast<void>(arrive());
    EXPECT_EQ(target_.held(), i);
  }
  EXPECT_EQ(meter_.tally().arrived, 100U);
  EXPECT_EQ(meter_.tally().late, 0);
}

TEST_F(OpenLoopTest, WhoIsAppendedLateCountsFromItsArrival) {
  const Nanoseconds due = loop_.next_due();
  host_.set(due + 500);
  loop_.run_due(due + 500);
  EXPECT_EQ(meter_.tally().late, 500);
  host_.set(due + 800);
  target_.complete_all();
  EXPECT_EQ(meter_.tally().latencies.max(), 800);
}

TEST_F(OpenLoopTest, WhoFindsNoRoomWaitsAndThatCounts) {
  target_.room = 1;
  static_cast<void>(arrive());
  const Nanoseconds second = arrive();
  EXPECT_EQ(target_.held(), 1U);
  target_.complete_all();  // makes room, and says so
  EXPECT_EQ(target_.held(), 1U);
  host_.set(second + 10'000'000);
  target_.complete_all();
  EXPECT_EQ(meter_.tally().latencies.count(), 2U);
  EXPECT_EQ(meter_.tally().latencies.max(), 10'000'000);
}

TEST_F(OpenLoopTest, IsIdleOnceItWasStoppedAndNothingIsInFlight) {
  target_.room = 2;
  for (int i = 0; i < 5; ++i) static_cast<void>(arrive());
  EXPECT_FALSE(loop_.idle());
  loop_.stop();
  EXPECT_EQ(loop_.next_due(), kNever);
  EXPECT_FALSE(loop_.idle());
  target_.complete_all();
  EXPECT_EQ(target_.held(), 0U);
  EXPECT_TRUE(loop_.idle());
}

TEST_F(OpenLoopTest, ALogThatTakesNothingEndsIt) {
  target_.error = ErrorCode::log_closed;
  static_cast<void>(arrive());
  EXPECT_TRUE(loop_.idle());
  EXPECT_EQ(meter_.first_refusal(), ErrorCode::log_closed);
  EXPECT_EQ(meter_.tally().failed, 1U);
}

}  // namespace
}  // namespace seqwal::bench
