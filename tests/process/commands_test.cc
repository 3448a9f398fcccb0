// Every command as it is meant to be used: what it does, what it prints for people and as JSON.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "seqwal/format.h"
#include "tests/process/tool_test.h"

namespace seqwal::process {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::SizeIs;

class CommandTest : public ToolTest {};

std::uint32_t checksum_of(const std::string& body) {
  return checksum(std::as_bytes(std::span(body)));
}

// --- all of them ------------------------------------------------------------------------------

TEST_F(CommandTest, HelpOfEveryCommandHasAnExample) {
  EXPECT_THAT(run_tool({"--help"}), AllOf(Exits(0), Field(&Outcome::out, HasSubstr("Example:"))));
  for (const char* command : {"create", "info", "append", "recover", "verify", "trim", "reset"}) {
    const Outcome help = run_tool({command, "--help"});
    EXPECT_THAT(help, Exits(0));
    const std::string example =
        help.out.substr(std::min(help.out.find("Example:\n"), help.out.size()));
    EXPECT_THAT(example, HasSubstr(fmt::format("seqwal {} ", command)));
  }
}

TEST_F(CommandTest, WhatAutoChoseIsInTheJsonOfEveryCommand) {
  const auto chosen = IsSupersetOf({"device", "device_reason", "durability", "durability_reason"});
  const auto printed = [&](const std::string& command, std::vector<std::string> more) {
    more.emplace_back("--json");
    const Outcome outcome = run(command, more, {.input = "a\nb\n"});
    EXPECT_THAT(outcome, Exits(0));
    const Json last = objects(outcome).back();
    return keys(last.contains("summary") ? last["summary"] : last);
  };
  EXPECT_THAT(printed("create", {"--capacity", "1MiB"}), chosen);
  EXPECT_THAT(printed("append", {}), chosen);
  EXPECT_THAT(printed("recover", {}), chosen);
  EXPECT_THAT(printed("verify", {}), chosen);
  EXPECT_THAT(printed("info", {}), chosen);
  EXPECT_THAT(printed("trim", {std::to_string(offsets().front())}), chosen);
  EXPECT_THAT(printed("reset", {}), chosen);
}

TEST_F(CommandTest, SizesTakeUnits) {
  for (const auto& [text, bytes] :
       {std::pair{"16384", 16384U}, {"16KiB", 16384U}, {"16 KiB", 16384U}, {"2MiB", 2097152U}}) {
    EXPECT_THAT(run("create", {"--capacity", text, "--force"}), Exits(0));
    EXPECT_EQ(std::filesystem::file_size(log()), bytes) << text;
  }
}

// --- create and info --------------------------------------------------------------------------

TEST_F(CommandTest, CreateWritesTheWholeFile) {
  create("1MiB");
  EXPECT_EQ(std::filesystem::file_size(log()), kMiB);
  const std::string image = read_whole_file(log());
  EXPECT_EQ(image.substr(8192), std::string(kMiB - 8192, '\0'));
}

TEST_F(CommandTest, CreateKeepsWhatTheHeaderIsToldToHold) {
  const Outcome created = run("create", {"--capacity", "1MiB", "--format", "1", "--node-id", "-7",
                                         "--epoch", "9000000000", "--json"});
  ASSERT_THAT(created, Exits(0));
  const Json object = objects(created).front();
  EXPECT_EQ(object["capacity"], kMiB);
  EXPECT_EQ(object["format"], 1);

  const Json info = objects(run("info", {"--json"})).front();
  EXPECT_EQ(info["format"], 1);
  EXPECT_EQ(info["capacity"], kMiB);
  EXPECT_EQ(info["section"], kMiB - 8192);
  EXPECT_EQ(info["node_id"], -7);
  EXPECT_EQ(info["epoch"], 9000000000);
  EXPECT_EQ(info["trim"], -1);
  EXPECT_EQ(info["used"], 0);
  EXPECT_EQ(info["free"], kMiB - 8192);
  ASSERT_THAT(info["slots"], SizeIs(2));
  for (const Json& slot : info["slots"]) {
    EXPECT_EQ(slot["state"], "valid");
    EXPECT_EQ(slot["epoch"], 9000000000);
  }
  EXPECT_TRUE(info["slots"][info["current"].get<std::size_t>()]["counts"]);
  EXPECT_THAT(keys(info["limits"]), IsSupersetOf({"size", "block", "buffer_alignment", "depth",
                                                  "max_transfer", "volatile_cache"}));
}

TEST_F(CommandTest, CreateTakesAFileOfZeroesAsItIs) {
  write_file(log(), kMiB);
  EXPECT_THAT(run("create", {"--capacity", "1MiB"}), Exits(0));
}

TEST_F(CommandTest, CreateOverwritesOnlyWhenForced) {
  create("1MiB");
  append("a\n");
  const std::string before = read_whole_file(log());
  EXPECT_THAT(run("create", {"--capacity", "1MiB"}), ExitsSaying(3, "already-exists"));
  EXPECT_TRUE(read_whole_file(log()) == before);

  create("64KiB", {"--force"});
  EXPECT_THAT(recovered(), IsEmpty());
  EXPECT_EQ(std::filesystem::file_size(log()), 65536);
}

TEST_F(CommandTest, InfoTellsPeopleTheSame) {
  create("1MiB");
  append("a\nbc\n");
  const Outcome info = run("info");
  EXPECT_THAT(info, Exits(0));
  for (const char* word :
       {"format", "capacity", "window", "trim", "graceful", "slot 0", "slot 1",
        "the one that counts", "device", "durability", "used", "free", "2, 5 bytes in bodies"}) {
    EXPECT_THAT(info.out, HasSubstr(word));
  }
}

TEST_F(CommandTest, InfoCountsTheSpaceInUseInBlocks) {
  create("1MiB");
  append("a\n");
  const Json info = objects(run("info", {"--json"})).front();
  EXPECT_EQ(info["used"], 4096);
  EXPECT_EQ(info["free"], kMiB - 8192 - 4096);
}

// --- append -----------------------------------------------------------------------------------

TEST_F(CommandTest, AppendTellsRecordsBytesFirstAndLastOffset) {
  create("1MiB");
  const Outcome appended = run("append", {"--json"}, {.input = "one\ntwo\n\nfour"});
  ASSERT_THAT(appended, Exits(0));
  const std::vector<std::int64_t> found = offsets();
  ASSERT_THAT(found, SizeIs(4));
  const Json summary = objects(appended).back()["summary"];
  EXPECT_EQ(summary["records"], 4);
  EXPECT_EQ(summary["bytes"], 13);
  EXPECT_EQ(summary["first"], found.front());
  EXPECT_EQ(summary["last"], found.back());
}

TEST_F(CommandTest, AppendTellsPeopleOnStdoutUnlessAcknowledgementsGoThere) {
  create("1MiB");
  const Outcome plain = run("append", {}, {.input = "a\n"});
  EXPECT_THAT(plain.out, HasSubstr("1 records, 2 bytes, first offset "));
  const Outcome acks = run("append", {"--acks", "--reset"}, {.input = "a\n"});
  EXPECT_THAT(acks.err, HasSubstr("1 records, 2 bytes, first offset "));
  EXPECT_THAT(lines_of(acks.out), SizeIs(1));
}

TEST_F(CommandTest, AcknowledgementsAreTheOffsetsInOrder) {
  create("1MiB");
  const Outcome acks = run("append", {"--acks"}, {.input = "a\nb\nc\n"});
  ASSERT_THAT(acks, Exits(0));
  std::vector<std::string> expected;
  for (const std::int64_t offset : offsets()) expected.push_back(std::to_string(offset));
  EXPECT_THAT(lines_of(acks.out), ElementsAreArray(expected));

  const Outcome json = run("append", {"--acks", "--json", "--reset"}, {.input = "a\nb\n"});
  const std::vector<Json> found = objects(json);
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0]["offset"], offsets()[0]);
  EXPECT_EQ(found[1]["offset"], offsets()[1]);
  EXPECT_TRUE(found[2].contains("summary"));
}

