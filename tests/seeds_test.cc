// The runs that broke a promise once, kept in sim/seeds with the reason: none does any more.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "seqwal/sim/campaign.h"

namespace seqwal::sim {
namespace {

std::vector<std::filesystem::path> kept_runs() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SEQWAL_SOURCE_DIR "/sim/seeds")) {
    if (entry.path().extension() == ".replay") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

class Seeds : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Seeds, KeepEveryPromiseNow) {
  std::stringstream text;
  text << std::ifstream(GetParam()).rdbuf();
  const auto recording = Recording::from_text(text.str());
  ASSERT_TRUE(recording) << recording.error();
  EXPECT_FALSE(recording->why.empty()) << "say in one line why it is kept";
  EXPECT_TRUE(
      std::filesystem::exists(SEQWAL_SOURCE_DIR "/tests/mutants/" + recording->bug + ".txt"))
      << "name the bug of tests/mutants that breaks it: '" << recording->bug << "'";
  WorldSupplies supplies;
  const WorldReport report = replay(*recording, supplies);
  EXPECT_GT(report.lives, 0U);
  if (report.violation) {
    ADD_FAILURE() << to_string(report.violation->invariant) << ": " << report.violation->what
                  << "\nseqwal-sim replay " << GetParam().string() << " --trace";
  }
}

INSTANTIATE_TEST_SUITE_P(, Seeds, testing::ValuesIn(kept_runs()), [](const auto& run) {
  std::string name = run.param.stem().string();
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace seqwal::sim
