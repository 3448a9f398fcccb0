// Logs that are not as a clean shutdown leaves them: what recover gives and what verify says.
#include <fmt/format.h>
#include <sys/syscall.h>

#include "tests/process/bad_disk.h"
#include "tests/process/tool_test.h"
#include "tests/support/naive_log.h"

namespace seqwal::process {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

naive::Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }

class OddLog : public ToolTest {
 protected:
  // A log of 16 blocks that was closed gracefully, with a record in each of the blocks named.
  static naive::Image image_with(const std::vector<std::int64_t>& blocks) {
    naive::Image image;
    image.capacity = 18 * naive::kBlock;
    for (naive::Slot& slot : image.slots) {
      slot.shutdown = 0;
      slot.window = 32'768;
    }
    for (const std::int64_t block : blocks) {
      naive::Record& record = image.records.emplace_back();
      record.offset = block * 4096;
      record.body = bytes(fmt::format("r{}\n", block));
    }
    return image;
  }
  void write(const naive::Image& image) const {
    const naive::Bytes content = naive::write_image(image);
    write_file(log(), std::string(content.begin(), content.end()));
  }
  // What verify finds odd, by kind; the log is not changed by it.
  [[nodiscard]] std::vector<std::string> findings() const {
    const std::string before = read_whole_file(log());
    const Outcome outcome = run("verify", {"--json"});
    EXPECT_THAT(outcome, Exits(0));
    EXPECT_TRUE(read_whole_file(log()) == before);
    const Json report = objects(outcome).front();
    std::vector<std::string> kinds;
    for (const Json& finding : report["findings"]) kinds.push_back(finding["kind"]);
    return kinds;
  }
};

