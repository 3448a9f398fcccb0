// The repository checks itself, and each check is shown to be able to fail.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/repository_checks.h"

namespace seqwal::repository {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct File {
  std::string path;  // relative to the repository's root
  std::string text;
  bool is_executable = false;

  [[nodiscard]] bool is_cpp() const { return path.ends_with(".h") || path.ends_with(".cc"); }
  [[nodiscard]] bool is_document() const { return path.ends_with(".md"); }
  [[nodiscard]] bool is_text() const {
    static const std::set<std::string> kinds = {".txt", ".json", ".cmake", ".sh", ".yml", ".py"};
    const std::string name = std::filesystem::path(path).filename().string();
    return is_cpp() || is_document() || path.starts_with("scripts/") || path.starts_with(".ci/") ||
           (name.starts_with('.') && !name.ends_with(".swp")) ||
           kinds.contains(std::filesystem::path(path).extension().string());
  }
};

std::filesystem::path root() { return SEQWAL_SOURCE_DIR; }

File read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  using std::filesystem::perms;
  return {.path = path.lexically_relative(root()).generic_string(),
          .text = std::string(std::istreambuf_iterator<char>(stream), {}),
          .is_executable =
              (std::filesystem::status(path).permissions() & perms::owner_exec) != perms::none};
}

// Everything but what a build, git or an editor keeps in the tree.
std::vector<File> all_files() {
  std::vector<File> files;
  std::filesystem::recursive_directory_iterator entry(root());
  for (; entry != std::filesystem::recursive_directory_iterator(); ++entry) {
    const std::string name = entry->path().filename().string();
    const bool skipped = name.starts_with("build") || (name.starts_with('.') && name != ".ci");
    if (entry->is_directory() && entry.depth() == 0 && skipped) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(read_file(entry->path()));
    }
  }
  return files;
}

const std::vector<File>& files() {
  static const std::vector<File> all = all_files();
  return all;
}

bool exists(const std::string& path) { return std::filesystem::exists(root() / path); }

template <typename Selection, typename Check>
void expect_no_violation(Selection is_selected, Check check) {
  Violations found;
  int checked = 0;
  for (const File& file : files()) {
    if (is_selected(file)) {
      ++checked;
      std::ranges::copy(check(file), std::back_inserter(found));
    }
  }
  EXPECT_GT(checked, 0) << "nothing was checked";
  EXPECT_THAT(found, IsEmpty()) << fmt::format("{}", fmt::join(found, "\n"));
}

TEST(Repository, IncludeEdgesAreTheAllowedOnes) {
  expect_no_violation([](const File& file) { return file.is_cpp(); },
                      [](const File& file) { return check_includes(file.path, file.text); });
}

TEST(Repository, CoreHasNoThreadNoClockNoRandomnessNoSystemCallNoGlobalState) {
  expect_no_violation(
      [](const File& file) { return file.is_cpp() && file.path.starts_with("core/"); },
      [](const File& file) { return check_core_calls(file.path, file.text); });
}

TEST(Repository, DocumentsNameWhatExists) {
  expect_no_violation(
      [](const File& file) { return file.is_document(); },
      [](const File& file) { return check_document(file.path, file.text, exists); });
}

TEST(Repository, DocumentsNameTestsThatThereAre) {
  std::set<std::string> tests;
  for (const File& file : files()) {
    if (!file.is_cpp() || !file.path.starts_with("tests/")) continue;
    for (std::string& test : tests_defined(file.text)) tests.insert(std::move(test));
  }
  expect_no_violation(
      [](const File& file) {
        return file.path == "docs/guarantees.md" || file.path == "docs/testing.md";
      },
      [&](const File& file) { return check_named_tests(file.path, file.text, tests); });
}

TEST(Repository, TextIsFreeOfTabsAndTrailingWhitespace) {
  expect_no_violation([](const File& file) { return file.is_text(); },
                      [](const File& file) { return check_whitespace(file.path, file.text); });
}

TEST(Repository, NoFileHasTwoJobs) {
  expect_no_violation([](const File& file) { return file.is_cpp(); },
                      [](const File& file) { return check_length(file.path, file.text); });
}

TEST(Repository, ScriptsAreExecutableAndStopAtTheFirstError) {
  expect_no_violation(
      [](const File& file) { return file.text.starts_with("#!"); },
      [](const File& file) { return check_script(file.path, file.text, file.is_executable); });
}