TEST_F(CommandTest, AnAcknowledgementIsVisibleWhileTheInputIsStillOpen) {
  create("1MiB");
  RunningTool tool({"append", log(), "--acks"}, {});
  ASSERT_EQ(::write(tool.in(), "a\n", 2), 2);
  const std::string said = read_some(tool.out());
  tool.kill();
  EXPECT_EQ(tool.reap().signal, SIGKILL);
  EXPECT_EQ(std::to_string(offsets().at(0)) + "\n", said);
  EXPECT_EQ(recovered(), "a\n");
}

TEST_F(CommandTest, AppendOfNothingIsFineAndWritesNothing) {
  create("1MiB");
  const std::string before = read_whole_file(log());
  const Outcome appended = run("append", {"--json"});
  EXPECT_THAT(appended, Exits(0));
  EXPECT_EQ(objects(appended).back()["summary"]["records"], 0);
  EXPECT_TRUE(objects(appended).back()["summary"]["first"].is_null());
  EXPECT_TRUE(read_whole_file(log()) == before);
}

TEST_F(CommandTest, AppendGoesOnBehindWhatTheLogHolds) {
  create("1MiB");
  append("a\n");
  append("b\n");
  append("c\n");
  EXPECT_EQ(recovered(), "a\nb\nc\n");
  append("d\n", {"--reset"});
  EXPECT_EQ(recovered(), "d\n");
}

