#include "tests/support/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/support/recovery_check.h"

namespace seqwal::conformance {
namespace {

naive::Bytes body_for(std::int64_t offset, std::uint64_t length) {
  return naive::arbitrary_bytes(length, static_cast<std::uint64_t>(offset) * 131 + length);
}

// Whatever is delivered was laid there, with that body.
bool was_laid(const naive::Image& image, const naive::Delivered& record) {
  return std::ranges::any_of(image.records, [&](const naive::Record& laid) {
    return laid.offset == record.offset && laid.body == record.body && !laid.padding;
  });
}

}  // namespace

Scenario& Scenario::section_blocks(std::int64_t blocks) {
  image_.capacity = static_cast<std::uint64_t>((blocks + 2) * kB);
  return *this;
}

Scenario& Scenario::version1() {
  for (naive::Slot& slot : image_.slots) slot.version = 1;
  return *this;
}

Scenario& Scenario::trim(std::int64_t offset) {
  for (naive::Slot& slot : image_.slots) slot.trim = offset;
  return *this;
}

Scenario& Scenario::window(std::int64_t bytes) {
  for (naive::Slot& slot : image_.slots) slot.window = bytes;
  return *this;
}

Scenario& Scenario::record(std::int64_t offset, std::uint64_t body_length) {
  return record_with(offset, body_for(offset, body_length));
}

Scenario& Scenario::records(std::initializer_list<std::int64_t> offsets) {
  for (const std::int64_t offset : offsets) record(offset);
  return *this;
}

Scenario& Scenario::record_with(std::int64_t offset, naive::Bytes body) {
  image_.records.push_back({.offset = offset, .body = std::move(body)});
  return *this;
}

Scenario& Scenario::full_blocks(std::int64_t first, std::int64_t last) {
  for (std::int64_t offset = first; offset <= last; offset += kB) record(offset, filling(1));
  return *this;
}

Scenario& Scenario::damaged(std::int64_t offset, naive::Damage damage, std::uint64_t body_length) {
  image_.records.push_back(
      {.offset = offset, .body = body_for(offset, body_length), .damage = damage});
  return *this;
}

Scenario& Scenario::torn(std::int64_t offset, std::uint64_t body_length, std::uint64_t after) {
  image_.records.push_back({.offset = offset,
                            .body = body_for(offset, body_length),
                            .damage = naive::Damage::torn,
                            .torn_after = after});
  return *this;
}

Scenario& Scenario::declares(std::int64_t offset, std::uint32_t length) {
  image_.records.push_back({.offset = offset,
                            .body = body_for(offset, 100),
                            .damage = naive::Damage::long_body,
                            .declared_length = length});
  return *this;
}

Scenario& Scenario::wrapped(std::int64_t offset, std::uint64_t body_length) {
  image_.records.push_back(
      {.offset = offset, .body = body_for(offset, body_length), .wraps = true});
  return *this;
}

Scenario& Scenario::padding(std::int64_t offset, std::uint64_t body_length, naive::Damage damage) {
  image_.records.push_back(
      {.offset = offset, .body = naive::Bytes(body_length, 0), .padding = true, .damage = damage});
  return *this;
}

Scenario& Scenario::garbage(std::int64_t offset, std::uint64_t length) {
  return bytes(offset, body_for(offset, length));
}

Scenario& Scenario::bytes(std::int64_t offset, naive::Bytes bytes) {
  image_.fills.push_back({.offset = offset, .bytes = std::move(bytes)});
  return *this;
}

Scenario& Scenario::gives(Offsets offsets) {
  standard_ = offsets;
  strict_ = offsets;
  prefix_ = std::move(offsets);
  return *this;
}

Scenario& Scenario::strict(Offsets offsets) {
  strict_ = std::move(offsets);
  return *this;
}

Scenario& Scenario::prefix(Offsets offsets) {
  prefix_ = std::move(offsets);
  return *this;
}

Scenario& Scenario::holes(std::vector<naive::Hole> holes) {
  holes_ = std::move(holes);
  return *this;
}

const Scenario::Offsets& Scenario::expected(naive::Mode mode) const {
  switch (mode) {
    case naive::Mode::strict:
      return strict_;
    case naive::Mode::prefix:
      return prefix_;
    default:
      return standard_;
  }
}

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name(); }

void expect_conformance(const Scenario& scenario) {
  const naive::Bytes image = naive::write_image(scenario.image());
  for (const auto mode : {naive::Mode::standard, naive::Mode::strict, naive::Mode::prefix}) {
    SCOPED_TRACE(std::string(name(mode)) + " mode");
    const auto reading = naive::read_image(image, mode);
    ASSERT_TRUE(reading.has_value());
    EXPECT_EQ(to_text(offsets(reading->records)), to_text(scenario.expected(mode)))
        << "(naive reader)";

    const Outcome outcome = recover(image, {.mode = to_log(mode)});
    ASSERT_FALSE(outcome.error) << to_string(*outcome.error);
    EXPECT_EQ(to_text(offsets(outcome.records)), to_text(scenario.expected(mode)));
    for (const naive::Delivered& record : outcome.records) {
      EXPECT_TRUE(was_laid(scenario.image(), record)) << "at " << record.offset;
    }
    if (mode == naive::Mode::standard) {
      EXPECT_EQ(to_text(reading->holes), to_text(scenario.expected_holes())) << "(naive reader)";
      EXPECT_EQ(to_text(holes(outcome.report)), to_text(scenario.expected_holes()));
    }
    EXPECT_EQ(complaint(image, mode), "");

    // On a block device that is longer than the log, the log still ends where it ends.
    const Outcome longer = recover(image, {.mode = to_log(mode)}, 16 * naive::kBlock);
    EXPECT_EQ(to_text(offsets(longer.records)), to_text(offsets(outcome.records)));
    EXPECT_FALSE(longer.wrote);
  }
}

}  // namespace seqwal::conformance
