// The program that replays corpora where there is no libFuzzer: each of its checks can fail.
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "seqwal/format.h"
#include "tests/process/tool_test.h"

namespace seqwal::process {
namespace {

using testing::AllOf;
using testing::Field;
using testing::HasSubstr;

// fuzz/canary_fuzz.cc hangs at this offset, and believes any length.
constexpr std::uint64_t kSlowOffset = 0x736c6f77;

// As that target takes it: twice the offset, then the header.
std::string input(std::uint64_t offset, std::uint32_t body_length_bytes) {
  std::array<std::byte, kRecordHeaderBytes> header{};
  encode_record_header({.kind = RecordKind::data,
                        .body_length_bytes = body_length_bytes,
                        .offset = {static_cast<std::int64_t>(offset)},
                        .body_checksum = 0},
                       header);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(offset * 2 >> static_cast<unsigned>(shift));
  }
  for (const std::byte byte : header) bytes += static_cast<char>(byte);
  return bytes;
}

class FuzzReplayTest : public testing::Test {
 protected:
  [[nodiscard]] Outcome replay(const std::string& name, const std::string& bytes) const {
    write_file(directory_ / name, bytes);
    return replay(directory_.path());
  }
  [[nodiscard]] static Outcome replay(const std::string& path) {
    return run_tool({path}, {.program = SEQWAL_CANARY_FUZZ});
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

 private:
  TempDir directory_;
};

TEST_F(FuzzReplayTest, WhatIsSoundPasses) {
  EXPECT_THAT(replay("sound", input(0, 100)),
              AllOf(Exits(0), Field(&Outcome::out, HasSubstr("1 inputs, the slowest took"))));
}

TEST_F(FuzzReplayTest, WhatCrashesIsNamedLast) {
  const Outcome outcome = replay("crashing", input(0, 1U << 21U));
  EXPECT_EQ(outcome.signal, SIGABRT);
  EXPECT_EQ(lines_of(outcome.out).back(), "running: " + path("crashing"));
  EXPECT_THAT(outcome.err, HasSubstr("broken: canary"));
}

TEST_F(FuzzReplayTest, WhatTakesOverASecondFails) {
  EXPECT_THAT(replay("slow", input(kSlowOffset, 100)),
              AllOf(Exits(1), Field(&Outcome::err, HasSubstr("allowed is 1 s"))));
}

TEST_F(FuzzReplayTest, NothingToReplayFails) {
  EXPECT_THAT(replay(path("nowhere")), Exits(2));
  EXPECT_THAT(replay(path("")), Exits(2));
  EXPECT_THAT(run_tool({}, {.program = SEQWAL_CANARY_FUZZ}), Exits(2));
}

}  // namespace
}  // namespace seqwal::process
