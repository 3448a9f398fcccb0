// The two header slots: which one counts, what is refused and with which answer, and what the
// fields at the edges of their ranges mean. docs/format.md, "WAL header".
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "seqwal/recovery.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"
#include "tests/support/naive_log.h"
#include "tests/support/recovery_check.h"

namespace seqwal::conformance {
namespace {

using naive::Slot;
using naive::SlotContent;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kB = 4096;
constexpr std::uint64_t kCapacity = 18 * 4096;

Result<HeaderState> headers_of(const naive::Bytes& image, bool size_is_exact = true) {
  DeviceLimits limits = testing_support::MemoryDevice::default_limits();
  limits.size_is_exact = size_is_exact;
  std::vector<std::byte> contents;
  for (const std::uint8_t byte : image) contents.push_back(std::byte{byte});
  testing_support::MemoryDevice device(contents, limits);
  testing_support::ManualHost host;
  auto state = read_headers(device, host);
  EXPECT_EQ(device.counts().writes, 0U);
  return state;
}

naive::Bytes image_with(const Slot& slot0, const Slot& slot1) {
  naive::Image image;
  image.capacity = kCapacity;
  image.slots = {slot0, slot1};
  for (std::int64_t offset = 0; offset < 8 * kB; offset += kB) {
    image.records.push_back({.offset = offset, .body = naive::arbitrary_bytes(100, 5)});
  }
  return naive::write_image(image);
}

template <typename Param>
std::string name_of(const testing::TestParamInfo<Param>& info) {
  return info.param.name;
}

// --- which slot counts ------------------------------------------------------------------------

// The first record is at 0 and there are eight, one a block: a trim offset tells the slots apart.
struct Slots {
  std::string name;
  Slot slot0;
  Slot slot1;
  std::uint32_t current = 0;
  std::int64_t first = 0;  // the first record delivered
  std::array<SlotState, 2> states{SlotState::valid, SlotState::valid};
};

void PrintTo(const Slots& slots, std::ostream* out) { *out << slots.name; }

std::vector<Slots> slot_pairs() {
  const Slot blank{.content = SlotContent::blank};
  const Slot damaged{.content = SlotContent::damaged, .trim = 3 * kB, .stamp = 100};
  const Slot foreign{.content = SlotContent::foreign};
  return {
      {"NewerInSlot0", {.trim = 0, .stamp = 2}, {.trim = kB, .stamp = 1}, 0, kB},
      {"NewerInSlot1", {.trim = 0, .stamp = 1}, {.trim = kB, .stamp = 2}, 1, 2 * kB},
      {"ATieIsSlot0s", {.trim = 0, .stamp = 7}, {.trim = kB, .stamp = 7}, 0, kB},
      {"StampsAreSigned", {.trim = 0, .stamp = -1}, {.trim = kB, .stamp = -2}, 0, kB},
      {"NegativeAgainstPositive", {.trim = 0, .stamp = -1}, {.trim = kB, .stamp = 0}, 1, 2 * kB},
      {"ExtremesOfTheStamp", {.trim = 0, .stamp = kMin}, {.trim = kB, .stamp = kMax}, 1, 2 * kB},
      {"BothAtTheLeastStamp", {.trim = 0, .stamp = kMin}, {.trim = kB, .stamp = kMin}, 0, kB},
      {"Slot0Blank", blank, {.trim = kB}, 1, 2 * kB, {SlotState::blank, SlotState::valid}},
      {"Slot1Blank", {.trim = kB}, blank, 0, 2 * kB, {SlotState::valid, SlotState::blank}},
      {"Slot0Damaged", damaged, {.trim = kB}, 1, 2 * kB, {SlotState::damaged, SlotState::valid}},
      {"Slot1Damaged", {.trim = kB}, damaged, 0, 2 * kB, {SlotState::valid, SlotState::damaged}},
      {"Slot0Foreign", foreign, {.trim = kB}, 1, 2 * kB, {SlotState::foreign, SlotState::valid}},
      {"Slot1Foreign", {.trim = kB}, foreign, 0, 2 * kB, {SlotState::valid, SlotState::foreign}},
      {"AnOldSlot0WithTheLeastStampIsEnough",
       {.trim = 0, .stamp = kMin},
       blank,
       0,
       kB,
       {SlotState::valid, SlotState::blank}},
      {"ACapacityOfNonsenseIsDamage",
       {.capacity = 4097 * 3, .trim = 0, .stamp = 9},
       {.trim = kB, .stamp = 1},
       1,
       2 * kB,
       {SlotState::damaged, SlotState::valid}},
      {"ACapacityTooSmallIsDamage",
       {.trim = kB, .stamp = 1},
       {.capacity = 8192, .trim = 0, .stamp = 9},
       0,
       2 * kB,
       {SlotState::valid, SlotState::damaged}},
      {"ACapacityTooLargeIsDamage",
       {.trim = kB, .stamp = 1},
       {.capacity = (std::uint64_t{1} << 60U) + 4096, .trim = 0, .stamp = 9},
       0,
       2 * kB,
       {SlotState::valid, SlotState::damaged}},
      // Versions may differ while a log is being taken over; the newer slot's rules hold.
      {"TheNewerSlotsVersionHolds",
       {.version = 0, .trim = 0, .stamp = 1},
       {.version = 1, .trim = kB, .stamp = 2},
       1,
       2 * kB},
  };
}

class CurrentSlot : public testing::TestWithParam<Slots> {};

TEST_P(CurrentSlot, IsTheValidOneWithTheGreaterStamp) {
  const Slots& slots = GetParam();
  const naive::Bytes image = image_with(slots.slot0, slots.slot1);
  const auto state = headers_of(image);
  ASSERT_TRUE(state.has_value()) << state.error().message();
  EXPECT_EQ(state->current, slots.current);
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    EXPECT_EQ(state->slots.at(i).state, slots.states.at(i)) << "slot " << i;
  }
  const Slot& current = slots.current == 0 ? slots.slot0 : slots.slot1;
  EXPECT_EQ(state->header().trim.value, current.trim);
  EXPECT_EQ(state->header().stamp, current.stamp);
  EXPECT_EQ(state->header().version, current.version == 1 ? FormatVersion::v1 : FormatVersion::v0);

