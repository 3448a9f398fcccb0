#include "tests/support/repository_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seqwal::repository {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::size_t line_at(std::string_view text, std::size_t position) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, position), '\n'));
}

std::string violation(std::string_view path, std::size_t line, std::string_view what) {
  return fmt::format("{}:{}: {}", path, line, what);
}

// A quote that separates the digits of a number, as in 1'000, begins no literal.
bool separates_digits(std::string_view text, std::size_t quote) {
  std::size_t start = quote;
  while (start > 0 && (is_word(text[start - 1]) || text[start - 1] == '\'')) {
    --start;
  }
  return start < quote && std::isdigit(static_cast<unsigned char>(text[start])) != 0;
}

bool is_raw_string(std::string_view text, std::size_t quote) {
  return quote > 0 && text[quote - 1] == 'R' &&
         (quote == 1 || !is_word(text[quote - 2]) || text[quote - 2] == '8');
}

// One past the last character of the comment or literal that begins at `start`; `start` when none
// does.
std::size_t end_of_comment(std::string_view text, std::size_t start) {
  const std::string_view opening = text.substr(start, 2);
  if (opening == "//") {
    return std::min(text.find('\n', start), text.size());
  }
  if (opening == "/*") {
    const std::size_t end = text.find("*/", start + 2);
    return end == std::string_view::npos ? text.size() : end + 2;
  }
  return start;
}

std::size_t end_of_literal(std::string_view text, std::size_t start) {
  const char quote = text[start];
  if ((quote != '"' && quote != '\'') || (quote == '\'' && separates_digits(text, start))) {
    return start;
  }
  if (quote == '"' && is_raw_string(text, start)) {
    const std::size_t open = std::min(text.find('(', start), text.size() - 1);
    const std::string close = fmt::format("){}\"", text.substr(start + 1, open - start - 1));
    const std::size_t end = text.find(close, open);
    return end == std::string_view::npos ? text.size() : end + close.size();
  }
  std::size_t at = start + 1;
  while (at < text.size() && text[at] != quote && text[at] != '\n') {
    at += text[at] == '\\' ? 2U : 1U;
  }
  return std::min(at + 1, text.size());
}

void blank(std::string& text, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    if (text[i] != '\n') {
      text[i] = ' ';
    }
  }
}

struct Include {
  std::size_t line;
  bool quoted;
  std::string name;
};

std::vector<Include> includes_of(std::string_view text) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<Include> includes;
  const std::vector<std::string> lines = lines_of(stripped(text, Strip::comments));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (std::regex_search(lines[i], match, pattern)) {
      includes.push_back({i + 1, match[1] == "\"", match[2]});
    }
  }
  return includes;
}

// What the core may take from the standard library. Left out on purpose: whatever knows threads,
// time, files, randomness, locales or the process. An addition is a decision, not a formality.
const std::set<std::string_view>& core_standard_headers() {
  static const std::set<std::string_view> headers = {"algorithm",
                                                     "array",
                                                     "atomic",
                                                     "bit",
                                                     "bitset",
                                                     "cassert",
                                                     "cerrno",
                                                     "charconv",
                                                     "cinttypes",
                                                     "climits",
                                                     "cmath",
                                                     "compare",
                                                     "concepts",
                                                     "coroutine",
                                                     "cstddef",
                                                     "cstdint",
                                                     "cstdlib",
                                                     "cstring",
                                                     "deque",
                                                     "exception",
                                                     "expected",
                                                     "functional",
                                                     "initializer_list",
                                                     "iterator",
                                                     "limits",
                                                     "list",
                                                     "map",
                                                     "memory",
                                                     "new",
                                                     "numeric",
                                                     "optional",
                                                     "queue",
                                                     "ranges",
                                                     "ratio",
                                                     "set",
                                                     "span",
                                                     "source_location",
                                                     "stddef.h",
                                                     "stdint.h",
                                                     "string",
                                                     "string_view",
                                                     "tuple",
                                                     "type_traits",
                                                     "unordered_map",
                                                     "unordered_set",
                                                     "utility",
                                                     "variant",
                                                     "vector",
                                                     "version"};
  return headers;
}

// <name> of the C++ standard library has neither dot nor folder; the rest of the list is the
// platform itself.
bool is_platform_header(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kPosix = {
      "errno.h",  "fcntl.h",  "limits.h", "poll.h",   "pthread.h", "signal.h",
      "stddef.h", "stdint.h", "stdlib.h", "string.h", "time.h",    "unistd.h"};
  return name.find_first_of("./") == std::string_view::npos || name.starts_with("sys/") ||
         std::ranges::find(kPosix, name) != kPosix.end();
}

