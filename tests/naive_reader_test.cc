// The reader that the simulation's oracle believes, against the one of the tests: two readings of
// docs/format.md that share no code.
#include "seqwal/sim/naive_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "tests/support/naive_log.h"
#include "tests/support/random_image.h"

namespace seqwal::sim {
namespace {

constexpr std::array kModes{std::pair{NaiveMode::standard, naive::Mode::standard},
                            std::pair{NaiveMode::strict, naive::Mode::strict},
                            std::pair{NaiveMode::prefix, naive::Mode::prefix}};

bool equal(const NaiveRecord& a, const naive::Delivered& b) {
  return a.offset == b.offset && std::ranges::equal(a.body, std::as_bytes(std::span(b.body)));
}

void expect_same(const naive::Bytes& image) {
  for (const auto& [mode, other_mode] : kModes) {
    const auto reading = naive_read(std::as_bytes(std::span(image)), mode);
    const auto other = naive::read_image(image, other_mode);
    ASSERT_EQ(reading.has_value(), other.has_value());
    if (!reading) continue;
    EXPECT_EQ(reading->header.trim, other->header.trim);
    EXPECT_EQ(reading->end, other->end);
    EXPECT_TRUE(std::ranges::equal(reading->records, other->records, equal));
  }
}

TEST(NaiveReader, ReadsArbitraryImagesLikeTheOtherOne) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(seed);
    expect_same(naive::write_image(naive::random_image(naive::choose_by_seed(seed))));
    if (HasFailure()) return;
  }
}

TEST(NaiveReader, ASlotWithAnImpossibleCapacityDoesNotCount) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60U;
  for (const std::uint64_t capacity : {std::uint64_t{4097 * 3}, std::uint64_t{8192}, kMost + 4096,
                                       std::numeric_limits<std::uint64_t>::max() - 4095}) {
    SCOPED_TRACE(capacity);
    naive::Image image;
    image.capacity = std::uint64_t{18} * 4096;
    image.slots = {naive::Slot{.trim = 4096, .stamp = 1},
                   naive::Slot{.capacity = capacity, .trim = 0, .stamp = 9}};
    const naive::Bytes bytes = naive::write_image(image);
    const auto headers = naive_headers(std::as_bytes(std::span(bytes)));
    EXPECT_EQ(headers.current, 0U);
    EXPECT_FALSE(headers.slots.at(1));
    expect_same(bytes);
  }
}

}  // namespace
}  // namespace seqwal::sim
