// The contract of Device (seqwal/device.h), point by point, for every implementation: io_uring and
// threads, on a file and on a block device, both also with short and interrupted system calls all
// the time, and with registered buffers, and the in-memory twin with awkward alignments.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "seqwal/backends/posix_host.h"
#include "seqwal/device.h"
#include "tests/support/device_subjects.h"
#include "tests/support/skip.h"

namespace seqwal::testing_support {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr std::size_t kArenaBytes = std::size_t{16} << 20U;
constexpr Nanoseconds kPatience = 30'000 * kMillisecond;

// --- the language of the tests --------------------------------------------------------------

class DeviceContract : public testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override {
    subject_ = GetParam().make();
    if (subject_.device == nullptr) GTEST_SKIP() << subject_.why_not;
    device_ = subject_.device.get();
    unit_ = std::max(device_->limits().block_bytes, device_->limits().buffer_alignment_bytes);
    if (!GetParam().announces) return;
    arena_.emplace(kArenaBytes);
    Memory::free = arena_->span();
    const std::array regions{arena_->span()};
    if (const int os_error = device_->use_memory(regions); os_error != 0) {
      GTEST_SKIP() << no_locked_memory(os_error);
    }
  }
  void TearDown() override {
    Memory::free = {};
    subject_.device.reset();  // before the memory it was told of
  }

  // Memory for transfers: from what was announced to the device, as long as there is some.
  class Memory {
   public:
    explicit Memory(std::size_t bytes) {
      const std::size_t taken = (bytes + kAlignment - 1) / kAlignment * kAlignment;
      if (taken <= free.size()) {
        span_ = free.first(bytes);
        free = free.subspan(taken);
      } else {
        own_ = std::make_unique<AlignedMemory>(bytes);
        span_ = own_->span();
      }
    }
    [[nodiscard]] std::byte* data() const { return span_.data(); }
    [[nodiscard]] std::size_t size() const { return span_.size(); }
    [[nodiscard]] std::span<std::byte> span() const { return span_; }

    static inline std::span<std::byte> free;  // of the arena, what no test has taken yet

   private:
    static constexpr std::size_t kAlignment = 16384;

    std::span<std::byte> span_;
    std::unique_ptr<AlignedMemory> own_;
  };

  [[nodiscard]] const DeviceLimits& limits() const { return device_->limits(); }
  [[nodiscard]] Nanoseconds now() { return host_.now(); }

  static IoRequest request(IoKind kind, std::uint64_t position, std::span<const IoSegment> segments,
                           IoToken token = {1, 1}, bool durable = false) {
    return {.token = token,
            .kind = kind,
            .durable = durable,
            .position = {position},
            .segments = segments};
  }
  static IoRequest flush_request(IoToken token = {1, 1}) {
    return request(IoKind::flush, 0, {}, token);
  }

  // Waits until `count` completions have come. Fewer when they do not within the patience.
  std::vector<IoCompletion> reap(std::size_t count) {
    std::vector<IoCompletion> all;
    const Nanoseconds give_up = now() + kPatience;
    while (all.size() < count && now() < give_up) {
      std::array<IoCompletion, 5> some;
      const std::size_t got =
          device_->reap(std::span(some).first(std::min<std::size_t>(5, count - all.size())));
      all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got));
      if (got == 0) device_->wait(give_up);
    }
    return all;
  }

  // Runs one request; the error it completed with.
  int run(const IoRequest& one) {
    EXPECT_EQ(device_->submit({&one, 1}), 1U);
    const auto completions = reap(1);
    if (completions.size() != 1) return ETIMEDOUT;
    EXPECT_EQ(completions[0].token, one.token);
    return completions[0].os_error;
  }
  int write(std::uint64_t position, std::span<std::byte> bytes, bool durable = false) {
    const std::array segment{IoSegment{bytes.data(), bytes.size()}};
    return run(request(IoKind::write, position, segment, {2, 3}, durable));
  }
  int read(std::uint64_t position, std::span<std::byte> bytes) {
    const std::array segment{IoSegment{bytes.data(), bytes.size()}};
    return run(request(IoKind::read, position, segment));
  }
  int flush() { return run(flush_request()); }

  void fill(std::span<std::byte> bytes) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
  }
  static bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
    return std::ranges::equal(a, b);
  }

  // The whole device, read in largest transfers.
  std::vector<std::byte> contents() {
    std::vector<std::byte> all;
    const Memory buffer(limits().max_transfer_bytes);
    for (std::uint64_t at = 0; at < kDeviceBytes; at += buffer.size()) {
      EXPECT_EQ(read(at, buffer.span()), 0);
      all.insert(all.end(), buffer.span().begin(), buffer.span().end());
    }
    return all;
  }

  std::optional<AlignedMemory> arena_;
  Subject subject_;
  Device* device_ = nullptr;
  std::size_t unit_ = 0;  // a length and position that every implementation takes
  PosixHost host_;
  std::minstd_rand random_{20};
};