TEST(Repository, EveryFileUnderScriptsHasAnInterpreterLine) {
  for (const File& file : files()) {
    if (file.path.starts_with("scripts/") || file.path.starts_with(".ci/")) {
      EXPECT_THAT(file.text, StartsWith("#!")) << file.path;
    }
  }
}

// From here on: the checks themselves.

TEST(RepositoryChecks, StrippingKeepsLinesAndColumns) {
  constexpr std::string_view kCode =
      "int a; // rand()\n/* b\n */ auto s = \"// \\\" no\"; auto n = 1'000 + '\"'; // c\n";
  EXPECT_EQ(stripped(kCode, Strip::comments),
            "int a;          \n    \n    auto s = \"// \\\" no\"; auto n = 1'000 + '\"';     \n");
  EXPECT_EQ(stripped(kCode, Strip::literals),
            "int a;          \n    \n    auto s = \"        \"; auto n = 1'000 + ' ';     \n");
  EXPECT_EQ(stripped("f(R\"x(a\" )x\", u8'b', 0x1'F);", Strip::literals),
            "f(R\"       \", u8' ', 0x1'F);");
}

struct IncludeCase {
  std::string_view path;
  std::string_view line;
  std::string_view complaint;  // empty: allowed
};

void expect_judged(const std::vector<IncludeCase>& cases) {
  for (const auto& [path, line, complaint] : cases) {
    SCOPED_TRACE(fmt::format("{}: {}", path, line));
    const Violations found = check_includes(path, fmt::format("// first\n{}\n", line));
    if (complaint.empty()) {
      EXPECT_THAT(found, IsEmpty());
    } else {
      EXPECT_THAT(found, ElementsAre(AllOf(StartsWith(fmt::format("{}:2:", path)),
                                           HasSubstr(std::string(complaint)))));
    }
  }
}

constexpr std::string_view kCoreHeader = "core/include/seqwal/log.h";
constexpr std::string_view kCoreSource = "core/src/log.cc";
constexpr std::string_view kBackendsHeader = "backends/include/seqwal/backends/uring.h";
constexpr std::string_view kBackendsSource = "backends/src/uring.cc";

TEST(RepositoryChecks, IncludesOfTheCoreAreJudged) {
  expect_judged({{kCoreSource, "#include \"seqwal/log.h\"", ""},
                 {kCoreSource, "#include \"log_buffer.h\"", ""},
                 {kCoreSource, "#include <isa-l/crc.h>", ""},
                 {kCoreSource, "#include <fmt/format.h>", ""},
                 {kCoreSource, "#include <atomic>", ""},
                 {kCoreSource, "// #include <thread>", ""},
                 {kCoreSource, "#include <thread>", "not among the headers"},
                 {kCoreSource, "# include <chrono>", "not among the headers"},
                 {kCoreSource, "#include <random>", "not among the headers"},
                 {kCoreSource, "#include <filesystem>", "not among the headers"},
                 {kCoreSource, "#include <mutex>", "not among the headers"},
                 {kCoreSource, "#include <condition_variable>", "not among the headers"},
                 {kCoreSource, "#include <iostream>", "not among the headers"},
                 {kCoreSource, "#include <fstream>", "not among the headers"},
                 {kCoreSource, "#include <cstdio>", "not among the headers"},
                 {kCoreSource, "#include <unistd.h>", "not among the headers"},
                 {kCoreSource, "#include <fcntl.h>", "not among the headers"},
                 {kCoreSource, "#include <sys/stat.h>", "not among the headers"},
                 {kCoreSource, "#include <liburing.h>", "not among the headers"},
                 {kCoreSource, "#include \"seqwal/backends/uring.h\"", "the backends"},
                 {kCoreSource, "#include \"seqwal/sim/disk.h\"", "the simulation"},
                 {kCoreSource, "#include \"backends/src/ring.h\"", "behind the public"},
                 {kCoreSource, "#include <seqwal/log.h>", "in quotes"},
                 {kCoreHeader, "#include \"seqwal/offset.h\"", ""},
                 {kCoreHeader, "#include <expected>", ""},
                 {kCoreHeader, "#include \"log_buffer.h\"", "public headers only"},
                 {kCoreHeader, "#include <isa-l/crc.h>", "third-party"},
                 {kCoreHeader, "#include <fmt/format.h>", "third-party"}});
}

