// What errors and events are called, and what an error says: people and scripts read both.
#include "seqwal/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <string>

#include "seqwal/events.h"

namespace seqwal {
namespace {

// Of the values from 0 on that have a name.
template <typename Enum>
std::set<std::string> names() {
  std::set<std::string> names;
  for (unsigned value = 0; value < 256; ++value) {
    const std::string name(to_string(static_cast<Enum>(value)));
    if (name == "unknown") break;
    EXPECT_TRUE(names.insert(name).second) << name << " is the name of two";
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos) << name;
  }
  return names;
}

TEST(Names, EveryErrorAndEveryEventHasItsOwn) {
  const auto errors = names<ErrorCode>();
  EXPECT_EQ(errors.size(), 1 + static_cast<std::size_t>(ErrorCode::unknown_tail));
  EXPECT_TRUE(errors.contains("over-capacity") && errors.contains("unknown-tail"));
  const auto events = names<EventKind>();
  EXPECT_EQ(events.size(), 1 + static_cast<std::size_t>(EventKind::memory_unprepared));
  EXPECT_TRUE(events.contains("header-slot-invalid") && events.contains("memory-unprepared"));
}

TEST(ErrorMessage, SaysWhatIsKnownAndNothingElse) {
  EXPECT_EQ(fail(ErrorCode::would_block).error().message(), "would-block");
  EXPECT_EQ((Error{.code = ErrorCode::io_error,
                   .os_error = EIO,
                   .offset = Offset{4096},
                   .detail = "cannot read"})
                .message(),
            "io-error: cannot read (offset 4096) (Input/output error)");
}

}  // namespace
}  // namespace seqwal
