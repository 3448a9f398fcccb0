// io_uring on other kernels than this one: every set of features, registration refused, and a
// completion queue that is never asked for more than it holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "seqwal/backends/open.h"
#include "seqwal/device.h"
#include "tests/support/liburing_calls.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kBytes = std::uint64_t{4} << 20U;
constexpr unsigned kBest =
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
constexpr unsigned kGood = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;

class RingSetup : public testing::Test {
 protected:
  void SetUp() override {
    options_.path = directory_ / "disk";
    options_.depth = 8;
    write_file(options_.path, kBytes);
    auto opened = open_device(options_);
    ASSERT_TRUE(opened) << opened.error().message();
    if (opened->kind != DeviceKind::uring) GTEST_SKIP() << opened->kind_reason;
  }

  [[nodiscard]] OpenedDevice open() {
    auto opened = open_device(options_);
    EXPECT_TRUE(opened) << opened.error().message();
    return std::move(*opened);
  }

  // Writes, flushes, reads back, and is woken.
  void expect_works(Device& device) {
    std::ranges::fill(out_.span(), static_cast<std::byte>(++fill_));
    const std::array out{IoSegment{out_.data(), out_.size()}};
    const std::array in{IoSegment{in_.data(), in_.size()}};
    EXPECT_EQ(run(device, {.token = {},
                           .kind = IoKind::write,
                           .durable = true,
                           .position = {8192},
                           .segments = out}),
              0);
    EXPECT_EQ(run(device, {.token = {}, .kind = IoKind::flush, .position = {}, .segments = {}}), 0);
    EXPECT_EQ(run(device, {.token = {}, .kind = IoKind::read, .position = {8192}, .segments = in}),
              0);
    EXPECT_TRUE(std::ranges::equal(out_.span(), in_.span()));
    std::thread waker([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      device.wake();
    });
    device.wait(kNever);
    waker.join();
  }
  int run(Device& device, const IoRequest& request) {
    EXPECT_EQ(device.submit({&request, 1}), 1U);
    std::array<IoCompletion, 1> completion;
    while (device.reap(completion) == 0) device.wait(kNever);
    return completion[0].os_error;
  }

  TempDir directory_;
  OpenOptions options_;
  AlignedMemory out_{16384};
  AlignedMemory in_{16384};
  int fill_ = 0;
};

TEST_F(RingSetup, TheBestFeaturesThatTheKernelKnowsAreUsed) {
  struct Kernel {
    unsigned knows;
    std::vector<unsigned> asked;
  };
  for (const Kernel& kernel :
       {Kernel{~0U, {kBest}}, Kernel{kGood, {kBest, kGood}},
        Kernel{IORING_SETUP_SINGLE_ISSUER, {kBest, kGood, 0}}, Kernel{0, {kBest, kGood, 0}}}) {
    KernelAnswers answers;
    answers.known_setup_flags = kernel.knows;
    const OpenedDevice opened = open();
    EXPECT_EQ(opened.kind, DeviceKind::uring) << opened.kind_reason;
    EXPECT_THAT(opened.kind_reason, IsEmpty());
    EXPECT_EQ(answers.setups, kernel.asked);
    expect_works(*opened.device);
  }
}

TEST_F(RingSetup, ARefusalIsNotAskedAboutTwiceAndThreadsDoTheWork) {
  for (const int os_error : {EPERM, ENOSYS, ENOMEM, EMFILE}) {
    KernelAnswers answers;
    answers.setup_error = os_error;
    const OpenedDevice opened = open();
    EXPECT_EQ(opened.kind, DeviceKind::threads);
    EXPECT_THAT(opened.kind_reason, HasSubstr("io_uring_setup: "));
    EXPECT_THAT(answers.setups, ElementsAre(kBest));
    expect_works(*opened.device);
  }
}