  const Outcome outcome = recover(image, {});
  ASSERT_FALSE(outcome.error);
  ASSERT_FALSE(outcome.records.empty());
  EXPECT_EQ(outcome.records.front().offset, slots.first);
  EXPECT_EQ(complaint(image, naive::Mode::standard), "");
}

INSTANTIATE_TEST_SUITE_P(Headers, CurrentSlot, testing::ValuesIn(slot_pairs()), name_of<Slots>);

// --- refusals ---------------------------------------------------------------------------------

struct Refusal {
  std::string name;
  naive::Bytes image;
  ErrorCode code{};
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

std::vector<Refusal> refusals() {
  const Slot blank{.content = SlotContent::blank};
  const Slot damaged{.content = SlotContent::damaged};
  const Slot foreign{.content = SlotContent::foreign};
  const auto both = [](std::uint64_t capacity) {
    return image_with({.capacity = capacity, .stamp = 1}, {.capacity = capacity, .stamp = 2});
  };
  const auto cut = [&](std::uint64_t bytes) {
    naive::Bytes image = image_with({.stamp = 1}, {.stamp = 2});
    image.resize(bytes, 0);
    return image;
  };
  return {
      {"AllZero", naive::Bytes(kCapacity, 0), ErrorCode::not_a_log},
      {"RandomBytes", naive::arbitrary_bytes(kCapacity, 1), ErrorCode::not_a_log},
      {"AllOnes", naive::Bytes(kCapacity, 0xFF), ErrorCode::not_a_log},
      {"BothForeign", image_with(foreign, foreign), ErrorCode::not_a_log},
      {"BlankAndForeign", image_with(blank, foreign), ErrorCode::not_a_log},
      {"RecordsWithoutHeaders", image_with(blank, blank), ErrorCode::not_a_log},
      {"BothDamaged", image_with(damaged, damaged), ErrorCode::headers_damaged},
      {"DamagedAndForeign", image_with(damaged, foreign), ErrorCode::headers_damaged},
      {"ForeignAndDamaged", image_with(foreign, damaged), ErrorCode::headers_damaged},
      {"DamagedAndBlank", image_with(damaged, blank), ErrorCode::headers_damaged},
      {"CapacityZero", both(1U << 12U), ErrorCode::headers_damaged},
      {"CapacityOfTheHeadersOnly", both(8192), ErrorCode::headers_damaged},
      {"CapacityOneBelowTheLeast", both(12287), ErrorCode::headers_damaged},
      {"CapacityNotAMultipleOfABlock", both(kCapacity + 512), ErrorCode::headers_damaged},
      {"CapacityNegative", both(std::uint64_t{1} << 63U), ErrorCode::headers_damaged},
      {"CapacityOfAllOnes", both(~std::uint64_t{0}), ErrorCode::headers_damaged},
      {"CapacityLongerThanTheFile", both(kCapacity + 4096), ErrorCode::length_mismatch},
      {"CapacityFarLongerThanTheFile", both(std::uint64_t{1} << 50U), ErrorCode::length_mismatch},
      {"CapacityShorterThanTheFile", both(kCapacity - 4096), ErrorCode::length_mismatch},
      {"TheLeastCapacityInALongerFile", both(12288), ErrorCode::length_mismatch},
      {"AFileCutShort", cut(kCapacity - 4096), ErrorCode::length_mismatch},
      {"AFileCutInsideABlock", cut(kCapacity - 512), ErrorCode::length_mismatch},
      {"AFileGrown", cut(kCapacity + 4096), ErrorCode::length_mismatch},
      {"AFileOfNothingButHeaders", cut(8192), ErrorCode::length_mismatch},
      {"AFileOfOneBlock", cut(4096), ErrorCode::not_a_log},
      {"AnEmptyFile", {}, ErrorCode::not_a_log},
  };
}

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithTheAnswerThatSaysWhatToDo) {
  const naive::Bytes& image = GetParam().image;
  EXPECT_FALSE(naive::read_image(image, naive::Mode::standard).has_value());
  const auto state = headers_of(image);
  ASSERT_FALSE(state.has_value());
  EXPECT_EQ(to_string(state.error().code), to_string(GetParam().code));
  const Outcome outcome = recover(image, {});
  ASSERT_TRUE(outcome.error.has_value());
  EXPECT_EQ(to_string(*outcome.error), to_string(GetParam().code));
  EXPECT_FALSE(outcome.wrote);
}

INSTANTIATE_TEST_SUITE_P(Headers, Refused, testing::ValuesIn(refusals()), name_of<Refusal>);

TEST(Headers, OneGoodSlotServesWhateverTheOtherHolds) {
  const Slot good{.trim = kB, .stamp = 5};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    naive::Bytes image = image_with(good, good);
    const std::size_t bad = seed % 2;
    image[bad * 4096 + seed % 56] ^= static_cast<std::uint8_t>(1U << (seed % 8));
    const auto state = headers_of(image);
    ASSERT_TRUE(state.has_value()) << seed;
    EXPECT_EQ(state->current, 1 - bad) << seed;
    EXPECT_NE(state->slots.at(bad).state, SlotState::valid) << seed;
  }
}

