// Clients that hear of their callbacks late: once each, within twice the mean, by the time alone.
#include "bench/late_target.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/support/manual_host.h"

namespace seqwal::bench {
namespace {

using testing_support::ManualHost;

constexpr Nanoseconds kMean = 1000;

// Completes when it is told to.
class HeldTarget final : public Target {
 public:
  Result<Offset> append(std::span<const std::byte> /*body*/, AppendCallback callback,
                        std::uint64_t /*key*/) override {
    if (full) return fail(ErrorCode::would_block);
    callbacks_.push_back(std::move(callback));
    return Offset{std::ssize(callbacks_) - 1};
  }
  Result<void> trim(Offset /*offset*/) override { return {}; }
  Offset durable() const override { return {0}; }
  Nanoseconds poll(Nanoseconds /*now*/) override { return kNever; }
  bool finished() const override { return false; }
  void close() override {}
  std::optional<LogMetrics> metrics() const override { return std::nullopt; }

  void complete_all() {
    for (std::size_t i = 0; i < callbacks_.size(); ++i) {
      callbacks_[i]({.status = AppendStatus::durable, .offset = {static_cast<std::int64_t>(i)}});
    }
    callbacks_.clear();
  }

  bool full = false;

 private:
  std::vector<AppendCallback> callbacks_;
};

// Appends a hundred records that all complete at time 0, and returns who heard of it when.
std::vector<std::pair<Nanoseconds, std::int64_t>> heard(Nanoseconds mean) {
  HeldTarget held;
  ManualHost host;
  LateTarget late(held, host, mean, 1);
  std::vector<std::pair<Nanoseconds, std::int64_t>> calls;
  for (int i = 0; i < 100; ++i) {
    const auto offset = late.append(
        {},
        [&calls, &host](const AppendResult& result) {
          calls.emplace_back(host.now(), result.offset.value);
        },
        0);
    EXPECT_TRUE(offset.has_value());
  }
  held.complete_all();
  while (late.next_due() != kNever) {
    host.set(late.next_due());
    late.run_due(host.now());
  }
  return calls;
}

TEST(LateTarget, EachIsHeardOnceWithinTwiceTheMean) {
  auto calls = heard(kMean);
  ASSERT_EQ(calls.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(calls, {}, &std::pair<Nanoseconds, std::int64_t>::first));
  EXPECT_LE(calls.back().first, 2 * kMean);
  EXPECT_GT(calls.back().first, kMean);
  std::ranges::sort(calls, {}, &std::pair<Nanoseconds, std::int64_t>::second);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i].second, static_cast<std::int64_t>(i));
  }
}

TEST(LateTarget, TheSameSeedGivesTheSameTimes) { EXPECT_EQ(heard(kMean), heard(kMean)); }

TEST(LateTarget, WithoutDelayNothingIsLate) {
  const auto calls = heard(0);
  ASSERT_EQ(calls.size(), 100U);
  EXPECT_EQ(calls.back(), std::pair(Nanoseconds{0}, std::int64_t{99}));
}

TEST(LateTarget, WhatWasRefusedIsNeverCalledBack) {
  HeldTarget held;
  ManualHost host;
  LateTarget late(held, host, kMean, 1);
  held.full = true;
  EXPECT_FALSE(late.append({}, [](const AppendResult&) { FAIL(); }, 0).has_value());
  held.full = false;
  int calls = 0;
  EXPECT_TRUE(late.append({}, [&calls](const AppendResult&) { ++calls; }, 0).has_value());
  held.complete_all();
  late.run_due(2 * kMean);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace seqwal::bench
