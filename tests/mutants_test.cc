// The planted bugs of tests/mutants: each still applies to the tree, and has its row in the docs.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seqwal {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::filesystem::path root() { return SEQWAL_SOURCE_DIR; }

std::vector<std::filesystem::path> mutant_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(root() / "tests/mutants")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// From the front of `text`: up to `mark`, which goes too. The whole of it where there is no mark.
std::string_view take(std::string_view& text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + mark.size());
  return taken;
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; ++found) {
    at = text.find(what, at + 1);
  }
  return found;
}

class Mutants : public testing::TestWithParam<std::filesystem::path> {};

// In the way of scripts/mutants.
TEST_P(Mutants, StillApply) {
  const std::string whole = read_text(GetParam());
  ASSERT_TRUE(whole.ends_with("\n--- end\n"));
  std::map<std::string, std::string> planted;  // file → its text
  std::map<std::string, std::string> fields;
  for (std::string_view left = whole; !left.empty();) {
    std::string_view line = take(left, "\n");
    const std::string word(take(line, " "));
    if (word != "file") {
      EXPECT_TRUE(word == "bug" || word == "why" || word == "campaign") << word;
      EXPECT_FALSE(line.empty()) << word;
      fields[word] = line;
      continue;
    }
    const std::string file(line);
    EXPECT_TRUE(file.starts_with("core/")) << file;
    ASSERT_TRUE(left.starts_with("--- original\n")) << file;
    (void)take(left, "\n");
    const std::string_view original = take(left, "\n--- planted\n");
    const std::string_view replacement = take(left, "\n--- end\n");
    EXPECT_NE(original, replacement);
    ASSERT_FALSE(original.empty());
    std::string& text = planted.try_emplace(file, read_text(root() / file)).first->second;
    ASSERT_EQ(count(text, original), 1U) << "in " << file << ":\n" << original;
    text.replace(text.find(original), original.size(), replacement);
  }
  EXPECT_TRUE(fields.contains("bug") && fields.contains("why"));
  EXPECT_FALSE(planted.empty());
  const std::string row = "| `" + GetParam().stem().string() + "` |";
  EXPECT_EQ(count(read_text(root() / "docs/testing.md"), row), 1U)
      << "docs/testing.md says what catches it";
}

INSTANTIATE_TEST_SUITE_P(, Mutants, testing::ValuesIn(mutant_files()), [](const auto& file) {
  std::string name = file.param.stem().string();
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace seqwal
