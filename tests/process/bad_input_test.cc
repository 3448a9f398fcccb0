// Everything that may be wrong with what the command is given: a clear error, the right exit code,
// and nothing changed, nothing made anew.
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/process/tool_test.h"
#include "tests/support/naive_log.h"

namespace seqwal::process {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class BadInput : public ToolTest {
 protected:
  void write_image(const naive::Image& image) const {
    const naive::Bytes bytes = naive::write_image(image);
    write_file(log(), std::string(bytes.begin(), bytes.end()));
  }
};

std::string be32(std::uint32_t value) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes.push_back(static_cast<char>(value >> shift & 0xFFU));
  }
  return bytes;
}

// --- what stands at the path ------------------------------------------------------------------

TEST_F(BadInput, NothingThere) {
  expect_all_refused(3, "not-found");
  EXPECT_THAT(run_tool({"create", dir() / "no/such/directory/log", "--capacity", "1MiB"}),
              ExitsSaying(3, "not-found"));
}

TEST_F(BadInput, ADirectory) {
  std::filesystem::create_directory(log());
  for (const char* command : {"info", "append", "recover", "verify", "reset"}) {
    EXPECT_THAT(run(command), ExitsSaying(3, "a directory")) << command;
  }
  EXPECT_THAT(run("create", {"--capacity", "1MiB", "--force"}), ExitsSaying(3, "a directory"));
  EXPECT_TRUE(std::filesystem::is_empty(log()));
}

TEST_F(BadInput, APipe) {
  ASSERT_EQ(::mkfifo(log().c_str(), 0600), 0);
  for (const char* command : {"info", "append", "recover", "verify", "reset"}) {
    EXPECT_THAT(run(command), ExitsSaying(3, "a pipe")) << command;
  }
}

TEST_F(BadInput, AnEmptyFile) {
  write_file(log(), std::string());
  expect_all_refused(3, "not-a-log");
}

TEST_F(BadInput, AFileOfZeroes) {
  write_file(log(), kMiB);
  expect_all_refused(3, "not-a-log");
}

TEST_F(BadInput, AText) {
  write_file(log(), std::string("once upon a time\n"));
  expect_all_refused(3, "not-a-log");
  expect_refused(3, "already-exists", "create", {"--capacity", "1MiB"});
}

TEST_F(BadInput, AnImageOfRandomBytes) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const naive::Bytes noise = naive::arbitrary_bytes(64 * naive::kBlock, seed);
    write_file(log(), std::string(noise.begin(), noise.end()));
    expect_all_refused(3, "not-a-log");
    expect_refused(3, "already-exists", "create", {"--capacity", "256KiB"});
  }
}

TEST_F(BadInput, RandomBytesBehindSoundHeaders) {
  const naive::Bytes noise = naive::arbitrary_bytes(16 * naive::kBlock, 7);
  naive::Image image;
  image.capacity = 18 * naive::kBlock;
  image.fills = {{.offset = 0, .bytes = noise}};
  write_image(image);
  const std::string before = read_whole_file(log());
  EXPECT_THAT(recovered(), IsEmpty());
  EXPECT_THAT(run("verify"), Exits(0));
  EXPECT_TRUE(read_whole_file(log()) == before);
}

TEST_F(BadInput, BothHeadersDamaged) {
  naive::Image image;
  image.capacity = 18 * naive::kBlock;
  image.records.resize(1);
  image.records[0].body = {1, 2, 3};
  for (naive::Slot& slot : image.slots) slot.content = naive::SlotContent::damaged;
  write_image(image);
  expect_all_refused(3, "headers-damaged");
  expect_refused(3, "already-exists", "create", {"--capacity", "72KiB"});
}

TEST_F(BadInput, AFileThatLostItsEnd) {
  create("1MiB");
  append("a\n");
  std::filesystem::resize_file(log(), kMiB - 4096);
  expect_all_refused(3, "length-mismatch");
}

TEST_F(BadInput, AFileThatGrew) {
  create("1MiB");
  append("a\n");
  std::filesystem::resize_file(log(), kMiB + 4096);
  expect_all_refused(3, "length-mismatch");
}