struct IncludeRules {
  bool is_public;
  bool may_see_backends;
  bool may_see_sim;
  bool may_see_core_sources;
};

std::string why_quoted_is_wrong(const IncludeRules& rules, std::string_view name) {
  static constexpr std::array<std::string_view, 5> kPrivateFolders = {"core/", "backends/", "sim/",
                                                                      "tools/", "tests/"};
  if (name.starts_with("seqwal/backends/") && !rules.may_see_backends) {
    return "must not know the backends";
  }
  if (name.starts_with("seqwal/sim/") && !rules.may_see_sim) {
    return "must not know the simulation";
  }
  if (name.starts_with("seqwal/")) {
    return {};
  }
  if (rules.is_public) {
    return "a public header includes public headers only, as \"seqwal/...\"";
  }
  if (name.starts_with("core/src/") && !name.contains("..") && rules.may_see_core_sources) {
    return {};
  }
  const bool private_folder = std::ranges::any_of(
      kPrivateFolders, [&](std::string_view folder) { return name.starts_with(folder); });
  if (private_folder || name.contains("..")) {
    return "reaches behind the public headers of another part";
  }
  return {};
}

std::string why_core_system_is_wrong(bool is_public, std::string_view name) {
  if (core_standard_headers().contains(name)) {
    return {};
  }
  if (name == "isa-l/crc.h" || name.starts_with("fmt/")) {
    return is_public ? "third-party header in a public header" : "";
  }
  return "not among the headers that the core may know (tests/support/repository_checks.cc)";
}

// The one part beside the tests that looks behind the core's public headers: the explorer of
// interleavings, which compiles the lock-free parts with atomics of its own.
constexpr std::string_view kExplorer = "sim/src/interleave";

std::string why_include_is_wrong(std::string_view path, const Include& include) {
  const bool in_core = path.starts_with("core/");
  const IncludeRules rules = {
      .is_public = path.contains("/include/"),
      .may_see_backends = !in_core && !path.starts_with("sim/") && !path.starts_with("fuzz/"),
      .may_see_sim = !in_core && !path.starts_with("backends/"),
      .may_see_core_sources = path.starts_with(kExplorer),
  };
  if (include.quoted) {
    return why_quoted_is_wrong(rules, include.name);
  }
  if (include.name.starts_with("seqwal/")) {
    return "headers of our own are included in quotes";
  }
  if (in_core) {
    return why_core_system_is_wrong(rules.is_public, include.name);
  }
  if (rules.is_public && !is_platform_header(include.name)) {
    return "third-party header in a public header";
  }
  return {};
}

// The one place that may print: a failed check's last words, when nobody is left to hand an event
// to.
constexpr std::string_view kLastWords = "core/src/check.cc";
constexpr std::string_view kPrints = "prints";

struct ForbiddenCall {
  std::regex pattern;
  std::string_view what;
};

const std::vector<ForbiddenCall>& forbidden_calls() {
  static const std::vector<ForbiddenCall> calls = [] {
    const std::vector<std::pair<const char*, std::string_view>> sources = {
        {R"(\b(steady|system|high_resolution|utc|file)_clock\b|\bclock_gettime\b|\bgettimeofday\b)",
         "reads a clock"},
        {R"(\b(std::chrono|std::time|__rdtscp?|_rdtsc|__builtin_ia32_rdtsc)\b)", "knows time"},
        {R"(\bstd::(j?thread|this_thread|async|future|promise|counting_semaphore|latch|barrier)\b)",
         "knows threads"},
        {R"(\bstd::(\w*mutex|condition_variable\w*|lock_guard|unique_lock|scoped_lock|call_once)\b)",
         "locks"},
        {R"(\bpthread_\w+)", "knows threads"},
        {R"(\b(random_device|mt19937\w*|default_random_engine)\b|\b(s?rand|random|drand48)\s*\()",
         "draws random numbers"},
        {R"(\b(secure_)?getenv\s*\()", "reads the environment"},
        {R"(\bv?[fsd]?n?printf\s*\(|\b(f?puts|putchar|perror)\s*\(|\bfmt::v?print\b|\bstd::(cout|cerr|clog)\b)",
         kPrints},
        {R"(\bsyscall\s*\(|\bio_uring_\w+)", "calls the system"},
        {R"((^|[^\w>:])::(open|close|p?read|p?write|preadv|pwritev|fsync|fdatasync|ioctl|mmap)\s*\()",
         "calls the system"},
        {R"(\bthread_local\b)", "keeps state per thread"},
    };
    std::vector<ForbiddenCall> built;
    built.reserve(sources.size());
    for (const auto& [pattern, what] : sources) {
      built.push_back({std::regex(pattern), what});
    }
    return built;
  }();
  return calls;
}

