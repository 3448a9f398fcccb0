#include "seqwal/backends/posix_host.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace seqwal {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;

TEST(PosixHost, TimeGoesOn) {
  PosixHost host;
  const Nanoseconds before = host.now();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_GE(host.now() - before, 2 * kMillisecond);
}

TEST(PosixHost, ParkReturnsAtOnceWhenTheWordHasChanged) {
  PosixHost host;
  const std::atomic<std::uint32_t> word{5};
  host.park(word, 4, kNever);
}

TEST(PosixHost, ParkEndsAtItsDeadline) {
  PosixHost host;
  const std::atomic<std::uint32_t> word{5};
  const Nanoseconds deadline = host.now() + 20 * kMillisecond;
  while (host.now() < deadline) host.park(word, 5, deadline);
  EXPECT_LT(host.now() - deadline, 5000 * kMillisecond);
  for (const Nanoseconds past : {Nanoseconds{0}, Nanoseconds{-1}, host.now() - 1}) {
    host.park(word, 5, past);
  }
}

TEST(PosixHost, UnparkWakesEverybody) {
  PosixHost host;
  std::atomic<std::uint32_t> word{0};
  std::vector<std::thread> parked;
  parked.reserve(4);
  for (int i = 0; i < 4; ++i) {
    parked.emplace_back([&] {
      while (word.load() == 0) host.park(word, 0, kNever);
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  word = 1;
  host.unpark_all(word);
  for (std::thread& thread : parked) thread.join();
}

TEST(PosixHost, SelfNamesTheThread) {
  PosixHost host;
  EXPECT_NE(host.self(), 0U);
  EXPECT_EQ(host.self(), host.self());
  std::uint64_t other = 0;
  std::thread([&] { other = host.self(); }).join();
  EXPECT_NE(other, 0U);
  EXPECT_NE(other, host.self());
}

}  // namespace
}  // namespace seqwal