TEST_F(OddLog, ASoundOneHasNothingOdd) {
  write(image_with({0, 1, 2}));
  EXPECT_EQ(recovered(), "r0\nr1\nr2\n");
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(OddLog, AHoleIsNotDamage) {
  write(image_with({0, 1, 4, 5}));
  EXPECT_EQ(recovered(), "r0\nr1\nr4\nr5\n");
  EXPECT_EQ(recovered({"--prefix"}), "r0\nr1\n");
  EXPECT_THAT(findings(), ElementsAre("hole", "records-after-hole"));
  const Json summary = recovered_json().back()["summary"];
  EXPECT_EQ(summary["holes"], Json::parse(R"([{"offset":8192,"length":8192}])"));
  EXPECT_THAT(run("verify").out, HasSubstr("odd: hole of 8192 bytes at offset 8192\n"));
}

TEST_F(OddLog, StrictStopsAtTheWindowAndTheDefaultGoesOn) {
  naive::Image image = image_with({0, 2, 3});
  for (naive::Slot& slot : image.slots) slot.window = 8192;
  write(image);
  EXPECT_EQ(recovered({"--strict"}), "r0\nr2\n");
  EXPECT_EQ(recovered(), "r0\nr2\nr3\n");
}

TEST_F(OddLog, Version1EndsAtTheFirstHole) {
  naive::Image image = image_with({0, 1, 4});
  for (naive::Slot& slot : image.slots) slot.version = 1;
  write(image);
  EXPECT_EQ(recovered(), "r0\nr1\n");
  EXPECT_EQ(recovered_json().back()["summary"]["format"], 1);
}

TEST_F(OddLog, OneBadHeaderSlotServesStill) {
  for (const std::size_t bad : {0U, 1U}) {
    for (const auto content :
         {naive::SlotContent::damaged, naive::SlotContent::foreign, naive::SlotContent::blank}) {
      naive::Image image = image_with({0, 1});
      image.slots.at(bad).content = content;
      write(image);
      EXPECT_THAT(findings(), ElementsAre("header-slot"));
      EXPECT_THAT(run("recover").err, HasSubstr(fmt::format("header slot {} is not valid", bad)));
      EXPECT_EQ(objects(run("info", {"--json"})).front()["current"], 1 - bad);
      EXPECT_EQ(recovered(), "r0\nr1\n");
    }
  }
}

TEST_F(OddLog, ABadHeaderSlotIsMendedByTheNextWriter) {
  naive::Image image = image_with({});
  image.slots[1].content = naive::SlotContent::damaged;
  write(image);
  append("a\n");
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_EQ(recovered(), "a\n");
}

TEST_F(OddLog, HeaderSlotsThatDifferAreTold) {
  naive::Image image = image_with({0, 1, 2});
  image.slots[1].trim = 4096;
  image.slots[1].window = 4096;
  image.slots[1].node = 5;
  image.slots[1].epoch = 6;
  image.slots[1].shutdown = 1;
  write(image);
  EXPECT_EQ(recovered(), "r2\n");
  EXPECT_THAT(findings(), Contains("header-slots-differ").Times(5));
  EXPECT_THAT(findings(), Contains("ungraceful"));
  const Outcome verify = run("verify");
  EXPECT_THAT(verify.out, HasSubstr("the trim offset is -1 in slot 0 and 4096 in slot 1"));
  EXPECT_THAT(verify.out, HasSubstr("the epoch is 0 in slot 0 and 6 in slot 1"));
}

TEST_F(OddLog, EqualStampsOnSlotsThatDifferAreTold) {
  naive::Image image = image_with({0});
  image.slots[1].stamp = image.slots[0].stamp;
  image.slots[1].node = 5;
  write(image);
  EXPECT_THAT(findings(), Contains("header-stamps"));
  EXPECT_EQ(objects(run("info", {"--json"})).front()["current"], 0);
}

TEST_F(OddLog, AWindowBeyondTheSectionIsTold) {
  naive::Image image = image_with({0});
  for (naive::Slot& slot : image.slots) slot.window = 1'000'000'000;
  write(image);
  EXPECT_THAT(findings(), ElementsAre("window"));
}

TEST_F(OddLog, AWriterThatDiedIsTold) {
  naive::Image image = image_with({0});
  for (naive::Slot& slot : image.slots) slot.shutdown = 1;
  write(image);
  EXPECT_THAT(findings(), ElementsAre("ungraceful"));
}

// --- blocks that the disk does not give back --------------------------------------------------

// That is the first chunk of recovery, and then, one by one, its first block alone.
bool first_block_unreadable() { return fail_at(SYS_preadv2, 8192); }

class UnreadableBlock : public OddLog {
 protected:
  [[nodiscard]] Outcome run_on_bad_disk(const std::string& command, Arguments more = {}) const {
    more.insert(more.end(), {"--device", "threads"});
    return run(command, more, {.input = "new\n", .in_child = first_block_unreadable});
  }
};

TEST_F(UnreadableBlock, BeforeRecordsIsDamage) {
  write(image_with({0, 1, 2}));
  const Outcome outcome = run_on_bad_disk("recover");
  if (outcome.impossible) GTEST_SKIP() << "no seccomp filters";
  EXPECT_THAT(outcome, ExitsSaying(1, "4096 bytes at offset 0 cannot be read"));
  EXPECT_EQ(outcome.out, "r1\nr2\n");

  const Json range = Json::parse(R"([{"offset":0,"length":4096}])");
  const Outcome json = run_on_bad_disk("recover", {"--json"});
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_EQ(objects(json).back()["summary"]["damage"], range);

  EXPECT_THAT(run_on_bad_disk("verify"), ExitsSaying(1, "are lost"));
  const Outcome verify = run_on_bad_disk("verify", {"--json"});
  EXPECT_EQ(verify.exit_code, 1);
  EXPECT_FALSE(objects(verify).front()["ok"]);
  EXPECT_EQ(objects(verify).front()["damage"], range);
}

TEST_F(UnreadableBlock, WithNothingBehindItIsToldButIsNotDamage) {
  write(image_with({}));
  const Outcome verify = run_on_bad_disk("verify");
  if (verify.impossible) GTEST_SKIP() << "no seccomp filters";
  EXPECT_THAT(verify, Exits(0));
  EXPECT_THAT(verify.out, HasSubstr("the device cannot read 4096 bytes at offset 0"));
  EXPECT_THAT(run_on_bad_disk("recover"), Exits(0));
}

TEST_F(UnreadableBlock, IsNotDiscardedByAnAppendThatWasNotToldSo) {
  write(image_with({}));
  const std::string before = read_whole_file(log());
  const Outcome refused = run_on_bad_disk("append");
  if (refused.impossible) GTEST_SKIP() << "no seccomp filters";
  EXPECT_THAT(refused, ExitsSaying(3, "cannot be read"));
  EXPECT_TRUE(read_whole_file(log()) == before);
  EXPECT_THAT(run_on_bad_disk("append", {"--reset"}), Exits(0));
}

}  // namespace
}  // namespace seqwal::process