TEST_F(BadInput, ACapacityBeyondTheBlockDevice) {
  write_file(dir() / "backing", kMiB);
  auto attached = LoopDevice::attach(dir() / "backing");
  if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
  use(attached->path());
  EXPECT_THAT(run("create", {"--capacity", "2MiB"}), ExitsSaying(2, "too small"));
  EXPECT_EQ(read_whole_file(dir() / "backing"), std::string(kMiB, '\0'));

  // A log that once was on a larger device.
  naive::Image image;
  image.capacity = 2 * kMiB;
  const naive::Bytes bytes = naive::write_image(image);
  write_file(dir() / "larger", std::string(bytes.begin(), bytes.begin() + kMiB));
  auto second = LoopDevice::attach(dir() / "larger");
  ASSERT_TRUE(second.has_value());
  use(second->path());
  for (const char* command : {"info", "append", "recover", "verify", "reset"}) {
    EXPECT_THAT(run(command), ExitsSaying(3, "length-mismatch")) << command;
  }
}

TEST_F(BadInput, ALogMayBeShorterThanItsBlockDevice) {
  write_file(dir() / "backing", kMiB);
  auto attached = LoopDevice::attach(dir() / "backing");
  if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
  use(attached->path());
  create("512KiB");
  append("a\n");
  EXPECT_EQ(recovered(), "a\n");
}

// --- what is asked for ------------------------------------------------------------------------

TEST_F(BadInput, CapacitiesThatNoLogCanHave) {
  for (const char* capacity : {"0", "8192", "8KiB", "12289", "1000000", "2000000000GiB"}) {
    EXPECT_THAT(run("create", {"--capacity", capacity}), ExitsSaying(2, "capacity")) << capacity;
    EXPECT_FALSE(std::filesystem::exists(log())) << capacity;
  }
}

TEST_F(BadInput, TextsThatAreNoSizes) {
  for (const char* capacity : {"", "-4096", "KiB", "12kib", "4096B", "1TiB", "1.5MiB", "0x4000",
                               "64 MiB x", "18446744073709551616", "99999999999GiB", "+4096"}) {
    EXPECT_THAT(run("create", {"--capacity", capacity}), ExitsSaying(2, "--capacity")) << capacity;
    EXPECT_FALSE(std::filesystem::exists(log())) << capacity;
  }
}

TEST_F(BadInput, WrongUsage) {
  create("1MiB");
  EXPECT_THAT(run_tool({}), ExitsSaying(2, "--help"));
  EXPECT_THAT(run_tool({"bogus"}), ExitsSaying(2, "bogus"));
  EXPECT_THAT(run_tool({"recover"}), ExitsSaying(2, "PATH"));
  EXPECT_THAT(run_tool({"create", dir() / "other"}), ExitsSaying(2, "--capacity"));
  expect_refused(2, "--bogus", "recover", {"--bogus"});
  expect_refused(2, "--strict", "recover", {"--strict", "--prefix"});
  expect_refused(2, "--device", "append", {"--device", "floppy"});
  expect_refused(2, "--device", "append", {"--device", "0"});
  expect_refused(2, "--durability", "append", {"--durability", "maybe"});
  expect_refused(2, "--format", "reset", {"--format", "2"});
  expect_refused(2, "OFFSET", "trim", {});
  expect_refused(2, "OFFSET", "trim", {"abc"});
  expect_refused(2, "OFFSET", "trim", {"12x"});
  expect_refused(2, "OFFSET", "trim", {"99999999999999999999"});
  expect_refused(2, "-5", "trim", {"-5"});
  expect_refused(2, "--node-id", "create", {"--capacity", "1MiB", "--node-id", "5000000000"});
}

// --- what is appended -------------------------------------------------------------------------

TEST_F(BadInput, AnEmptyFrameEndsTheInput) {
  create("1MiB");
  expect_refused(2, "empty", "append", {"--frames"}, {.input = frame("")});
  const Outcome appended =
      run("append", {"--frames", "--acks"}, {.input = frame("one") + frame("") + frame("two")});
  EXPECT_THAT(appended, ExitsSaying(2, "empty"));
  EXPECT_THAT(lines_of(appended.out), SizeIs(1));
  EXPECT_EQ(recovered(), "one");
}

TEST_F(BadInput, ATruncatedFrameKeepsWhatCameBefore) {
  create("1MiB");
  for (const std::string& rest : {frame("four").substr(0, 1), frame("four").substr(0, 3),
                                  frame("four").substr(0, 4), frame("four").substr(0, 7)}) {
    ASSERT_THAT(run("reset"), Exits(0));
    expect_refused(2, "truncated frame", "append", {"--frames"}, {.input = rest});
    const Outcome appended =
        run("append", {"--frames", "--json"}, {.input = frames({"one", "two", "three"}) + rest});
    EXPECT_THAT(appended, ExitsSaying(2, "truncated frame"));
    EXPECT_EQ(objects(appended).back()["summary"]["records"], 3);
    EXPECT_EQ(recovered(), "onetwothree");
  }
}