INSTANTIATE_TEST_SUITE_P(All, DeviceContract, testing::ValuesIn(implementations()),
                         [](const auto& parameter) { return parameter.param.name; });

// --- limits ---------------------------------------------------------------------------------

TEST_P(DeviceContract, LimitsMakeSense) {
  EXPECT_EQ(limits().size_bytes, kDeviceBytes);
  EXPECT_TRUE(std::has_single_bit(limits().block_bytes));
  EXPECT_TRUE(std::has_single_bit(limits().buffer_alignment_bytes));
  EXPECT_GE(limits().block_bytes, 512U);
  EXPECT_EQ(limits().depth, 16U);
  EXPECT_GE(limits().max_transfer_bytes, limits().best_transfer_bytes);
  EXPECT_EQ(limits().max_transfer_bytes % limits().block_bytes, 0U);
  EXPECT_GE(limits().best_transfer_bytes, 4096U);
  EXPECT_GE(limits().atomic_write_bytes, 512U);
  EXPECT_EQ(limits().volatile_cache, limits().durable_write != DurableWrite::free);
}

// --- 1: exactly one completion --------------------------------------------------------------

TEST_P(DeviceContract, EveryAcceptedRequestCompletesExactlyOnce) {
  const Memory buffer(unit_ * 16);
  std::map<std::uint32_t, int> seen;
  std::uint32_t generation = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<IoSegment> segments;
    std::vector<IoRequest> requests;
    segments.reserve(16);
    for (std::size_t i = 0; i < 16; ++i) {
      segments.push_back({buffer.data() + i * unit_, unit_});
      const IoToken token{static_cast<std::uint32_t>(i), generation++};
      const auto kind = static_cast<IoKind>(random_() % 3);
      // One in eight is refused by its position, with a completion all the same.
      const std::uint64_t position = random_() % 8 == 0 ? kDeviceBytes : i * unit_;
      requests.push_back(kind == IoKind::flush
                             ? flush_request(token)
                             : request(kind, position, {&segments.back(), 1}, token));
    }
    ASSERT_EQ(device_->submit(requests), 16U);
    for (const IoCompletion& completion : reap(16)) ++seen[completion.token.generation];
  }
  EXPECT_EQ(seen.size(), generation);
  for (const auto& [token, times] : seen) EXPECT_EQ(times, 1) << token;
  std::array<IoCompletion, 4> none;
  device_->wait(now() + 20 * kMillisecond);
  EXPECT_EQ(device_->reap(none), 0U);
}

TEST_P(DeviceContract, NothingSubmittedNothingReaped) {
  std::array<IoCompletion, 4> none;
  EXPECT_EQ(device_->submit({}), 0U);
  EXPECT_EQ(device_->reap(none), 0U);
}

