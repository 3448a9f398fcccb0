// That durable writes and flushes reach the disk: a loop device counts the cache flushes that were
// asked of it (Documentation/block/stat.rst). What no counter sees is tested by losing power in
// simulation.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <span>
#include <string>

#include "seqwal/backends/open.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

// What the kernel says about `device` (/dev/loopN).
std::ifstream told_of(const std::string& device, const std::string& what) {
  return std::ifstream("/sys/block/" + device.substr(sizeof "/dev/" - 1) + "/" + what);
}

bool has_cache(const std::string& device) {
  std::string cache;
  auto file = told_of(device, "queue/write_cache");
  return std::getline(file, cache) && cache == "write back";
}

// How many flushes it has seen, or nothing where the kernel doesn't count them.
std::optional<std::uint64_t> flushes_of(const std::string& device) {
  constexpr int kFlushField = 15;
  auto file = told_of(device, "stat");
  std::uint64_t value = 0;
  for (int field = 0; field <= kFlushField; ++field) {
    if (!(file >> value)) return std::nullopt;
  }
  return value;
}

struct Way {
  const char* name;
  DeviceKind kind;
  bool announces = false;  // the buffer
};

class DeviceFlush : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    write_file(directory_ / "disk", std::size_t{1} << 20U);
    auto attached = LoopDevice::attach(directory_ / "disk");
    if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
    loop_ = std::move(*attached);
    OpenOptions options;
    options.path = loop_->path();
    options.kind = GetParam().kind;
    auto opened = open_device(options);
    if (!opened) GTEST_SKIP() << no_ring(opened.error());
    device_ = std::move(opened->device);
    if (!has_cache(loop_->path()) || !flushes_of(loop_->path())) {
      GTEST_SKIP() << "this kernel's loop devices have no cache, or don't count flushes";
    }
    ASSERT_TRUE(device_->limits().volatile_cache);
    if (!GetParam().announces) return;
    const std::array regions{buffer_.span()};
    if (const int os_error = device_->use_memory(regions); os_error != 0) {
      GTEST_SKIP() << no_locked_memory(os_error);
    }
  }

  // How many flushes the disk sees while it runs.
  std::uint64_t flushes_during(IoKind kind, bool durable) {
    const std::uint64_t before = *flushes_of(loop_->path());
    const std::array segment{IoSegment{buffer_.data(), buffer_.size()}};
    const IoRequest request{.token = {},
                            .kind = kind,
                            .durable = durable,
                            .position = {8192},
                            .segments = std::span(segment).first(kind == IoKind::flush ? 0 : 1)};
    EXPECT_EQ(device_->submit({&request, 1}), 1U);
    std::array<IoCompletion, 1> completion;
    while (device_->reap(completion) == 0) device_->wait(kNever);
    EXPECT_EQ(completion[0].os_error, 0);
    return *flushes_of(loop_->path()) - before;
  }

  TempDir directory_;
  std::optional<LoopDevice> loop_;
  AlignedMemory buffer_{4096};
  std::unique_ptr<Device> device_;  // destroyed before the memory that it was told of
};

INSTANTIATE_TEST_SUITE_P(All, DeviceFlush,
                         testing::Values(Way{"Uring", DeviceKind::uring},
                                         Way{"UringRegistered", DeviceKind::uring, true},
                                         Way{"Threads", DeviceKind::threads}),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST_P(DeviceFlush, AFlushFlushes) { EXPECT_GE(flushes_during(IoKind::flush, false), 1U); }

TEST_P(DeviceFlush, ADurableWriteFlushesWhereThereIsNoFua) {
  ASSERT_EQ(device_->limits().durable_write, DurableWrite::flush);
  EXPECT_GE(flushes_during(IoKind::write, true), 1U);
}

TEST_P(DeviceFlush, OtherWritesAndReadsDoNot) {
  EXPECT_EQ(flushes_during(IoKind::write, false), 0U);
  EXPECT_EQ(flushes_during(IoKind::read, false), 0U);
}

}  // namespace
}  // namespace seqwal::testing_support
