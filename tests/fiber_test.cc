#include "seqwal/sim/fiber.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace seqwal::sim {
namespace {

TEST(Fiber, RunsFromYieldToYield) {
  std::vector<int> seen;
  Fiber fiber;
  EXPECT_TRUE(fiber.idle());
  fiber.start([&] {
    seen.push_back(1);
    fiber.yield();
    seen.push_back(2);
  });
  EXPECT_FALSE(fiber.idle());
  EXPECT_TRUE(seen.empty());
  fiber.resume();
  EXPECT_EQ(seen, (std::vector<int>{1}));
  EXPECT_FALSE(fiber.idle());
  fiber.resume();
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
  EXPECT_TRUE(fiber.idle());
}

TEST(Fiber, TakesAnotherTaskOnTheSameStack) {
  Fiber fiber;
  int runs = 0;
  for (int i = 0; i < 3; ++i) {
    fiber.start([&] { ++runs; });
    fiber.resume();
  }
  EXPECT_EQ(runs, 3);
}

TEST(Fiber, FreesWhatATaskOwned) {
  const auto held = std::make_shared<int>(1);
  Fiber fiber;
  fiber.start([&fiber, copy = held] {
    const std::vector<std::shared_ptr<int>> more(10, copy);
    fiber.yield();
  });
  fiber.resume();
  EXPECT_EQ(held.use_count(), 12);
  fiber.resume();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Fiber, HasAStackOfItsOwn) {
  std::vector<std::unique_ptr<Fiber>> fibers;
  int sum = 0;
  const auto deep = [&](auto&& self, Fiber& fiber, int depth) -> int {
    if (depth == 0) {
      fiber.yield();
      return 1;
    }
    return self(self, fiber, depth - 1) + 1;
  };
  for (int i = 0; i < 20; ++i) {
    fibers.push_back(std::make_unique<Fiber>());
    fibers.back()->start(
        [&, i] { sum += deep(deep, *fibers[static_cast<std::size_t>(i)], i * 10); });
  }
  for (int round = 0; round < 2; ++round) {
    for (auto& fiber : fibers) fiber->resume();
  }
  EXPECT_EQ(sum, 20 + 10 * 190);
}

}  // namespace
}  // namespace seqwal::sim