TEST(RepositoryChecks, IncludesOfTheOtherPartsAreJudged) {
  expect_judged({{kBackendsSource, "#include \"seqwal/device.h\"", ""},
                 {kBackendsSource, "#include \"seqwal/backends/uring.h\"", ""},
                 {kBackendsSource, "#include \"ring.h\"", ""},
                 {kBackendsSource, "#include <liburing.h>", ""},
                 {kBackendsSource, "#include \"core/src/log.h\"", "behind the public"},
                 {kBackendsSource, "#include \"../../core/src/log.h\"", "behind the public"},
                 {kBackendsSource, "#include \"seqwal/sim/disk.h\"", "the simulation"},
                 {kBackendsHeader, "#include <chrono>", ""},
                 {kBackendsHeader, "#include <sys/uio.h>", ""},
                 {kBackendsHeader, "#include <liburing.h>", "third-party"},
                 {kBackendsHeader, "#include <fmt/format.h>", "third-party"},
                 {"sim/src/disk.cc", "#include \"seqwal/device.h\"", ""},
                 {"sim/src/disk.cc", "#include \"seqwal/backends/uring.h\"", "the backends"},
                 {"sim/src/disk.cc", "#include \"core/src/log.h\"", "behind the public"},
                 {"tools/append.cc", "#include <CLI/CLI.hpp>", ""},
                 {"tools/append.cc", "#include \"core/src/log.h\"", "behind the public"},
                 {"tools/append.cc", "#include \"tests/support/temp.h\"", "behind the public"},
                 {"fuzz/a_fuzz.cc", "#include \"fuzz/support/b.h\"", ""},
                 {"fuzz/a_fuzz.cc", "#include \"record_input.h\"", ""},
                 {"fuzz/a_fuzz.cc", "#include \"seqwal/recovery.h\"", ""},
                 {"fuzz/a_fuzz.cc", "#include \"seqwal/sim/world.h\"", ""},
                 {"fuzz/a_fuzz.cc", "#include \"seqwal/backends/open.h\"", "the backends"},
                 {"fuzz/a_fuzz.cc", "#include \"core/src/scanner.h\"", "behind the public"},
                 {"fuzz/a_fuzz.cc", "#include \"tests/support/naive_log.h\"", "behind the public"},
                 {"tests/log_test.cc", "#include \"core/src/log.h\"", ""}});
}

TEST(RepositoryChecks, OnlyTheExplorerOfInterleavingsLooksBehindTheCore) {
  expect_judged({{"sim/src/interleave_x.cc", "#include \"core/src/log_buffer.h\"", ""},
                 {"sim/src/interleave_x.h", "#include \"core/src/tail.h\"", ""},
                 {"sim/src/interleave_x.cc", "#include \"backends/src/a.h\"", "behind the public"},
                 {"sim/src/interleave_x.cc", "#include \"core/src/../a.h\"", "behind the public"},
                 {"sim/include/seqwal/sim/interleave.h", "#include \"core/src/tail.h\"",
                  "public headers only"},
                 {"sim/src/world.cc", "#include \"core/src/tail.h\"", "behind the public"}});
}

TEST(RepositoryChecks, ForbiddenCallsInCoreAreFound) {
  constexpr std::array<std::string_view, 22> kBad = {
      "auto now = std::chrono::steady_clock::now();",
      "using Clock = system_clock;",
      "std::thread t;",
      "std::this_thread::yield();",
      "std::mutex m;",
      "std::lock_guard guard(m);",
      "std::random_device device;",
      "int r = rand();",
      "getenv(\"HOME\");",
      "printf(\"x\");",
      "std::fprintf(stderr, \"x\");",
      "fmt::print(\"x\");",
      "std::cerr << 1;",
      "syscall(1);",
      "auto n = ::read(0, p, 1);",
      "io_uring_enter();",
      "pthread_self();",
      "thread_local int depth = 0;",
      "static int calls;",
      "static std::vector<int> pool{};",
      "static std::function<void(int)> hook;",
      "static inline bool enabled = true;",
  };
  for (const std::string_view line : kBad) {
    EXPECT_THAT(check_core_calls(kCoreSource, fmt::format("\n{}\n", line)),
                Contains(HasSubstr(":2: ")))
        << line;
    EXPECT_THAT(check_core_calls(kBackendsSource, line), IsEmpty()) << line;
  }
}

