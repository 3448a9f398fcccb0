// What goes in comes out, byte for byte: every device, both formats, every kind of record.
#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <tuple>

#include "tests/process/tool_test.h"
#include "tests/support/naive_log.h"

namespace seqwal::process {
namespace {

std::string arbitrary(std::uint64_t length, std::uint64_t seed) {
  const naive::Bytes bytes = naive::arbitrary_bytes(length, seed);
  return {bytes.begin(), bytes.end()};
}

struct Way {
  const char* device;
  const char* format;
  bool loop;
};

std::string to_name(const testing::TestParamInfo<Way>& info) {
  return fmt::format("{}Format{}{}", info.param.device, info.param.format,
                     info.param.loop ? "LoopDevice" : "File");
}

class RoundTrip : public ToolTest, public testing::WithParamInterface<Way> {
 protected:
  void SetUp() override {
    if (!GetParam().loop) return;
    write_file(dir() / "backing", 64 * kMiB);
    auto attached = LoopDevice::attach(dir() / "backing");
    if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
    loop_.emplace(std::move(*attached));
    use(loop_->path());
  }

  void create_log(const std::string& capacity) const {
    create(capacity, {"--format", GetParam().format});
  }
  static Arguments device(Arguments more = {}) {
    more.insert(more.end(), {"--device", GetParam().device});
    return more;
  }
  void expect_round_trip(const std::string& lines) const {
    append(lines, device());
    EXPECT_TRUE(recovered(device()) == lines) << recovered().size() << " of " << lines.size();
  }

 private:
  std::optional<LoopDevice> loop_;
};

TEST_P(RoundTrip, AMillionLines) {
  create_log("64MiB");
  std::string lines;
  for (int i = 1; i <= 1'000'000; ++i) lines += fmt::format("{}\n", i);
  expect_round_trip(lines);
}

TEST_P(RoundTrip, LinesOfAllKinds) {
  create_log("32MiB");
  const std::string line = "a line\n";
  std::string binary = arbitrary(100'000, 1);
  expect_round_trip("\n\n" + line + "\n" + binary + "\n" + std::string(4072, 'x') + "\n" +
                    std::string(262'119, 'y') + "\n" + std::string(262'120, 'z') + "\n" +
                    std::string(3 * kMiB, 'w') + "\nwithout a newline at the end");
}

TEST_P(RoundTrip, FramesOfAllLengths) {
  create_log("32MiB");
  std::vector<std::string> bodies;
  std::uint64_t seed = 0;
  for (const std::uint64_t length :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{4071}, std::uint64_t{4072},
        std::uint64_t{4073}, std::uint64_t{8168}, std::uint64_t{262'119}, std::uint64_t{262'120},
        std::uint64_t{262'121}, kMiB, 5 * kMiB, std::uint64_t{1}, std::uint64_t{100}}) {
    bodies.push_back(arbitrary(length, ++seed));
  }
  append(frames(bodies), device({"--frames"}));
  EXPECT_TRUE(unframe(recovered(device({"--frames"}))) == bodies);
}

INSTANTIATE_TEST_SUITE_P(Ways, RoundTrip,
                         testing::Values(Way{.device = "uring", .format = "0", .loop = false},
                                         Way{.device = "uring", .format = "1", .loop = false},
                                         Way{.device = "threads", .format = "0", .loop = false},
                                         Way{.device = "threads", .format = "1", .loop = false},
                                         Way{.device = "uring", .format = "0", .loop = true},
                                         Way{.device = "threads", .format = "1", .loop = true}),
                         to_name);

class RoundTripTest : public ToolTest {};

TEST_F(RoundTripTest, EveryDurabilityGivesTheSame) {
  create("1MiB");
  for (const char* durability : {"auto", "dsync", "none"}) {
    append("a\nb\n", {"--reset", "--durability", durability});
    EXPECT_EQ(recovered({"--durability", durability}), "a\nb\n");
  }
}

TEST_F(RoundTripTest, ALogOfOneBlockTakesARecordThatFillsIt) {
  create("12KiB");
  const std::string line = std::string(4096 - 24 - 1, 'x') + "\n";
  for (int i = 0; i < 3; ++i) {
    append(line, {"--reset"});
    EXPECT_EQ(recovered(), line);
  }
}

TEST_F(RoundTripTest, TheRingWrapsFromRunToRun) {
  create("64KiB");
  for (std::uint64_t i = 0; i < 20; ++i) {
    const std::string body = arbitrary(20'000 + i * 1000, i);
    append(frame(body), {"--reset", "--frames"});
    EXPECT_TRUE(recovered() == body) << i;
  }
}

TEST_F(RoundTripTest, TheLongestRecordOfTheFormat) {
  constexpr std::size_t kLongest = 134'217'704;
  create("160MiB");
  const std::string line = std::string(kLongest - 1, 'x') + "\n";
  append(line);
  EXPECT_TRUE(recovered() == line);
}

TEST_F(RoundTripTest, AFileAsInputIsReadToItsEnd) {
  create("4MiB");
  write_file(dir() / "input", std::string("a\nb\nc"));
  EXPECT_THAT(run("append", {}, {.input_path = dir() / "input"}), Exits(0));
  EXPECT_EQ(recovered(), "a\nb\nc");
}

}  // namespace
}  // namespace seqwal::process
