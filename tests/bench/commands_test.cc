// Each command of seqwal-bench for a moment: what it prints, what it refuses, what it leaves alone.
// How fast anything was is not looked at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/process/tool_test.h"

namespace seqwal::process {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Arguments = std::vector<std::string>;

const Arguments kFigures = {"records",      "rec_s",        "mib_s",         "p50_us",
                            "p90_us",       "p99_us",       "p999_us",       "max_us",
                            "mean_us",      "cpu_s",        "writes_s",      "cpu_us_rec",
                            "allocs_rec",   "syscalls_rec", "avg_write_kib", "rec_per_write",
                            "out_of_order", "overcap",      "failed"};

Arguments operator+(Arguments first, const Arguments& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class BenchTest : public testing::Test {
 protected:
  [[nodiscard]] std::string log() const { return dir_ / "log"; }
  // write and compare, for half a second.
  [[nodiscard]] Arguments briefly(const std::string& command, const Arguments& more = {},
                                  const std::string& capacity = "4MiB") const {
    return Arguments{command, log(),      "--capacity", capacity, "--seconds",
                     "0.4",   "--warmup", "0.1",        "--json"} +
           more;
  }
  // The one line that a command prints when it goes well.
  [[nodiscard]] static Json line_of(const Arguments& arguments) {
    const Outcome outcome = run_tool(arguments);
    EXPECT_THAT(outcome, Exits(0));
    const std::vector<Json> lines = objects(outcome);
    EXPECT_THAT(lines, SizeIs(1));
    return lines.empty() ? Json::object() : lines[0];
  }
  [[nodiscard]] Json write(const Arguments& more = {}, const std::string& capacity = "4MiB") const {
    return line_of(briefly("write", more, capacity));
  }

  TempDir dir_;
};

TEST_F(BenchTest, WritePrintsItsFigures) {
  const Json line = write();
  EXPECT_THAT(keys(line), IsSupersetOf(kFigures));
  EXPECT_GT(line["records"], 0);
  EXPECT_GT(line["writes_s"], 0);
  EXPECT_EQ(line["out_of_order"], 0);
  EXPECT_EQ(line["failed"], 0);
  EXPECT_EQ(line["acks"], "ordered");
  EXPECT_GE(line["order_tax"], 1);
  EXPECT_FALSE(line.contains("log_efficiency")) << "no limit is known";
}

TEST_F(BenchTest, TheLogSaysHowNearItComesToItsLimits) {
  const Json line = write({"--iops", "500"});
  EXPECT_GT(line["log_efficiency"], 0);
  EXPECT_LE(line["log_efficiency"], 1.02);
  EXPECT_FALSE(write({"--iops", "500", "--acks", "parallel"}).contains("order_tax"));
}

TEST_F(BenchTest, WriteTakesEveryKindOfClientLogAndDevice) {
  for (const Arguments& kind :
       std::vector<Arguments>{{"--acks", "parallel"},
                              {"--blocking"},
                              {"--acks", "parallel", "--blocking"},
                              {"--pipeline", "16", "--depth", "2", "--plug-us", "0"},
                              {"--device", "threads"},
                              {"--callback-threads", "1"},
                              {"--callback-threads", "3", "--pipeline", "4"},
                              {"--record-size", "300KiB"},
                              {"--durability", "none", "--iops", "500", "--bandwidth", "10MiB"}}) {
    SCOPED_TRACE(testing::PrintToString(kind));
    const Json line = write(kind);
    EXPECT_GT(line["records"], 0);
    EXPECT_EQ(line["failed"], 0);
  }
}

TEST_F(BenchTest, WriteTrimsAsItGoes) {
  const Json line = write({"--record-size", "16KiB", "--durability", "none"}, "256KiB");
  EXPECT_EQ(line["failed"], 0);
  EXPECT_GT(line["records"].get<double>() * 16, 256) << "the ring was not even filled once";
}

TEST_F(BenchTest, WriteTellsTheEfficiencyWhenItKnowsTheVolume) {
  const Json line = write({"--volume", "2800,125829120,250"});
  EXPECT_EQ(line["bound_rec_s"], 22400);
  EXPECT_GT(line["efficiency"], 0);
}

TEST_F(BenchTest, WhatTheBaselineLeavesIsRecovered) {
  static_cast<void>(write({"--acks", "parallel"}));
  const Json line = line_of({"recover", log(), "--json"});
  EXPECT_THAT(keys(line), IsSupersetOf({"records", "bytes", "seconds", "rec_s", "mib_s", "cpu_s"}));
  EXPECT_GT(line["records"], 0);
  EXPECT_EQ(line["bytes"], line["records"].get<std::uint64_t>() * 1024);
}

TEST_F(BenchTest, OpenLoopTellsWhatArrivedAndTheBound) {
  const Outcome outcome = run_tool({"write", log(), "--capacity", "4MiB", "--seconds", "0.4",
                                    "--warmup", "0.1", "--durability", "none", "--rate", "2000",
                                    "--volume", "2800,125829120,250", "--json"});
  ASSERT_THAT(outcome, Exits(0));
  const Json line = objects(outcome).at(0);
  EXPECT_EQ(line["clients"], "open-loop");
  EXPECT_EQ(line["rate"], 2000);
  EXPECT_EQ(line["failed"], 0);
  EXPECT_GT(line["records"], 0);
  EXPECT_GT(line["arrived_s"], 0);
  EXPECT_GE(line["late_us"], 0);
  EXPECT_EQ(line["bound_mean_us"], 428.6);
  EXPECT_GT(line["latency_ratio"], 0);
}

TEST_F(BenchTest, VolumeUnderLoadIsTheSameEachTime) {
  const Arguments command = {"volume", "--load", "50,80", "--seconds", "0.2", "--json"};
  const Outcome outcome = run_tool(command);
  ASSERT_THAT(outcome, Exits(0));
  const std::vector<Json> lines = objects(outcome);
  ASSERT_THAT(lines, SizeIs(4U));
  EXPECT_EQ(lines[2]["load"], 80);
  EXPECT_EQ(lines[2]["acks"], "ordered");
  EXPECT_EQ(lines[2]["failed"], 0);
  EXPECT_EQ(run_tool(command).out, outcome.out);
}

TEST_F(BenchTest, RawIsTheDeviceAlone) {
  for (const char* way : {"--json", "--read"}) {
    const Json line = line_of({"raw", log(), "--capacity", "4MiB", "--block-size", "16KiB",
                               "--concurrency", "4", "--seconds", "0.4", "--json", way});
    EXPECT_THAT(keys(line), IsSupersetOf({"writes_s", "mib_s", "p50_us", "p99_us"}));
  }
}

TEST_F(BenchTest, CompareTellsTheRatioOfEachMetric) {
  const Outcome outcome = run_tool(briefly("compare", {"--pairs", "2"}));
  ASSERT_THAT(outcome, Exits(0));
  const std::vector<Json> lines = objects(outcome);
  ASSERT_THAT(lines, SizeIs(Ge(5U)));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(lines[i]["acks"], i % 2 == 0 ? "ordered" : "parallel");
  }
  EXPECT_THAT(keys(lines[4]), ElementsAre("metric", "ordered", "parallel", "min", "median", "max"));
  EXPECT_EQ(lines[4]["metric"], "rec_s");
  EXPECT_LE(lines[4]["min"], lines[4]["max"]);
}

TEST_F(BenchTest, MemoryTellsTheLimitBesideOurs) {
  for (const char* threads : {"1", "2"}) {
    const Json line = line_of(
        {"memory", "--threads", threads, "--record-size", "128", "--seconds", "0.4", "--json"});
    EXPECT_THAT(keys(line), IsSupersetOf({"ns_rec", "rec_s", "gib_s", "limit_ns_rec", "ratio",
                                          "own_limit_ns_rec", "own_ratio"}));
    for (const char* key : {"order_limit_ns_rec", "handover_ns"}) {
      EXPECT_EQ(line.contains(key), threads == std::string("2")) << key;
    }
  }
}

// Virtual time: a volume that stalls and keeps its rates meanwhile costs nothing in the end.
TEST_F(BenchTest, AStallOfTheVolumeIsCaughtUp) {
  const auto rate = [&](const char* stall_ms, const char* saved_ms) {
    const Outcome outcome = run_tool({"volume", "--record-size", "16KiB", "--concurrency", "8",
                                      "--stall-ms", stall_ms, "--saved-ms", saved_ms, "--json"});
    EXPECT_THAT(outcome, Exits(0));
    return objects(outcome).front()["rec_s"].get<double>();
  };
  const double without = rate("0", "0");
  EXPECT_GE(rate("80", "100"), .99 * without);
  EXPECT_THAT(rate("80", "0"), testing::AllOf(Ge(.90 * without), testing::Le(.93 * without)));
}

TEST_F(BenchTest, VolumeIsTheSameEachTime) {
  for (const char* profile : {"essd-pl1-20g", "gp3", "nvme"}) {
    const char* late = profile == std::string("gp3") ? "30" : "0";
    const Arguments arguments = {"volume", "--return-us",   late,  "--profile",
                                 profile,  "--concurrency", "1,8", "--seconds",
                                 "0.4",    "--warmup",      "0.1", "--json"};
    const Outcome first = run_tool(arguments);
    ASSERT_THAT(first, Exits(0));
    EXPECT_EQ(run_tool(arguments).out, first.out);
    const std::vector<Json> lines = objects(first);
    ASSERT_THAT(lines, SizeIs(4));
    for (const Json& line : lines) {
      EXPECT_THAT(keys(line), IsSupersetOf(kFigures));
      EXPECT_GT(line["records"], 0);
      EXPECT_LE(line["efficiency"], 1.1);
    }
  }
}

TEST_F(BenchTest, PlotDrawsWhatWasMeasured) {
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no gnuplot here";
  const Outcome measured =
      run_tool({"volume", "--concurrency", "1,8", "--seconds", "0.4", "--json"});
  ASSERT_THAT(measured, Exits(0));
  write_file(dir_ / "it's.jsonl", measured.out);
  const std::string drawing = dir_ / "it's.svg";
  ASSERT_THAT(run_tool({"plot", dir_ / "it's.jsonl", "-o", drawing}), Exits(0));
  EXPECT_THAT(read_whole_file(drawing), AllOf(StartsWith("<?xml"), HasSubstr("ordered 1 KiB p99"),
                                              HasSubstr("parallel 1 KiB")));
}

TEST_F(BenchTest, PlotRefusesWhatItCannotReadOrWrite) {
  write_file(log(), std::string("nothing of ours\n{\"concurrency\":1}\n"));
  EXPECT_THAT(run_tool({"plot", log(), "-o", dir_ / "x.svg"}), ExitsSaying(2, "nothing to plot"));
  EXPECT_THAT(run_tool({"plot", dir_ / "none", "-o", dir_ / "x.svg"}),
              ExitsSaying(3, "cannot read"));
  write_file(log(), std::string(R"({"concurrency":1,"p50_us":1,"p99_us":1,"rec_s":1})") + "\n");
  EXPECT_THAT(run_tool({"plot", log(), "-o", dir_ / "none/x.svg"}), ExitsSaying(3, "cannot write"));
}

TEST_F(BenchTest, NothingOfSomebodyElseIsOverwritten) {
  write_file(log(), std::string(1U << 20U, 'x'));
  const std::string before = read_whole_file(log());
  for (const Arguments& command :
       {briefly("write"), briefly("compare"), Arguments{"raw", log(), "--seconds", "0.1"}}) {
    EXPECT_THAT(run_tool(command), ExitsSaying(3, "already-exists")) << command[0];
    EXPECT_TRUE(read_whole_file(log()) == before) << command[0];
  }
  EXPECT_EQ(write({"--force"})["failed"], 0);
}

TEST_F(BenchTest, ALogOfSomebodyElseIsTakenOnlyWhileItHoldsNothing) {
  ASSERT_THAT(run_tool({"create", log(), "--capacity", "4MiB"}, {.program = SEQWAL_LOG_TOOL}),
              Exits(0));
  ASSERT_THAT(run_tool({"append", log()}, {.program = SEQWAL_LOG_TOOL, .input = "a record\n"}),
              Exits(0));
  EXPECT_THAT(run_tool(briefly("write")), ExitsSaying(3, "a log with records"));
  const std::string before = read_whole_file(log());
  EXPECT_THAT(run_tool({"raw", log(), "--read", "--seconds", "0.1"}), Exits(0));
  EXPECT_TRUE(read_whole_file(log()) == before);
  ASSERT_THAT(run_tool({"reset", log()}, {.program = SEQWAL_LOG_TOOL}), Exits(0));
  EXPECT_EQ(write()["failed"], 0);
}

TEST_F(BenchTest, WrongUsageIsRefused) {
  const std::string path = log();
  for (const Arguments& wrong : std::vector<Arguments>{{},
                                                       {"nonsense"},
                                                       {"write"},
                                                       {"write", path, "--concurrency", "0"},
                                                       {"write", path, "--pipeline", "x"},
                                                       {"write", path, "--record-size", "0"},
                                                       {"write", path, "--record-size", "1KB"},
                                                       {"write", path, "--acks", "none"},
                                                       {"write", path, "--seconds", "-1"},
                                                       {"write", path, "--depth", "0"},
                                                       {"write", path, "--iops", "0"},
                                                       {"write", path, "--volume", "2800,1"},
                                                       {"write", path, "--durability", "perhaps"},
                                                       {"write", path, "--rate", "0"},
                                                       {"write", path, "--rate", "9", "--blocking"},
                                                       {"volume", "--load", "0"},
                                                       {"compare", path, "--pairs", "0"},
                                                       {"compare", path, "--acks", "ordered"},
                                                       {"raw", path, "--concurrency", "0"},
                                                       {"memory", "--threads", "0"},
                                                       {"memory", "--record-size", "0"},
                                                       {"recover"},
                                                       {"recover", path, "--read-ahead", "1"},
                                                       {"volume", "--profile", "floppy"},
                                                       {"volume", "--concurrency", "8,0"},
                                                       {"plot", path},
                                                       {"plot", "-o", path}}) {
    EXPECT_THAT(run_tool(wrong), ExitsSaying(2, "wrong usage")) << testing::PrintToString(wrong);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(BenchTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(run_tool(briefly("write", {}, "5000")), ExitsSaying(2, "bad-capacity"));
  EXPECT_THAT(run_tool(briefly("write", {"--record-size", "5MiB"})), ExitsSaying(2, "bad-length"));
  EXPECT_THAT(run_tool({"raw", log(), "--block-size", "5000", "--seconds", "0.1"}),
              ExitsSaying(2, "multiple of 4096"));
  EXPECT_THAT(run_tool({"recover", dir_ / "none"}), ExitsSaying(3, "not-found"));
}

TEST_F(BenchTest, HelpOfEveryCommandHasAnExample) {
  EXPECT_THAT(run_tool({"--help"}).out, HasSubstr("Example:"));
  for (const char* command : {"write", "raw", "compare", "memory", "recover", "volume", "plot"}) {
    const Outcome help = run_tool({command, "--help"});
    EXPECT_THAT(help, Exits(0)) << command;
    EXPECT_THAT(help.out, AllOf(HasSubstr("Example:\n  seqwal-bench "),
                                HasSubstr("seqwal-bench " + std::string(command))))
        << command;
  }
}

}  // namespace
}  // namespace seqwal::process