TEST_P(DeviceContract, AcceptsNoMoreThanItsDepth) {
  const std::size_t depth = limits().depth;
  const Memory buffer(unit_ * (depth + 5));
  std::vector<IoSegment> segments;
  std::vector<IoRequest> requests;
  segments.reserve(depth + 5);
  for (std::uint32_t i = 0; i < depth + 5; ++i) {
    segments.push_back({buffer.data() + i * unit_, unit_});
    requests.push_back(request(IoKind::write, i * unit_, {&segments.back(), 1}, {i, 9}));
  }
  ASSERT_EQ(device_->submit(requests), depth);
  const auto rest = std::span(requests).subspan(depth);
  EXPECT_EQ(device_->submit(rest), 0U);
  // Completed but not reaped counts as in flight.
  device_->wait(now() + 100 * kMillisecond);
  EXPECT_EQ(device_->submit(rest), 0U);
  ASSERT_EQ(reap(3).size(), 3U);
  EXPECT_EQ(device_->submit(rest), 3U);
  EXPECT_EQ(device_->submit(rest.subspan(3)), 0U);
  ASSERT_EQ(reap(depth).size(), depth);
  EXPECT_EQ(device_->submit(rest.subspan(3)), 2U);
  EXPECT_EQ(reap(2).size(), 2U);
}

TEST_P(DeviceContract, ReapGivesNoMoreThanThereIsRoomFor) {
  std::vector<IoRequest> requests(8, flush_request());
  ASSERT_EQ(device_->submit(requests), 8U);
  for (int left = 8; left > 0; --left) ASSERT_EQ(reap(1).size(), 1U);
  ASSERT_EQ(device_->submit(requests), 8U);
  EXPECT_EQ(device_->reap({}), 0U);
  EXPECT_EQ(reap(8).size(), 8U);
}

// --- 2, 5: transfers are whole --------------------------------------------------------------

TEST_P(DeviceContract, ReadsBackWhatWasWritten) {
  for (const std::size_t units : {1U, 2U, 3U, 7U, 16U}) {
    const Memory out(units * unit_);
    const Memory in(units * unit_);
    fill(out.span());
    const std::uint64_t position = random_() % 100 * unit_;
    ASSERT_EQ(write(position, out.span()), 0);
    ASSERT_EQ(read(position, in.span()), 0);
    EXPECT_TRUE(equal(out.span(), in.span()));
  }
}

TEST_P(DeviceContract, NeighboursStayAsTheyAre) {
  const Memory three(3 * unit_);
  const Memory one(unit_);
  fill(three.span());
  fill(one.span());
  ASSERT_EQ(write(unit_ * 4, three.span()), 0);
  ASSERT_EQ(write(unit_ * 5, one.span()), 0);
  std::ranges::copy(one.span(), three.span().begin() + static_cast<std::ptrdiff_t>(unit_));
  const Memory in(3 * unit_);
  ASSERT_EQ(read(unit_ * 4, in.span()), 0);
  EXPECT_TRUE(equal(three.span(), in.span()));
}

TEST_P(DeviceContract, SegmentsAreGatheredAndScattered) {
  const std::vector<std::vector<std::size_t>> shapes = {{6},       {1, 5},       {5, 1},
                                                        {2, 2, 2}, {1, 1, 1, 3}, {3, 1, 1, 1}};
  for (const auto& out_shape : shapes) {
    for (const auto& in_shape : shapes) {
      const Memory out(6 * unit_);
      const Memory in(6 * unit_);
      fill(out.span());
      const auto segments_of = [&](const Memory& memory, const auto& shape) {
        std::vector<IoSegment> segments;
        std::size_t at = 0;
        for (const std::size_t units : shape) {
          segments.push_back({memory.data() + at, units * unit_});
          at += units * unit_;
        }
        return segments;
      };
      ASSERT_EQ(run(request(IoKind::write, 0, segments_of(out, out_shape))), 0);
      ASSERT_EQ(run(request(IoKind::read, 0, segments_of(in, in_shape))), 0);
      ASSERT_TRUE(equal(out.span(), in.span()));
    }
  }
}

TEST_P(DeviceContract, SegmentsMayComeFromAnywhereInMemory) {
  const Memory first(2 * unit_);
  const Memory second(unit_);
  const Memory third(3 * unit_);
  for (const auto* memory : {&first, &second, &third}) fill(memory->span());
  const std::array segments{IoSegment{third.data(), third.size()},
                            IoSegment{first.data(), first.size()},
                            IoSegment{second.data(), second.size()}};
  ASSERT_EQ(run(request(IoKind::write, unit_, segments)), 0);
  const Memory in(6 * unit_);
  ASSERT_EQ(read(unit_, in.span()), 0);
  EXPECT_TRUE(equal(in.span().first(third.size()), third.span()));
  EXPECT_TRUE(equal(in.span().subspan(third.size(), first.size()), first.span()));
  EXPECT_TRUE(equal(in.span().last(second.size()), second.span()));
}

