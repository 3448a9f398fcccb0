// What an append costs beside its bytes: no allocation, and no wake-up while the log is awake. A
// program of its own, because it replaces operator new.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "seqwal/log.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory =
      alignment > alignof(std::max_align_t)
          ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
          : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace seqwal {
namespace {

using testing_support::ManualHost;
using testing_support::MemoryDevice;

// Completes at the next reap, allocates nothing, and counts who wakes it.
class QuietDevice final : public Device {
 public:
  explicit QuietDevice(std::uint64_t size_bytes) : device_(size_bytes) {}

  const DeviceLimits& limits() const override { return device_.limits(); }
  // Until quiet() a device in memory, which a log can be made on; then what is written is
  // forgotten.
  void quiet() { quiet_ = true; }
  std::size_t submit(std::span<const IoRequest> requests) override {
    if (!quiet_) return device_.submit(requests);
    for (const IoRequest& request : requests) done_.at(end_++ % done_.size()) = request.token;
    return requests.size();
  }
  std::size_t reap(std::span<IoCompletion> completions) override {
    if (!quiet_) return device_.reap(completions);
    std::size_t count = 0;
    while (count < completions.size() && begin_ != end_) {
      completions[count++] = {.token = done_.at(begin_++ % done_.size())};
    }
    return count;
  }
  void wait(Nanoseconds deadline) override {
    if (!quiet_) device_.wait(deadline);
  }
  void wake() override { ++wakes; }

  std::uint64_t wakes = 0;

 private:
  MemoryDevice device_;
  bool quiet_ = false;
  std::array<IoToken, 64> done_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

class AppendCost : public testing::Test {
 protected:
  AppendCost() {
    constexpr std::uint64_t kCapacity = std::uint64_t{64} << 20U;
    EXPECT_TRUE(create_log(device, host, {.capacity_bytes = kCapacity}));
    log = *Log::open(device, host, {.append_deadline = kNever});
    EXPECT_TRUE(log->recover([](const RecoveredRecord&) { return true; }));
    EXPECT_TRUE(log->reset());
    device.quiet();
    poll();
  }
  ~AppendCost() override {
    log->close();
    while (!log->finished()) poll();
  }
  void poll() { (void)log->poll(host.now()); }

  ManualHost host;
  QuietDevice device{std::uint64_t{64} << 20U};
  std::unique_ptr<Log> log;
  std::uint64_t called = 0;
};

TEST_F(AppendCost, NoFormOfItAllocates) {
  const std::vector<std::byte> body(3000);
  const std::vector<std::byte> longer(300 << 10);
  const auto note = [this](const AppendResult&) { ++called; };
  std::array<BatchRecord, 8> batch;
  const std::array<std::span<const std::byte>, 2> pieces{std::span(body).first(10), body};
  const std::uint64_t before = allocations.load();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(log->append(body, note));
    ASSERT_TRUE(log->append_gather(pieces, note));
    for (BatchRecord& record : batch) record = {.body = body, .callback = note, .options = {}};
    ASSERT_EQ(log->append_batch(batch).accepted, batch.size());
    ASSERT_TRUE(log->reserve(100)->publish(100, note));
    if (i % 20 == 0) {
      ASSERT_TRUE(log->append(longer, note));
    }
    for (int k = 0; k < 3; ++k) poll();
  }
  EXPECT_EQ(allocations.load(), before);
  EXPECT_EQ(called, 200U * 11 + 10);
  EXPECT_EQ(log->metrics().records, called);
}

TEST_F(AppendCost, WhoeverAppendsWakesOnlyALogThatSleeps) {
  const std::vector<std::byte> body(100);
  EXPECT_EQ(device.wakes, 0U);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(log->append(body, {}));
  EXPECT_EQ(device.wakes, 1U);  // the first, of a log that slept
  poll();
  // In flight: one more could go beside it.
  std::array<BatchRecord, 8> batch;
  for (BatchRecord& record : batch) record.body = body;
  ASSERT_EQ(log->append_batch(batch).accepted, batch.size());
  EXPECT_EQ(device.wakes, 2U);
  EXPECT_EQ(log->metrics().wakes, 2U);
}

}  // namespace
}  // namespace seqwal