// Whether the declaration after the word `static` is a variable that can change: it is neither
// constant nor, as far as the first of ( ; = { tells, a function. Template arguments are passed
// over.
bool declares_mutable_variable(std::string_view declaration) {
  static const std::regex constant(
      R"(^\s*(inline\s+)?(constexpr|consteval|const|constinit\s+const)\b)");
  static const std::regex operator_function(R"(^[^;={]*\boperator\b)");
  const std::string head(declaration.substr(0, 400));
  if (std::regex_search(head, constant) || std::regex_search(head, operator_function)) {
    return false;
  }
  int depth = 0;
  for (const char c : head) {
    depth += c == '<' ? 1 : 0;
    depth -= c == '>' ? 1 : 0;
    if (depth <= 0 && (c == '(' || c == ';' || c == '=' || c == '{')) {
      return c != '(';
    }
  }
  return false;
}

void check_statics(std::string_view path, const std::string& code, Violations& found) {
  static const std::regex word(R"(\bstatic\b)");
  for (std::sregex_iterator match(code.begin(), code.end(), word), end; match != end; ++match) {
    const auto position = static_cast<std::size_t>(match->position());
    if (declares_mutable_variable(std::string_view(code).substr(position + 6))) {
      found.push_back(violation(path, line_at(code, position), "static variable: global state"));
    }
  }
}

// `a.{h,cc}` names two files.
std::vector<std::string> braces_expanded(const std::string& name) {
  static const std::regex braces(R"(^([^{]*)\{([^}]*)\}(.*)$)");
  std::smatch match;
  if (!std::regex_match(name, match, braces)) {
    return {name};
  }
  std::vector<std::string> names;
  const std::string inside = match[2].str() + ",";
  for (std::size_t start = 0, comma = 0; (comma = inside.find(',', start)) != std::string::npos;
       start = comma + 1) {
    names.push_back(match[1].str() + inside.substr(start, comma - start) + match[3].str());
  }
  return names;
}

// The files of ours that a piece of text in backticks names: `core/src/scanner.cc`, or a script
// with its arguments.
std::vector<std::string> files_named(const std::string& code) {
  static const std::regex file(
      R"(^(core|backends|sim|tests|fuzz|bench|tools|docs|examples|cmake)/[\w./{},-]*\.[\w{},]+$)");
  static const std::regex script(R"(^(?:\./)?((?:scripts|\.ci)/[\w.-]+)(?:\s.*)?$)");
  std::smatch match;
  if (std::regex_match(code, match, script)) {
    return {match[1]};
  }
  if (std::regex_match(code, file)) {
    return braces_expanded(code);
  }
  return {};
}

std::string link_target(std::string_view document, std::string target) {
  target.erase(std::min(target.find('#'), target.size()));
  if (target.empty() || target.contains("://") || target.starts_with("mailto:")) {
    return {};
  }
  const std::filesystem::path folder = std::filesystem::path(document).parent_path();
  return (folder / target).lexically_normal().string();
}

}  // namespace

std::string stripped(std::string_view text, Strip what) {
  std::string result(text);
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t end = end_of_comment(text, at); end > at) {
      blank(result, at, end);
      at = end;
    } else if (const std::size_t literal_end = end_of_literal(text, at); literal_end > at) {
      if (what == Strip::literals) {
        blank(result, at + 1, literal_end - 1);
      }
      at = literal_end;
    } else {
      ++at;
    }
  }
  return result;
}

Violations check_includes(std::string_view path, std::string_view text) {
  Violations found;
  if (path.starts_with("tests/")) {
    return found;
  }
  for (const Include& include : includes_of(text)) {
    if (const std::string why = why_include_is_wrong(path, include); !why.empty()) {
      found.push_back(
          violation(path, include.line, fmt::format("includes {}: {}", include.name, why)));
    }
  }
  return found;
}