TEST_P(DeviceContract, TheSegmentArrayIsCopiedBySubmit) {
  const Memory out(unit_);
  fill(out.span());
  std::array segment{IoSegment{out.data(), out.size()}};
  const IoRequest one = request(IoKind::write, 0, segment);
  ASSERT_EQ(device_->submit({&one, 1}), 1U);
  segment.fill({});
  ASSERT_EQ(reap(1).at(0).os_error, 0);
  const Memory in(unit_);
  ASSERT_EQ(read(0, in.span()), 0);
  EXPECT_TRUE(equal(out.span(), in.span()));
}

TEST_P(DeviceContract, TakesItsLargestTransferInOneOrManySegments) {
  const std::size_t largest = limits().max_transfer_bytes;
  const Memory out(largest);
  const Memory in(largest);
  fill(out.span());
  std::array<IoSegment, kMaxSegments> quarters;
  for (std::size_t i = 0; i < kMaxSegments; ++i) {
    quarters.at(i) = {out.data() + i * largest / 4, largest / 4};
  }
  ASSERT_EQ(run(request(IoKind::write, kDeviceBytes - largest, quarters)), 0);
  ASSERT_EQ(read(kDeviceBytes - largest, in.span()), 0);
  EXPECT_TRUE(equal(out.span(), in.span()));
}

TEST_P(DeviceContract, ItsFirstAndLastBlockAreItsOwn) {
  const Memory out(unit_);
  const Memory in(unit_);
  for (const std::uint64_t position : {std::uint64_t{0}, kDeviceBytes - unit_}) {
    fill(out.span());
    ASSERT_EQ(write(position, out.span()), 0);
    ASSERT_EQ(read(position, in.span()), 0);
    EXPECT_TRUE(equal(out.span(), in.span()));
  }
}

// --- 3: what it refuses ---------------------------------------------------------------------

TEST_P(DeviceContract, RefusesMisalignedAndOutOfRangeAndTouchesNothing) {
  const Memory buffer(limits().max_transfer_bytes + unit_);
  std::byte* const data = buffer.data();
  const std::size_t largest = limits().max_transfer_bytes;
  struct Bad {
    const char* what;
    std::uint64_t position;
    std::vector<IoSegment> segments;
  };
  const std::vector<Bad> bad = {
      {"position off by one", 1, {{data, unit_}}},
      {"position off by half a block", limits().block_bytes / 2, {{data, unit_}}},
      {"length off by one", 0, {{data, unit_ + 1}}},
      {"length of half a block", 0, {{data, limits().block_bytes / 2}}},
      {"second length off", 0, {{data, unit_}, {data + unit_, unit_ - 1}}},
      {"address off by one", 0, {{data + 1, unit_}}},
      {"address off by half", 0, {{data + limits().buffer_alignment_bytes / 2, unit_}}},
      {"no memory", 0, {{nullptr, unit_}}},
      {"no length", 0, {{data, 0}}},
      {"an empty segment", 0, {{data, unit_}, {data, 0}}},
      {"no segment", 0, {}},
      {"too many segments", 0, std::vector<IoSegment>(kMaxSegments + 1, IoSegment{data, unit_})},
      {"just beyond the end", kDeviceBytes, {{data, unit_}}},
      {"across the end", kDeviceBytes - unit_, {{data, 2 * unit_}}},
      {"across the end in the second segment",
       kDeviceBytes - unit_,
       {{data, unit_}, {data, unit_}}},
      {"far beyond the end", std::uint64_t{1} << 62U, {{data, unit_}}},
      {"where the sum overflows", 0 - std::uint64_t{unit_}, {{data, 2 * unit_}}},
      {"larger than the largest", 0, {{data, largest + unit_}}},
      {"larger than the largest, in two", 0, {{data, largest}, {data, unit_}}},
      {"absurdly long", 0, {{data, SIZE_MAX / unit_ * unit_}}},
  };
  const auto before = contents();
  const std::vector<std::byte> memory(buffer.span().begin(), buffer.span().end());
  for (const Bad& each : bad) {
    for (const IoKind kind : {IoKind::read, IoKind::write}) {
      for (const bool durable : {false, true}) {
        EXPECT_EQ(run(request(kind, each.position, each.segments, {7, 7}, durable)), EINVAL)
            << each.what;
      }
    }
  }
  const std::array segment{IoSegment{data, unit_}};
  EXPECT_EQ(run(request(IoKind::flush, 0, segment)), EINVAL) << "a flush with segments";
  EXPECT_TRUE(equal(memory, buffer.span()));
  EXPECT_EQ(before, contents());
}

