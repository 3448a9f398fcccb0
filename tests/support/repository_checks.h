// What the repository asks of its own files, as pure functions from a file's text to what is wrong
// with it.
//
// Each takes the path relative to the repository's root (it decides which rules apply) and the
// whole text; each answers with one line per violation, "PATH:LINE: what is wrong", and nothing
// when all is well. They read C++ with regular expressions: meant to catch what a hurried hand
// writes, not what a determined one hides. What the object code of the core refers to is checked
// beside this, by core_symbols.sh.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace seqwal::repository {

using Violations = std::vector<std::string>;

// The text with comments blanked out, and with `literals` the contents of string and character
// literals too. Newlines and columns stay where they were.
enum class Strip { comments, literals };
[[nodiscard]] std::string stripped(std::string_view text, Strip what);

// Include edges: the core knows itself and an explicit list of standard headers; backends and sim
// know the core's public headers; public headers know nothing that a consumer would have to
// install; only tests, fuzz targets and the explorer of interleavings (which needs the lock-free
// parts as templates) look behind public headers.
[[nodiscard]] Violations check_includes(std::string_view path, std::string_view text);

// Under core/: no clock, thread, randomness, environment, printing, system call, nor state that
// outlives a call.
[[nodiscard]] Violations check_core_calls(std::string_view path, std::string_view text);

// Markdown: relative links and `path/of/a.file` in backticks must name what `exists` (asked with
// paths relative to the repository's root).
[[nodiscard]] Violations check_document(std::string_view path, std::string_view text,
                                        const std::function<bool(const std::string&)>& exists);

// The tests that a C++ file defines, as "Suite.Name".
[[nodiscard]] std::vector<std::string> tests_defined(std::string_view text);

// Markdown: a test that it names is one of `tests`. "Suite.One, .Another" names two of a suite.
[[nodiscard]] Violations check_named_tests(std::string_view path, std::string_view text,
                                           const std::set<std::string>& tests);

// No tab, no trailing whitespace, no carriage return, a newline at the end.
[[nodiscard]] Violations check_whitespace(std::string_view path, std::string_view text);

// A C++ file of more than 700 lines has two jobs.
[[nodiscard]] Violations check_length(std::string_view path, std::string_view text);

// A file with an interpreter line is executable; a bash script begins with `set -euo pipefail`.
[[nodiscard]] Violations check_script(std::string_view path, std::string_view text,
                                      bool is_executable);

}  // namespace seqwal::repository
