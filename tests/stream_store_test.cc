// The store of examples/stream_store.h, and what it would need over a log without order.
#include "examples/stream_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "seqwal/backends/callback_threads.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/posix_host.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using stream_store::CallbackSequencer;
using stream_store::ConfirmOffsetCalculator;
using stream_store::StreamStore;
using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::make_body;
using testing_support::MemoryDevice;
using testing_support::WaitMode;

TEST(StreamStore, ConfirmNeverPassesARecordThatIsNotDurable) {
  LogWorld world({});
  StreamStore store(world.log());
  world.device().set_order(CompletionOrder::held);
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto number = store.append(i % 2, make_body(i, 100));
    ASSERT_TRUE(number);
    numbers.push_back(*number);
    world.poll();  // a block write each
  }
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{0, 0, 1, 1}));
  ASSERT_EQ(world.device().pending().size(), 4U);
  world.device().complete(1);
  world.poll();
  EXPECT_EQ(store.confirm(0), 0U);
  EXPECT_EQ(store.confirm(1), 0U);  // durable, but not what is before it in the log
  world.device().complete(0);
  world.poll();
  EXPECT_EQ(store.confirm(0), 1U);
  EXPECT_EQ(store.confirm(1), 1U);
  world.device().set_order(CompletionOrder::in_order);
  world.device().complete_all();
  world.run();
  EXPECT_EQ(store.confirm(0), 2U);
  EXPECT_EQ(store.confirm(1), 2U);
}

TEST(StreamStore, AFailedRecordIsNeverConfirmed) {
  LogWorld world({});
  StreamStore store(world.log());
  ASSERT_TRUE(store.append(1, make_body(1, 100)));
  world.run();
  world.device().add_fault({.kind = IoKind::write});
  ASSERT_TRUE(store.append(1, make_body(2, 100)));
  world.run();
  EXPECT_EQ(store.confirm(1), 1U);
  EXPECT_EQ(store.append(1, make_body(3, 100)).error().code, ErrorCode::log_failed);
}

TEST(StreamStore, ManyWritersOnAPoolOfThreads) {
  constexpr std::uint64_t kCapacity = std::uint64_t{16} << 20U;
  constexpr std::uint64_t kStreams = 5;
  PosixHost host;
  CallbackThreads callbacks({.threads = 3, .queue = 64});
  MemoryDevice device(kCapacity);
  ASSERT_TRUE(create_log(device, host, {.capacity_bytes = kCapacity}));
  auto log = *Log::open(device, host, {.executor = &callbacks});
  ASSERT_TRUE(log->recover([](const RecoveredRecord&) { return true; }));
  ASSERT_TRUE(log->reset());
  device.set_order(CompletionOrder::shuffled, 7);
  device.set_wait_mode(WaitMode::blocks);
  StreamStore store(*log);
  std::atomic<std::uint64_t> accepted{0};
  {
    LogThread thread(*log, device, host);
    std::vector<std::thread> writers;
    for (std::uint64_t writer = 0; writer < 4; ++writer) {
      writers.emplace_back([&, writer] {
        const auto body = make_body(writer, 200);
        for (std::uint64_t i = 0; i < 1000; ++i) {
          const std::uint64_t stream = (writer + i) % kStreams;
          const std::uint64_t confirmed = store.confirm(stream);
          if (store.append(stream, body)) ++accepted;
          EXPECT_GE(store.confirm(stream), confirmed);
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_TRUE(thread.close());
  }
  std::uint64_t confirmed = 0;
  for (std::uint64_t stream = 0; stream < kStreams; ++stream) confirmed += store.confirm(stream);
  EXPECT_EQ(confirmed, accepted);
}

TEST(WithoutOrder, AConfirmOffsetHasToBeCalculated) {
  ConfirmOffsetCalculator calculator;
  for (const std::int64_t offset : {100, 200, 300}) calculator.appended(offset);
  EXPECT_EQ(calculator.durable(300), 0);
  EXPECT_EQ(calculator.durable(100), 101);
  EXPECT_EQ(calculator.durable(200), 301);
}

TEST(WithoutOrder, CallbacksHaveToBePutBackIntoOrder) {
  CallbackSequencer sequencer;
  for (std::uint64_t number = 0; number < 3; ++number) sequencer.before(number);
  EXPECT_TRUE(sequencer.after(1).empty());
  EXPECT_EQ(sequencer.after(0), (std::vector<std::uint64_t>{0, 1}));
  EXPECT_EQ(sequencer.after(2), (std::vector<std::uint64_t>{2}));
}

}  // namespace
}  // namespace seqwal