TEST_F(RingSetup, AKernelThatKnowsNoneOfThemIsRefusedLikeAnyOther) {
  KernelAnswers answers;
  answers.setup_error = EINVAL;
  const OpenedDevice opened = open();
  EXPECT_EQ(opened.kind, DeviceKind::threads);
  EXPECT_THAT(answers.setups, ElementsAre(kBest, kGood, 0U));
  expect_works(*opened.device);
}

TEST_F(RingSetup, WithoutWhatIsNeededThreadsDoTheWork) {
  for (const unsigned feature : {IORING_FEAT_NODROP, IORING_FEAT_EXT_ARG}) {
    KernelAnswers answers;
    answers.missing_features = feature;
    const OpenedDevice opened = open();
    EXPECT_EQ(opened.kind, DeviceKind::threads);
    EXPECT_THAT(opened.kind_reason, HasSubstr("lacks features"));
    expect_works(*opened.device);
  }
}

// One more than the depth: the operation that waits for a wake-up.
TEST_F(RingSetup, ACompletionQueueBelowTheDepthIsRefused) {
  for (const unsigned entries : {1U, 8U, 9U}) {
    KernelAnswers answers;
    answers.completion_entries = entries;
    const OpenedDevice opened = open();
    EXPECT_EQ(opened.kind, entries < 9 ? DeviceKind::threads : DeviceKind::uring) << entries;
    expect_works(*opened.device);
  }
}

TEST_F(RingSetup, ARefusedRegistrationIsSaidAndGoneWithout) {
  for (const int os_error : {EPERM, ENOMEM, EOPNOTSUPP}) {
    KernelAnswers answers;
    answers.register_files_error = os_error;
    const OpenedDevice opened = open();
    EXPECT_EQ(opened.kind, DeviceKind::uring);
    EXPECT_THAT(opened.kind_reason, HasSubstr("not registered"));
    expect_works(*opened.device);
  }
}

TEST_F(RingSetup, ARingThatCannotBeEnteredIsFoundOutAtOpening) {
  KernelAnswers answers;
  answers.enter_error = EPERM;
  const OpenedDevice opened = open();
  EXPECT_EQ(opened.kind, DeviceKind::threads);
  EXPECT_THAT(opened.kind_reason, HasSubstr("io_uring_enter: "));
  expect_works(*opened.device);
}

// Everything in flight completes before anything is taken, again and again, and the waker as well:
// no completion is lost, none comes twice.
TEST_F(RingSetup, AFullCompletionQueueLosesNothing) {
  for (const std::uint32_t depth : {1U, 8U, 128U, 1024U}) {
    options_.depth = depth;
    const OpenedDevice opened = open();
    Device& device = *opened.device;
    const std::array segment{IoSegment{in_.data(), 4096}};
    for (std::uint32_t round = 0; round < 10; ++round) {
      std::vector<IoRequest> requests;
      requests.reserve(depth + 1);
      for (std::uint32_t i = 0; i <= depth; ++i) {
        requests.push_back({.token = {i, round},
                            .kind = IoKind::read,
                            .position = {std::uint64_t{i % 512} * 4096},
                            .segments = segment});
      }
      ASSERT_EQ(device.submit(requests), depth) << "no more than the queue holds";
      device.wake();
      device.wait(kNever);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::vector<bool> seen(depth);
      for (std::uint32_t left = depth; left > 0;) {
        std::array<IoCompletion, 64> completions;
        const std::size_t got = device.reap(completions);
        for (const IoCompletion& completion : std::span(completions).first(got)) {
          ASSERT_EQ(completion.os_error, 0);
          ASSERT_EQ(completion.token.generation, round);
          ASSERT_FALSE(seen.at(completion.token.slot));
          seen.at(completion.token.slot) = true;
        }
        left -= static_cast<std::uint32_t>(got);
        if (got == 0) device.wait(kNever);
      }
      std::array<IoCompletion, 1> none;
      ASSERT_EQ(device.reap(none), 0U);
    }
  }
}

}  // namespace
}  // namespace seqwal::testing_support
