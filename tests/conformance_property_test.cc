// On arbitrary images, the log's recovery and the naive reader agree, in every mode.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/support/naive_log.h"
#include "tests/support/random_image.h"
#include "tests/support/recovery_check.h"

namespace seqwal::conformance {
namespace {

constexpr naive::Mode kModes[] = {naive::Mode::standard, naive::Mode::strict, naive::Mode::prefix};

RC_GTEST_PROP(ArbitraryImages, AreReadAsTheNaiveReaderReadsThem, ()) {
  const naive::Choose choose = [](std::uint64_t n) {
    return *rc::gen::inRange<std::uint64_t>(0, n);
  };
  const naive::Bytes image = naive::write_image(naive::random_image(choose));
  for (const naive::Mode mode : kModes) {
    RC_LOG() << name(mode) << " mode\n";
    const std::string complaint_in_mode = complaint(image, mode);
    RC_ASSERT(complaint_in_mode == "");
  }
}

RC_GTEST_PROP(ArbitraryImages, WithAnyByteFlippedAreReadAsTheNaiveReaderReadsThem, ()) {
  const naive::Choose choose = [](std::uint64_t n) {
    return *rc::gen::inRange<std::uint64_t>(0, n);
  };
  naive::Bytes image = naive::write_image(naive::random_image(choose));
  for (std::uint64_t flips = 1 + choose(4); flips > 0; --flips) {
    image.at(choose(image.size())) ^= static_cast<std::uint8_t>(1U << choose(8));
  }
  for (const naive::Mode mode : kModes) {
    const std::string complaint_in_mode = complaint(image, mode);
    RC_ASSERT(complaint_in_mode == "");
  }
}

// The same in quantity, without shrinking: a seed that fails here fails again.
TEST(SeededImages, AreReadAsTheNaiveReaderReadsThem) {
  const std::uint64_t count = std::getenv("SEQWAL_LONG") != nullptr ? 20'000 : 1'000;
  // What the images were like: a campaign that never meets a hole would prove little.
  std::map<std::string, std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    const naive::Image description = naive::random_image(naive::choose_by_seed(seed));
    const naive::Bytes image = naive::write_image(description);
    const int version = description.slots.front().version;
    for (const naive::Mode mode : kModes) {
      ASSERT_EQ(complaint(image, mode), "")
          << "seed " << seed << ", " << name(mode) << " mode: random_image(choose_by_seed(" << seed
          << "))";
    }
    const auto standard = naive::read_image(image, naive::Mode::standard);
    ASSERT_TRUE(standard.has_value()) << seed;
    const std::size_t strict = naive::read_image(image, naive::Mode::strict)->records.size();
    const std::size_t prefix = naive::read_image(image, naive::Mode::prefix)->records.size();
    const std::string of = version == 1 ? " (version 1)" : " (version 0)";
    if (standard->records.empty()) ++seen["nothing delivered" + of];
    if (standard->records.size() > 3) ++seen["more than 3 records" + of];
    if (!standard->holes.empty()) ++seen["holes" + of];
    if (standard->records.size() > strict) ++seen["more than strict" + of];
    if (strict > prefix && prefix > 0) ++seen["more than prefix" + of];
    const auto section = static_cast<std::int64_t>(image.size() - naive::kHeaders);
    if (!standard->records.empty() &&
        standard->records.front().offset / section != standard->records.back().offset / section) {
      ++seen["two cycles" + of];
    }
  }
  for (const auto& [what, times] : seen) RecordProperty(what, static_cast<int>(times));
  for (const char* what :
       {"nothing delivered (version 0)", "nothing delivered (version 1)",
        "more than 3 records (version 0)", "more than 3 records (version 1)", "holes (version 0)",
        "more than strict (version 0)", "more than prefix (version 0)", "two cycles (version 0)",
        "two cycles (version 1)"}) {
    EXPECT_GE(seen[what], count / 200) << what << ": the generator has narrowed";
  }
}

}  // namespace
}  // namespace seqwal::conformance