TEST(RepositoryChecks, OnlyTheLastWordsOfAFailedCheckArePrinted) {
  EXPECT_THAT(check_core_calls("core/src/check.cc", "fmt::print(stderr, text);"), IsEmpty());
  EXPECT_THAT(check_core_calls("core/src/check.cc", "rand();"), SizeIs(1));
  EXPECT_THAT(check_core_calls(kCoreSource, "fmt::print(stderr, text);"), SizeIs(1));
}

TEST(RepositoryChecks, HarmlessLinesInCoreAreNotAccused) {
  constexpr std::array<std::string_view, 12> kGood = {
      "// std::mutex would lock, rand() would not",
      "error(\"printf( and static int x;\");",
      "static constexpr int kLimit = 3;",
      "static const std::array<int, 2> kTable = {1, 2};",
      "static std::expected<Log, Error> open(Device& device);",
      "static bool operator==(A a, B b);",
      "static auto from(int x) -> Offset;",
      "static_assert(sizeof(int) == 4);",
      "auto x = static_cast<int>(y);",
      "device.read(request); operand(3);",
      "Device::write(1);",
      "fmt::format(\"{}\", 1);",
  };
  for (const std::string_view line : kGood) {
    EXPECT_THAT(check_core_calls(kCoreSource, line), IsEmpty()) << line;
  }
}

TEST(RepositoryChecks, DeadLinksAndStaleNamesAreFound) {
  const auto only_readme = [](const std::string& path) { return path == "docs/there.md"; };
  constexpr std::string_view kDocument =
      "[a](there.md#part) [b](https://example.org/x) [c](#here) [d](gone.md) [e](../core/x.h)\n"
      "`docs/there.md` `core/src/log.cc` `not/ours.cc` `core` `scripts/gone --fast`\n"
      "`docs/{there,missing}.md`\n"
      "```\n[f](gone.md)\n```\n";
  EXPECT_THAT(
      check_document("docs/page.md", kDocument, only_readme),
      ElementsAre("docs/page.md:1: dead link: docs/gone.md", "docs/page.md:1: dead link: core/x.h",
                  "docs/page.md:2: stale file name: core/src/log.cc",
                  "docs/page.md:2: stale file name: scripts/gone",
                  "docs/page.md:3: stale file name: docs/missing.md"));
}

TEST(RepositoryChecks, TestsThatAreNotThereAreFound) {
  constexpr std::string_view kTests =
      "TEST(One, First) {}\nTEST_P(One,\n       Second) {}\n// TEST(One, Third)\n";
  EXPECT_THAT(tests_defined(kTests), ElementsAre("One.First", "One.Second"));
  EXPECT_THAT(check_named_tests("a.md", "One.First, .Second; `x.cc`\nOne.Second, .Third; Two.First",
                                {"One.First", "One.Second"}),
              ElementsAre("a.md:2: no such test: One.Third", "a.md:2: no such test: Two.First"));
}

TEST(RepositoryChecks, BadWhitespaceIsFound) {
  EXPECT_THAT(check_whitespace("a.h", "int a;\n"), IsEmpty());
  EXPECT_THAT(
      check_whitespace("a.h", "\tint a;\nint b; \r\nint c;"),
      ElementsAre("a.h:1: tab", "a.h:2: trailing whitespace", "a.h:3: no newline at the end"));
}

TEST(RepositoryChecks, LongFilesAreFound) {
  EXPECT_THAT(check_length("a.cc", std::string(700, '\n')), IsEmpty());
  EXPECT_THAT(check_length("a.cc", std::string(701, '\n')), SizeIs(1));
}

TEST(RepositoryChecks, BadScriptsAreFound) {
  constexpr std::string_view kGood = "#!/usr/bin/env bash\n# why\n\nset -euo pipefail\n";
  EXPECT_THAT(check_script("scripts/a", kGood, true), IsEmpty());
  EXPECT_THAT(check_script("scripts/a", kGood, false), ElementsAre("scripts/a:1: not executable"));
  EXPECT_THAT(check_script("scripts/a", "#!/bin/bash\necho\nset -euo pipefail\n", true),
              ElementsAre(HasSubstr("set -euo pipefail")));
  EXPECT_THAT(check_script("scripts/a.py", "#!/usr/bin/env python3\nprint()\n", true), IsEmpty());
}

}  // namespace
}  // namespace seqwal::repository
