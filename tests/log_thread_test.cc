// The whole log on real devices, with its own thread: appended, acknowledged in order, closed,
// found again.
#include "seqwal/backends/log_thread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "seqwal/backends/open.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{8} << 20U;
constexpr int kAppenders = 3;
constexpr int kAppendsEach = 400;

class LogThreadTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    options_.path = directory_ / "log";
    options_.kind = GetParam();
    auto created = open_device_for_create(options_, kCapacity, false);
    if (!created) GTEST_SKIP() << no_ring(created.error());
    CreateOptions create;
    create.capacity_bytes = kCapacity;
    const auto made = create_log(*created->opened.device, host_, create);
    ASSERT_TRUE(made) << made.error().message();
  }

  [[nodiscard]] std::unique_ptr<Device> open() {
    auto opened = open_device(options_);
    EXPECT_TRUE(opened) << opened.error().message();
    return opened ? std::move(opened->device) : nullptr;
  }
  // Opened, recovered and reset.
  [[nodiscard]] std::unique_ptr<Log> start(Device& device) {
    auto log = Log::open(device, host_, {});
    EXPECT_TRUE(log) << log.error().message();
    EXPECT_TRUE((*log)->recover([](const RecoveredRecord&) { return true; }));
    EXPECT_TRUE((*log)->reset());
    return std::move(*log);
  }

  TempDir directory_;
  PosixHost host_;
  OpenOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Both, LogThreadTest,
                         testing::Values(DeviceKind::uring, DeviceKind::threads),
                         [](const auto& parameter) {
                           return std::string(parameter.param == DeviceKind::uring ? "Uring"
                                                                                   : "Threads");
                         });

TEST_P(LogThreadTest, AcknowledgesInOrderAndIsFoundAgain) {
  std::vector<Offset> acknowledged;  // the log's thread only
  {
    const auto device = open();
    const auto log = start(*device);
    LogThread thread(*log, *device, host_);
    std::vector<std::thread> appenders;
    appenders.reserve(kAppenders);
    for (int appender = 0; appender < kAppenders; ++appender) {
      appenders.emplace_back([&] {
        const std::vector<std::byte> body(700, std::byte{0x42});
        for (int i = 0; i < kAppendsEach; ++i) {
          const auto offset = log->append_wait(body, [&](const AppendResult& result) {
            EXPECT_EQ(result.status, AppendStatus::durable);
            acknowledged.push_back(result.offset);
          });
          EXPECT_TRUE(offset) << offset.error().message();
        }
      });
    }
    for (std::thread& appender : appenders) appender.join();
    const auto closed = thread.close();
    EXPECT_TRUE(closed) << closed.error().message();
    EXPECT_TRUE(thread.close());  // repeated calls do nothing
  }
  EXPECT_EQ(acknowledged.size(), std::size_t{kAppenders} * kAppendsEach);
  EXPECT_TRUE(std::ranges::is_sorted(acknowledged));

  const auto device = open();
  auto log = Log::open(*device, host_, {});
  ASSERT_TRUE(log) << log.error().message();
  std::vector<Offset> recovered;
  ASSERT_TRUE((*log)->recover([&](const RecoveredRecord& record) {
    recovered.push_back(record.offset);
    return record.body.size() == 700;
  }));
  EXPECT_EQ(recovered, acknowledged);
}

TEST_P(LogThreadTest, DestructionCloses) {
  const auto device = open();
  const auto log = start(*device);
  std::atomic<int> called{0};
  {
    const LogThread thread(*log, *device, host_);
    const std::vector<std::byte> body(100, std::byte{1});
    ASSERT_TRUE(log->append_wait(body, [&](const AppendResult&) { ++called; }));
  }
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(log->finished());
}

}  // namespace
}  // namespace seqwal::testing_support