TEST_P(DeviceContract, ARefusedRequestLeavesItsBatchAlone) {
  const Memory out(2 * unit_);
  fill(out.span());
  const std::array first{IoSegment{out.data(), unit_}};
  const std::array wrong{IoSegment{out.data() + 1, unit_}};
  const std::array second{IoSegment{out.data() + unit_, unit_}};
  const std::array requests{request(IoKind::write, 0, first, {1, 0}),
                            request(IoKind::write, unit_, wrong, {2, 0}),
                            request(IoKind::write, unit_, second, {3, 0})};
  ASSERT_EQ(device_->submit(requests), 3U);
  for (const IoCompletion& completion : reap(3)) {
    EXPECT_EQ(completion.os_error, completion.token.slot == 2 ? EINVAL : 0);
  }
  const Memory in(2 * unit_);
  ASSERT_EQ(read(0, in.span()), 0);
  EXPECT_TRUE(equal(out.span(), in.span()));
}

// --- 6, 7: durable writes and flushes -------------------------------------------------------
// That they are durable can't be seen without a power loss; that they are taken and write, can.

TEST_P(DeviceContract, DurableWritesAndFlushesWork) {
  const Memory out(3 * unit_);
  const Memory in(3 * unit_);
  fill(out.span());
  EXPECT_EQ(flush(), 0);
  EXPECT_EQ(write(unit_, out.span(), true), 0);
  EXPECT_EQ(flush(), 0);
  ASSERT_EQ(read(unit_, in.span()), 0);
  EXPECT_TRUE(equal(out.span(), in.span()));
}

TEST_P(DeviceContract, FlushesAndWritesMayBeInFlightTogether) {
  const Memory out(8 * unit_);
  fill(out.span());
  std::vector<IoSegment> segments;
  std::vector<IoRequest> requests;
  segments.reserve(8);
  for (std::uint32_t i = 0; i < 8; ++i) {
    segments.push_back({out.data() + i * unit_, unit_});
    requests.push_back(
        request(IoKind::write, i * unit_, {&segments.back(), 1}, {i, 0}, i % 2 == 0));
    requests.push_back(flush_request({i, 1}));
  }
  ASSERT_EQ(device_->submit(requests), 16U);
  for (const IoCompletion& completion : reap(16)) EXPECT_EQ(completion.os_error, 0);
  const Memory in(8 * unit_);
  ASSERT_EQ(read(0, in.span()), 0);
  EXPECT_TRUE(equal(out.span(), in.span()));
}

// --- 9: tokens ------------------------------------------------------------------------------

TEST_P(DeviceContract, TokensComeBackUntouched) {
  const std::vector<IoToken> tokens = {{0, 0},          {UINT32_MAX, UINT32_MAX}, {UINT32_MAX, 0},
                                       {0, UINT32_MAX}, {0x80000000, 1},          {5, 5}};
  std::vector<IoRequest> requests;
  requests.reserve(tokens.size() + 1);
  for (const IoToken token : tokens) requests.push_back(flush_request(token));
  // Not even unequal: they mean nothing to the device.
  requests.push_back(flush_request({5, 5}));
  ASSERT_EQ(device_->submit(requests), requests.size());
  const auto completions = reap(requests.size());
  ASSERT_EQ(completions.size(), requests.size());
  for (const IoToken token : tokens) {
    const auto times = std::ranges::count(completions, token, &IoCompletion::token);
    const IoToken twice{5, 5};
    EXPECT_EQ(times, token == twice ? 2 : 1);
  }
}