TEST_F(BadInput, ABadFirstRecordLeavesWhatWasToBeReset) {
  create("1MiB");
  append("precious\n");
  expect_refused(2, "truncated frame", "append", {"--frames", "--reset"}, {.input = "xx"});
  EXPECT_EQ(recovered(), "precious\n");
}

TEST_F(BadInput, AFrameLongerThanTheLogOrTheFormat) {
  create("64KiB");
  for (const std::uint32_t length : {65'536U - 8192U - 24U + 1U, 134'217'705U, 0xFFFFFFFFU}) {
    expect_refused(2, "longer", "append", {"--frames"}, {.input = be32(length) + "x"});
  }
  const Outcome appended =
      run("append", {"--frames"}, {.input = frame("one") + be32(0x7FFFFFFFU) + "xyz"});
  EXPECT_THAT(appended, ExitsSaying(2, "longer"));
  EXPECT_EQ(recovered(), "one");
}

TEST_F(BadInput, ALineLongerThanTheLog) {
  create("64KiB");
  const std::string longest = std::string(65'536 - 8192 - 24 - 1, 'x') + "\n";
  append(longest);
  EXPECT_EQ(recovered(), longest);

  ASSERT_THAT(run("reset"), Exits(0));
  expect_refused(2, "longer", "append", {}, {.input = "x" + longest});
  const Outcome appended = run("append", {}, {.input = "one\nx" + longest + "two\n"});
  EXPECT_THAT(appended, ExitsSaying(2, "longer"));
  EXPECT_EQ(recovered(), "one\n");
}

TEST_F(BadInput, ALineLongerThanTheFormat) {
  create("160MiB");
  constexpr std::size_t kLongest = 134'217'704;
  std::string lines = "one\n";
  lines.append(kLongest, 'x').append("\n");
  const Outcome appended = run("append", {}, {.input = lines});
  EXPECT_THAT(appended, ExitsSaying(2, "longer"));
  EXPECT_EQ(recovered(), "one\n");
}

TEST_F(BadInput, MoreThanTheLogHolds) {
  create("1MiB");
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += fmt::format("line number {}\n", i);
  const Outcome appended = run("append", {"--json"}, {.input = lines});
  EXPECT_THAT(appended, ExitsSaying(4, "over-capacity"));
  const std::string kept = recovered();
  EXPECT_TRUE(lines.starts_with(kept));
  EXPECT_EQ(objects(appended).back()["summary"]["bytes"], kept.size());
  EXPECT_THAT(appended.err, HasSubstr(fmt::format("full after {} records", lines_of(kept).size())));
  // How much fits depends on how the records came to share block writes.
  EXPECT_GT(kept.size() + 24 * lines_of(kept).size(), (kMiB - 8192) / 2);
}

TEST_F(BadInput, LongRecordsMoreThanTheLogHolds) {
  create("8MiB");
  const std::vector<std::string> bodies(10, std::string(2 * kMiB, 'x'));
  const Outcome appended = run("append", {"--frames", "--acks"}, {.input = frames(bodies)});
  EXPECT_THAT(appended, ExitsSaying(4, "over-capacity"));
  EXPECT_THAT(lines_of(appended.out), SizeIs(3));
  EXPECT_THAT(unframe(recovered({"--frames"})), SizeIs(3));
}

TEST_F(BadInput, AnInputThatCannotBeRead) {
  create("1MiB");
  RunOptions directory;
  directory.input_path = dir().path();
  expect_refused(3, "cannot read", "append", {}, directory);
}

// --- what is trimmed --------------------------------------------------------------------------

TEST_F(BadInput, OffsetsThatCannotBeTrimmed) {
  create("1MiB");
  append("one\ntwo\nthree\n", {"--reset"});
  const std::vector<std::int64_t> found = offsets();
  const auto text = [](std::int64_t offset) { return std::to_string(offset); };
  expect_refused(2, "not-a-record", "trim", {text(found[0] + 1)});
  expect_refused(2, "not-a-record", "trim", {text(found[1] + 24)});
  expect_refused(2, "not-durable", "trim", {text(found[2] + 4096)});
  expect_refused(2, "not-durable", "trim", {"9223372036854775807"});
  expect_refused(2, "below-trim", "trim", {"0"});
  expect_refused(2, "below-trim", "trim", {text(found[0] - 1)});
  ASSERT_THAT(run("trim", {text(found[1])}), Exits(0));
  expect_refused(2, "below-trim", "trim", {text(found[0])});
  expect_refused(2, "below-trim", "trim", {text(found[1])});
  EXPECT_EQ(recovered(), "three\n");
}

}  // namespace
}  // namespace seqwal::process