TEST(Headers, ABlockDeviceMayBeLongerThanItsLog) {
  naive::Bytes image = image_with({.stamp = 1}, {.stamp = 2});
  image.resize(image.size() + 12345 / 512 * 512, 0x77);
  EXPECT_TRUE(headers_of(image, false).has_value());
  image.resize(kCapacity - 4096);
  const auto state = headers_of(image, false);
  ASSERT_FALSE(state.has_value());
  EXPECT_EQ(to_string(state.error().code), "length-mismatch");
}

// --- fields at the edges ----------------------------------------------------------------------

TEST(Headers, FieldsAreGivenAsTheyStand) {
  const Slot slot{.version = 1,
                  .trim = 5 * kB,
                  .stamp = -77,
                  .window = kMin,
                  .shutdown = 0,
                  .node = -3,
                  .epoch = kMax};
  const auto state = headers_of(image_with(slot, {.content = SlotContent::blank}));
  ASSERT_TRUE(state.has_value());
  const WalHeader expected{.version = FormatVersion::v1,
                           .capacity_bytes = kCapacity,
                           .trim = {5 * kB},
                           .stamp = -77,
                           .window_bytes = kMin,
                           .shutdown = ShutdownType::graceful,
                           .node_id = -3,
                           .epoch = kMax};
  EXPECT_TRUE(state->header() == expected);
}

TEST(Headers, AnUnknownShutdownTypeIsUngraceful) {
  for (const std::uint32_t type : {1U, 2U, 7U, 0x80000000U, 0xFFFFFFFFU}) {
    const Slot slot{.shutdown = type};
    const auto state = headers_of(image_with(slot, slot));
    ASSERT_TRUE(state.has_value()) << type;
    EXPECT_EQ(state->header().shutdown, ShutdownType::ungraceful) << type;
  }
}

TEST(Headers, AnyNegativeTrimTrimsNothing) {
  for (const std::int64_t trim : {std::int64_t{-1}, std::int64_t{-2}, -kB, kMin + 1, kMin}) {
    const Slot slot{.trim = trim};
    const naive::Bytes image = image_with(slot, slot);
    const auto state = headers_of(image);
    ASSERT_TRUE(state.has_value()) << trim;
    EXPECT_EQ(state->header().trim, kNoOffset) << trim;
    EXPECT_EQ(recover(image, {}).records.size(), 8U) << trim;
  }
}

TEST(Headers, WhatStandsBehindTheHeaderInItsSlotMeansNothing) {
  naive::Bytes image = image_with({.trim = 0, .stamp = 3}, {.trim = kB, .stamp = 4});
  for (std::size_t slot = 0; slot < 2; ++slot) {
    for (std::size_t i = 56; i < 4096; ++i) {
      image[slot * 4096 + i] = static_cast<std::uint8_t>(i * 37 + slot);
    }
  }
  const auto state = headers_of(image);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->current, 1U);
  EXPECT_EQ(recover(image, {}).records.size(), 6U);
}

}  // namespace
}  // namespace seqwal::conformance
