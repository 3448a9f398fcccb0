// The small language of the process tests: a fixture with one log, and what is said about outcomes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/process/run_tool.h"
#include "tests/support/temp.h"

namespace seqwal::process {

using Json = nlohmann::ordered_json;
using testing_support::LoopDevice;
using testing_support::Mount;
using testing_support::read_whole_file;
using testing_support::TempDir;
using testing_support::write_file;

inline constexpr std::uint64_t kMiB = 1U << 20U;

// NOLINTBEGIN(readability-identifier-naming): matchers read as parts of a sentence
MATCHER_P(Exits, code, "exits with " + std::to_string(code)) {
  return !arg.timed_out && arg.exit_code == code;
}
MATCHER_P2(ExitsSaying, code, text,
           "exits with " + std::to_string(code) + " and says: " + std::string(text)) {
  return !arg.timed_out && arg.exit_code == code && arg.err.starts_with("seqwal: ") &&
         arg.err.contains(text);
}
// NOLINTEND(readability-identifier-naming)

// The JSON objects that it printed, one for each line.
inline std::vector<Json> objects(const Outcome& outcome) {
  std::vector<Json> found;
  for (const std::string& line : lines_of(outcome.out)) {
    found.push_back(Json::parse(line, nullptr, false));
    EXPECT_TRUE(found.back().is_object()) << line;
  }
  return found;
}

inline std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

class ToolTest : public testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  // COMMAND of the log, with further arguments.
  [[nodiscard]] Outcome run(const std::string& command, const Arguments& more = {},
                            const RunOptions& options = {}) const {
    Arguments arguments = {command, log()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments, options);
  }
  void create(const std::string& capacity, const Arguments& more = {}) const {
    Arguments arguments = {"--capacity", capacity};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ASSERT_THAT(run("create", arguments), Exits(0));
  }
  void append(const std::string& input, const Arguments& more = {}) const {
    ASSERT_THAT(run("append", more, {.input = input}), Exits(0));
  }
  // All bodies, one after the other.
  [[nodiscard]] std::string recovered(const Arguments& more = {}) const {
    const Outcome outcome = run("recover", more);
    EXPECT_THAT(outcome, Exits(0));
    return outcome.out;
  }
  [[nodiscard]] std::vector<Json> recovered_json() const {
    const Outcome outcome = run("recover", {"--json"});
    EXPECT_THAT(outcome, Exits(0));
    return objects(outcome);
  }
  [[nodiscard]] std::vector<std::int64_t> offsets() const {
    std::vector<std::int64_t> found;
    for (const Json& object : recovered_json()) {
      if (object.contains("offset")) found.push_back(object["offset"]);
    }
    return found;
  }

  // COMMAND is refused for this reason, and changes nothing.
  void expect_refused(int exit_code, const std::string& text, const std::string& command,
                      const Arguments& more = {}, const RunOptions& options = {}) const {
    const bool existed = std::filesystem::exists(log());
    const std::string before = read_whole_file(log());
    EXPECT_THAT(run(command, more, options), ExitsSaying(exit_code, text)) << command;
    EXPECT_EQ(std::filesystem::exists(log()), existed) << command;
    EXPECT_TRUE(read_whole_file(log()) == before) << command << " changed the log";
  }
  // Every command that opens a log that should be there.
  void expect_all_refused(int exit_code, const std::string& text,
                          const RunOptions& options = {}) const {
    for (const char* command : {"info", "append", "recover", "verify", "reset"}) {
      expect_refused(exit_code, text, command, {}, options);
    }
    expect_refused(exit_code, text, "append", {"--reset"}, options);
    expect_refused(exit_code, text, "trim", {"0"}, options);
  }

  [[nodiscard]] std::string log() const { return path_.empty() ? dir_ / "log" : path_; }
  void use(const std::string& path) { path_ = path; }
  [[nodiscard]] const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  std::string path_;
};

}  // namespace seqwal::process