// --- wait and wake --------------------------------------------------------------------------

TEST_P(DeviceContract, WaitEndsAtItsDeadline) {
  const Nanoseconds start = now();
  const Nanoseconds deadline = start + 50 * kMillisecond;
  int waits = 0;
  while (now() < deadline) {
    device_->wait(deadline);
    ++waits;
  }
  EXPECT_LT(now() - start, 5000 * kMillisecond);
  EXPECT_LE(waits, 10);  // early returns are allowed, spinning is not
}

TEST_P(DeviceContract, WaitForThePastReturnsAtOnce) {
  const Nanoseconds start = now();
  for (int i = 0; i < 100; ++i) {
    device_->wait(start - 1);
    device_->wait(0);
    device_->wait(-5);
  }
  EXPECT_LT(now() - start, 2000 * kMillisecond);
}

TEST_P(DeviceContract, WaitReturnsWhileACompletionIsThere) {
  const Nanoseconds start = now();
  const IoRequest one = flush_request();
  ASSERT_EQ(device_->submit({&one, 1}), 1U);
  // The first may sleep until it has come; it is not reaped, so no other may.
  for (int i = 0; i < 4; ++i) device_->wait(now() + kPatience);
  EXPECT_EQ(reap(1).size(), 1U);
  EXPECT_LT(now() - start, kPatience);
}

TEST_P(DeviceContract, WakeFromAnotherThreadEndsWait) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> woken{false};
    std::thread waker([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(round % 4));
      woken = true;
      device_->wake();
    });
    const Nanoseconds start = now();
    while (!woken) device_->wait(kNever);
    EXPECT_LT(now() - start, kPatience);
    waker.join();
    device_->wait(now());  // takes a wake that came after the last wait
  }
}

TEST_P(DeviceContract, WakeBeforeWaitEndsIt) {
  for (int times = 1; times <= 3; ++times) {
    for (int i = 0; i < times; ++i) device_->wake();
    const Nanoseconds start = now();
    device_->wait(kNever);
    EXPECT_LT(now() - start, kPatience);
  }
}

TEST_P(DeviceContract, WakesDoNotPileUp) {
  for (int i = 0; i < 1000; ++i) device_->wake();
  device_->wait(kNever);
  const Nanoseconds deadline = now() + 30 * kMillisecond;
  int waits = 0;
  while (now() < deadline) {
    device_->wait(deadline);
    ++waits;
  }
  EXPECT_LE(waits, 10);
}

TEST_P(DeviceContract, NoWakeIsLost) {
  // Ping-pong over a counter: each side waits for the other, so one lost wake hangs it.
  constexpr int kRounds = 20000;
  std::atomic<int> ping{0};
  std::atomic<int> pong{0};
  std::thread peer([&] {
    for (int round = 1; round <= kRounds; ++round) {
      ping.store(round);
      device_->wake();
      while (pong.load() < round) std::this_thread::yield();
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    const Nanoseconds deadline = now() + kPatience;
    while (ping.load() < round) device_->wait(deadline);
    EXPECT_LT(now(), deadline) << "a wake was lost";
    pong.store(round);
  }
  peer.join();
}

TEST_P(DeviceContract, WakesAndCompletionsMix) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> wakers;
  wakers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    wakers.emplace_back([&] {
      while (!stop) {
        device_->wake();
        std::this_thread::yield();
      }
    });
  }
  const Memory buffer(unit_);
  for (std::uint64_t i = 0; i < 200; ++i) ASSERT_EQ(write(i * unit_, buffer.span()), 0);
  stop = true;
  for (std::thread& waker : wakers) waker.join();
}

// --- ownership ------------------------------------------------------------------------------