Violations check_core_calls(std::string_view path, std::string_view text) {
  Violations found;
  if (!path.starts_with("core/")) {
    return found;
  }
  const std::string code = stripped(text, Strip::literals);
  const std::vector<std::string> lines = lines_of(code);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const ForbiddenCall& call : forbidden_calls()) {
      std::smatch match;
      const bool permitted = path == kLastWords && call.what == kPrints;
      if (!permitted && std::regex_search(lines[i], match, call.pattern)) {
        found.push_back(
            violation(path, i + 1, fmt::format("the core {}: {}", call.what, match.str())));
      }
    }
  }
  check_statics(path, code, found);
  return found;
}

Violations check_document(std::string_view path, std::string_view text,
                          const std::function<bool(const std::string&)>& exists) {
  static const std::regex link(R"(\]\(([^)\s]+)\))");
  static const std::regex code(R"(`([^`]+)`)");
  Violations found;
  const std::vector<std::string> lines = lines_of(text);
  bool fenced = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.find("```") != std::string::npos) {
      fenced = !fenced;
    }
    if (fenced) {
      continue;
    }
    for (std::sregex_iterator match(line.begin(), line.end(), link), end; match != end; ++match) {
      const std::string target = link_target(path, (*match)[1]);
      if (!target.empty() && !exists(target)) {
        found.push_back(violation(path, i + 1, fmt::format("dead link: {}", target)));
      }
    }
    for (std::sregex_iterator match(line.begin(), line.end(), code), end; match != end; ++match) {
      for (const std::string& file : files_named((*match)[1])) {
        if (!exists(file)) {
          found.push_back(violation(path, i + 1, fmt::format("stale file name: {}", file)));
        }
      }
    }
  }
  return found;
}

std::vector<std::string> tests_defined(std::string_view text) {
  static const std::regex test(
      R"((?:^|\n)(?:TEST|TEST_P|TEST_F|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+))");
  const std::string code(text);
  std::vector<std::string> found;
  for (std::sregex_iterator match(code.begin(), code.end(), test), end; match != end; ++match) {
    found.push_back(fmt::format("{}.{}", (*match)[1].str(), (*match)[2].str()));
  }
  return found;
}

Violations check_named_tests(std::string_view path, std::string_view text,
                             const std::set<std::string>& tests) {
  static const std::regex name(R"((\b[A-Z]\w*|[ ,])\.([A-Z]\w+))");
  Violations found;
  const std::vector<std::string> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string suite;
    for (std::sregex_iterator match(lines[i].begin(), lines[i].end(), name), end; match != end;
         ++match) {
      if ((*match)[1].length() > 1) suite = (*match)[1];
      const std::string test = fmt::format("{}.{}", suite, (*match)[2].str());
      if (!tests.contains(test)) {
        found.push_back(violation(path, i + 1, fmt::format("no such test: {}", test)));
      }
    }
  }
  return found;
}

Violations check_whitespace(std::string_view path, std::string_view text) {
  Violations found;
  const std::vector<std::string> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find('\t') != std::string::npos) {
      found.push_back(violation(path, i + 1, "tab"));
    }
    if (lines[i].ends_with(' ') || lines[i].ends_with('\r')) {
      found.push_back(violation(path, i + 1, "trailing whitespace"));
    }
  }
  if (!text.empty() && !text.ends_with('\n')) {
    found.push_back(violation(path, lines.size(), "no newline at the end"));
  }
  return found;
}

Violations check_length(std::string_view path, std::string_view text) {
  constexpr std::size_t kMostLines = 700;
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  if (lines <= kMostLines) {
    return {};
  }
  return {violation(path, kMostLines + 1, fmt::format("{} lines: it has two jobs", lines))};
}

Violations check_script(std::string_view path, std::string_view text, bool is_executable) {
  Violations found;
  if (!text.starts_with("#!")) {
    return found;
  }
  if (!is_executable) {
    found.push_back(violation(path, 1, "not executable"));
  }
  const std::vector<std::string> lines = lines_of(text);
  if (!lines.front().contains("bash")) {
    return found;
  }
  const auto first = std::ranges::find_if(
      lines, [](const std::string& line) { return !line.empty() && !line.starts_with('#'); });
  if (first == lines.end() || *first != "set -euo pipefail") {
    found.push_back(violation(path, 1, "does not begin with set -euo pipefail"));
  }
  return found;
}

}  // namespace seqwal::repository