// Rot in the last record of a log that was closed: nothing goes on there unless it is told to.
TEST_F(CommandTest, DamageIsToldAndSalvagedOnRequest) {
  create("1MiB");
  append("a\n");
  append("b\n");
  const std::int64_t last = offsets().back();
  std::string image = read_whole_file(log());
  const auto at = static_cast<std::uint64_t>(last) % (kMiB - 8192) + 8192 + 24;
  ASSERT_EQ(image.at(at), 'b');
  image.at(at) = 'x';
  std::ofstream(log(), std::ios::binary) << image;
  EXPECT_THAT(run("recover"), ExitsSaying(1, "--salvage"));
  EXPECT_EQ(run("recover").out, "a\n");
  EXPECT_THAT(run("verify"), ExitsSaying(1, "are lost"));
  EXPECT_THAT(run("append", {}, {.input = "c\n"}), ExitsSaying(1, "damaged"));
  EXPECT_TRUE(read_whole_file(log()) == image);
  EXPECT_EQ(run("recover", {"--salvage"}).exit_code, 1);
}

TEST_F(CommandTest, AppendStartsAnewByItselfWhereEverythingIsTrimmed) {
  create("1MiB");
  append("a\nb\n");
  ASSERT_THAT(run("trim", {std::to_string(offsets().back())}), Exits(0));
  append("c\n");
  EXPECT_EQ(recovered(), "c\n");
}

TEST_F(CommandTest, ResetOfAppendDiscardsEvenWhenNothingIsAppended) {
  create("1MiB");
  append("a\n");
  append("", {"--reset"});
  EXPECT_THAT(recovered(), IsEmpty());
}

// --- recover ----------------------------------------------------------------------------------