TEST_P(DeviceContract, OwnershipMovesWhileIdle) {
  const Memory out(unit_);
  const Memory in(unit_);
  for (std::uint64_t round = 0; round < 10; ++round) {
    fill(out.span());
    std::thread other([&] {
      EXPECT_EQ(write(round * unit_, out.span()), 0);
      device_->wait(now() + kMillisecond);
    });
    other.join();
    if (round % 2 == 0) device_->wake();
    ASSERT_EQ(read(round * unit_, in.span()), 0);
    EXPECT_TRUE(equal(out.span(), in.span()));
  }
}

TEST_P(DeviceContract, MayBeDestroyedByAnotherThread) {
  std::thread owner([&] {
    const Memory out(unit_);
    EXPECT_EQ(write(0, out.span()), 0);
    device_->wait(now() + kMillisecond);
  });
  owner.join();
  subject_.device.reset();
}

// --- all of it ------------------------------------------------------------------------------

// Random transfers at full depth against a model in memory; requests in flight never overlap.
TEST_P(DeviceContract, AgreesWithAModelUnderARandomWorkload) {
  constexpr std::size_t kSlots = 16;
  const std::size_t span_units = kDeviceBytes / unit_ / kSlots;  // each slot has a region, moving
  std::vector<std::byte> model = contents();
  struct Slot {
    Memory buffer;
    IoKind kind = IoKind::flush;
    std::uint64_t position = 0;
    std::size_t length = 0;
    bool busy = false;
  };
  std::vector<Slot> slots;
  slots.reserve(kSlots);
  for (std::size_t i = 0; i < kSlots; ++i) slots.push_back(Slot{Memory(unit_ * 9)});

  std::uint32_t started = 0;
  std::size_t in_flight = 0;
  const auto start = [&](std::uint32_t index) {
    Slot& slot = slots[index];
    const std::size_t units = 1 + random_() % 9;
    slot.kind = static_cast<IoKind>(std::min(2UL, random_() % 20 / 9));
    slot.length = slot.kind == IoKind::flush ? 0 : units * unit_;
    const std::size_t first = random_() % (span_units - std::min(units, span_units - 1));
    slot.position = (index * span_units + first) * unit_;
    if (slot.kind == IoKind::write) {
      fill(slot.buffer.span().first(slot.length));
      std::memcpy(model.data() + slot.position, slot.buffer.data(), slot.length);
    }
    const std::size_t cut = units == 1 ? slot.length : unit_ * (1 + random_() % (units - 1));
    const std::array segments{IoSegment{slot.buffer.data(), cut},
                              IoSegment{slot.buffer.data() + cut, slot.length - cut}};
    std::size_t count = cut == slot.length ? 1 : 2;
    if (slot.kind == IoKind::flush) count = 0;
    const IoRequest one = request(slot.kind, slot.position, std::span(segments).first(count),
                                  {index, started++}, random_() % 8 == 0);
    slot.busy = true;
    ++in_flight;
    ASSERT_EQ(device_->submit({&one, 1}), 1U);
  };
  const auto finish = [&](const IoCompletion& completion) {
    ASSERT_LT(completion.token.slot, kSlots);
    Slot& slot = slots[completion.token.slot];
    ASSERT_TRUE(slot.busy);
    ASSERT_EQ(completion.os_error, 0);
    if (slot.kind == IoKind::read) {
      ASSERT_EQ(std::memcmp(model.data() + slot.position, slot.buffer.data(), slot.length), 0);
    }
    slot.busy = false;
    --in_flight;
  };
  while ((started < 3000 || in_flight > 0) && !HasFatalFailure()) {
    for (std::uint32_t i = 0; i < kSlots && started < 3000; ++i) {
      if (!slots[i].busy && random_() % 3 != 0) start(i);
    }
    std::array<IoCompletion, kSlots> some;
    const std::size_t got = device_->reap(std::span(some).first(1 + random_() % kSlots));
    for (const IoCompletion& completion : std::span(some).first(got)) finish(completion);
    if (got == 0 && in_flight > 0) device_->wait(now() + kPatience);
  }
  EXPECT_EQ(model, contents());
}

}  // namespace
}  // namespace seqwal::testing_support
