// seqwal-sim as it is used: what it accepts, prints, and leaves when a promise was broken.
#include <unistd.h>

#include "tests/process/tool_test.h"

namespace seqwal::process {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::Field;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

// In a directory of its own: a violation leaves a file where it was found.
class SimTest : public testing::Test {
 protected:
  [[nodiscard]] Outcome sim(const std::vector<std::string>& arguments) const {
    const auto go_there = [this] { return ::chdir(directory_.path().c_str()) == 0; };
    return run_tool(arguments, {.program = SEQWAL_SIM_TOOL, .in_child = go_there});
  }
  // The last line on stderr, run as a command.
  [[nodiscard]] Outcome replayed(const Outcome& outcome) const {
    std::vector<std::string> words;
    std::string line = lines_of(outcome.err).back();
    while (!line.empty()) {
      words.push_back(line.substr(0, line.find(' ')));
      line.erase(0, words.back().size() + 1);
    }
    EXPECT_THAT(words.front(), EndsWith("seqwal-sim"));
    words.erase(words.begin());
    return sim(words);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

 private:
  TempDir directory_;
};

TEST_F(SimTest, HelpOfEveryCommandHasAnExample) {
  EXPECT_THAT(sim({"--help"}), AllOf(Exits(0), Field(&Outcome::out, HasSubstr("Example:"))));
  for (const char* command : {"run", "replay", "exhaustive", "interleave", "canary"}) {
    EXPECT_THAT(sim({command, "--help"}),
                AllOf(Exits(0), Field(&Outcome::out, HasSubstr("Example:\n"))))
        << command;
  }
}

TEST_F(SimTest, WrongUsageIsNamed) {
  EXPECT_THAT(sim({}), ExitsSaying(2, "wrong usage"));
  EXPECT_THAT(sim({"run", "--profile", "kind"}), ExitsSaying(2, "--profile"));
  EXPECT_THAT(sim({"run", "--cycles", "1", "--seconds", "1"}), ExitsSaying(2, "not both"));
  EXPECT_THAT(sim({"run", "--threads", "0"}), ExitsSaying(2, "--threads"));
  EXPECT_THAT(sim({"replay"}), ExitsSaying(2, "one of them"));
  EXPECT_THAT(sim({"exhaustive", "--blocks", "9"}), ExitsSaying(2, "--blocks"));
  EXPECT_THAT(sim({"exhaustive", "--fates", "4"}), ExitsSaying(2, "--fates"));
  EXPECT_THAT(sim({"interleave", "--threads", "4", "--ops", "3"}), ExitsSaying(2, "--ops"));
}

TEST_F(SimTest, SummaryHasEveryFieldAndIsTheSameForAnyNumberOfThreads) {
  const auto summary = [&](const char* threads) {
    const Outcome outcome =
        sim({"run", "--seed", "5", "--cycles", "400", "--threads", threads, "--json"});
    EXPECT_THAT(outcome, Exits(0));
    return objects(outcome).at(0);
  };
  const Json one = summary("1");
  EXPECT_THAT(keys(one), IsSupersetOf({"seed", "cycles", "cycles_per_s", "crashes", "acked",
                                       "appends_per_cycle", "in_flight_at_crash", "wrapped_share",
                                       "faults", "coverage", "violations", "trace_hash"}));
  EXPECT_EQ(one["seed"], 5);
  EXPECT_GE(one["cycles"], 400);
  EXPECT_GT(one["acked"], 0);
  EXPECT_EQ(one["violations"], 0);
  EXPECT_TRUE(one["violation"].is_null());
  EXPECT_TRUE(one["faults"].contains("write-error"));
  EXPECT_TRUE(one["coverage"].contains("power-cut/running"));
  const Json three = summary("3");
  EXPECT_EQ(one["trace_hash"], three["trace_hash"]);
  EXPECT_EQ(one["coverage"], three["coverage"]);
}

TEST_F(SimTest, ReplayTellsTheSameTwice) {
  const Outcome first = sim({"replay", "--seed", "7", "--trace"});
  EXPECT_THAT(first, Exits(0));
  EXPECT_THAT(first.out, AllOf(HasSubstr("recovered"), HasSubstr("submitted"),
                               EndsWith("every promise held\n")));
  EXPECT_EQ(first.out, sim({"replay", "--seed", "7", "--trace"}).out);
  EXPECT_NE(first.out, sim({"replay", "--seed", "8", "--trace"}).out);
}

// On a disk whose flushes cover nothing, a header is overwritten while the other is not safe.
constexpr const char* kFirstBroken = "I10: always a valid durable header, stamps grow";

TEST_F(SimTest, CanaryIsCaughtMadeSmallerAndReplayed) {
  const Outcome canary = sim({"canary"});
  EXPECT_THAT(canary, ExitsSaying(1, "broken promise"));
  EXPECT_THAT(canary.err, HasSubstr(kFirstBroken));
  EXPECT_THAT(canary.err, HasSubstr("a smaller run has "));
  const Outcome again = replayed(canary);
  EXPECT_THAT(again, ExitsSaying(1, kFirstBroken));
  EXPECT_EQ(lines_of(again.err).back(), lines_of(canary.err).back());
  const Outcome whole = sim({"replay", "--seed", "1", "--profile", "canary", "--trace"});
  EXPECT_THAT(whole, ExitsSaying(1, kFirstBroken));
  EXPECT_LT(2 * lines_of(again.out).size(), lines_of(whole.out).size()) << "not made smaller";
}

TEST_F(SimTest, ABrokenPromiseIsToldAsItWasFoundWhenAskedSo) {
  const Outcome found = sim({"run", "--profile", "canary", "--cycles", "10000", "--threads", "1",
                             "--no-shrink", "--json"});
  EXPECT_THAT(found, ExitsSaying(1, kFirstBroken));
  const Json violation = objects(found).at(0)["violation"];
  EXPECT_EQ(violation["invariant"], kFirstBroken);
  EXPECT_EQ(violation["cycles"], objects(found).at(0)["cycles"]);
  EXPECT_THAT(found.err, AllOf(HasSubstr("after " + violation["cycles"].dump() +
                                         " cycles: " + std::string(kFirstBroken)),
                               Not(HasSubstr("a smaller run"))));
  EXPECT_THAT(replayed(found), ExitsSaying(1, kFirstBroken));
}

TEST_F(SimTest, PlantedWeaknessesOfTheLockFreePartsAreCaughtAndReplayed) {
  for (const char* canary : {"order", "recheck"}) {
    const Outcome caught = sim({"interleave", "--canary", canary});
    EXPECT_THAT(caught, ExitsSaying(1, "broken promise")) << canary;
    EXPECT_THAT(caught.err, HasSubstr(" schedules: ")) << canary;
    EXPECT_THAT(replayed(caught), ExitsSaying(1, "broken promise")) << canary;
  }
}

TEST_F(SimTest, ExhaustiveCountsItsStates) {
  const Outcome outcome = sim({"exhaustive", "--blocks", "1", "--fates", "3", "--json"});
  EXPECT_THAT(outcome, Exits(0));
  const Json found = objects(outcome).at(0);
  EXPECT_GE(found["shapes"], 32);
  EXPECT_EQ(found["states"], found["shapes"].get<int>() * 4) << "completed, and three fates";
  EXPECT_EQ(found["violations"], 0);
  EXPECT_TRUE(found.contains("seconds"));
  const Outcome twice = sim({"exhaustive", "--blocks", "1", "--fates", "3", "--double", "--json"});
  EXPECT_THAT(twice, Exits(0));
  EXPECT_GT(objects(twice).at(0)["states"], found["states"]);
}

TEST_F(SimTest, AFileThatIsNoRecordingIsRefused) {
  EXPECT_THAT(sim({"replay", path("nowhere")}), ExitsSaying(3, "nowhere"));
  write_file(path("text"), "hello\n");
  EXPECT_THAT(sim({"replay", path("text")}), ExitsSaying(2, "not a recording"));
  write_file(path("odd"), "seqwal-sim replay 1\nprofile crash\nworld 1 two 3\n");
  EXPECT_THAT(sim({"replay", path("odd")}), ExitsSaying(2, "'two' is no answer"));
}

}  // namespace
}  // namespace seqwal::process