TEST_F(CommandTest, RecoverPrintsExactlyTheFieldsOfTheContract) {
  create("1MiB");
  append("hello\nworld!\n");
  const std::vector<Json> lines = recovered_json();
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(keys(lines[0]), ElementsAre("offset", "length", "checksum"));
  EXPECT_EQ(lines[0]["length"], 6);
  EXPECT_EQ(lines[0]["checksum"], checksum_of("hello\n"));
  EXPECT_EQ(lines[1]["offset"], lines[0]["offset"].get<std::int64_t>() + 24 + 6);
  EXPECT_EQ(lines[1]["length"], 7);
  EXPECT_EQ(lines[1]["checksum"], checksum_of("world!\n"));

  EXPECT_THAT(keys(lines[2]), ElementsAre("summary"));
  const Json summary = lines[2]["summary"];
  EXPECT_THAT(keys(summary),
              IsSupersetOf({"records", "bytes", "holes", "format", "first", "last", "damage"}));
  EXPECT_EQ(summary["records"], 2);
  EXPECT_EQ(summary["bytes"], 13);
  EXPECT_EQ(summary["holes"], Json::array());
  EXPECT_EQ(summary["format"], 0);
  EXPECT_EQ(summary["first"], lines[0]["offset"]);
  EXPECT_EQ(summary["last"], lines[1]["offset"]);
  EXPECT_EQ(summary["damage"], Json::array());
}

TEST_F(CommandTest, RecoverOfAnEmptyLogGivesNothing) {
  create("1MiB");
  EXPECT_THAT(recovered(), IsEmpty());
  const Json summary = recovered_json().back()["summary"];
  EXPECT_EQ(summary["records"], 0);
  EXPECT_TRUE(summary["first"].is_null());
  EXPECT_TRUE(summary["last"].is_null());
}

TEST_F(CommandTest, RecoverWritesNothingAndRunsBesideOtherReaders) {
  create("1MiB");
  append("a\n");
  const std::string before = read_whole_file(log());
  const RunningTool other({"recover", log()}, {});
  EXPECT_EQ(recovered(), "a\n");
  EXPECT_EQ(recovered({"--strict"}), "a\n");
  EXPECT_EQ(recovered({"--prefix"}), "a\n");
  EXPECT_TRUE(read_whole_file(log()) == before);
}

// --- verify, trim, reset ----------------------------------------------------------------------

TEST_F(CommandTest, VerifyOfASoundLogFindsNothingOdd) {
  create("1MiB");
  append("a\n");
  EXPECT_THAT(run("verify"), AllOf(Exits(0), Field(&Outcome::out, HasSubstr("\nok\n")),
                                   Field(&Outcome::out, Not(HasSubstr("odd")))));
  const Json object = objects(run("verify", {"--json"})).front();
  EXPECT_TRUE(object["ok"]);
  EXPECT_EQ(object["records"], 1);
  EXPECT_THAT(object["findings"], IsEmpty());
}

TEST_F(CommandTest, TrimDiscardsUpToAndIncludingTheRecord) {
  create("1MiB");
  append("a\nb\nc\n");
  const std::vector<std::int64_t> before = offsets();
  const Outcome trimmed = run("trim", {std::to_string(before[1]), "--json"});
  ASSERT_THAT(trimmed, Exits(0));
  EXPECT_EQ(objects(trimmed).front()["trim"], before[1]);
  EXPECT_EQ(recovered(), "c\n");
  EXPECT_THAT(offsets(), ElementsAre(before[2]));

  ASSERT_THAT(run("trim", {std::to_string(before[2])}), Exits(0));
  EXPECT_THAT(recovered(), IsEmpty());
}

TEST_F(CommandTest, ResetDiscardsEverythingAndMayChangeTheFormat) {
  create("1MiB");
  append("a\n");
  const Outcome reset = run("reset", {"--format", "1", "--json"});
  ASSERT_THAT(reset, Exits(0));
  const Json object = objects(reset).front();
  EXPECT_EQ(object["format"], 1);
  EXPECT_EQ(object["discarded"], 1);
  EXPECT_THAT(recovered(), IsEmpty());
  const Json info = objects(run("info", {"--json"})).front();
  EXPECT_EQ(info["format"], 1);
  EXPECT_EQ(info["shutdown"], "graceful");
  EXPECT_EQ(info["trim"], object["start"].get<std::int64_t>() - 1);

  ASSERT_THAT(run("reset"), Exits(0));
  EXPECT_EQ(objects(run("info", {"--json"})).front()["format"], 1);
}

}  // namespace
}  // namespace seqwal::process
