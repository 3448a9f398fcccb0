// Conformance cases as sentences: what lies on the device, and what each kind of recovery gives.
//
//   Scenario("OneBlockIsMissing").record(0).record(kB).record(3 * kB)
//       .gives({0, kB, 3 * kB}).prefix({0, kB}).holes({{2 * kB, 3 * kB}})
//
// Unless it says otherwise, a scenario is a version 0 log with a record section of 16 blocks,
// nothing trimmed, and a window longer than the section.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/naive_log.h"

namespace seqwal::conformance {

inline constexpr std::int64_t kB = 4096;  // one block
// The length of the body of a record that fills exactly so many blocks.
[[nodiscard]] constexpr std::uint64_t filling(std::int64_t blocks) {
  return static_cast<std::uint64_t>(blocks * kB) - naive::kRecordHeader;
}

class Scenario {
 public:
  using Offsets = std::vector<std::int64_t>;

  explicit Scenario(std::string name) : name_(std::move(name)) { image_.capacity = 18 * kB; }

  // --- what lies on the device
  Scenario& section_blocks(std::int64_t blocks);
  Scenario& version1();
  Scenario& trim(std::int64_t offset);
  Scenario& window(std::int64_t bytes);
  // A data record; its body depends on its offset and length only.
  Scenario& record(std::int64_t offset, std::uint64_t body_length = 100);
  Scenario& records(std::initializer_list<std::int64_t> offsets);
  Scenario& record_with(std::int64_t offset, naive::Bytes body);
  // A record that fills whole blocks, at each block from the first to the last one named.
  Scenario& full_blocks(std::int64_t first, std::int64_t last);
  Scenario& damaged(std::int64_t offset, naive::Damage damage, std::uint64_t body_length = 100);
  Scenario& torn(std::int64_t offset, std::uint64_t body_length, std::uint64_t after);
  // A sound header that says a length, with a short body behind it.
  Scenario& declares(std::int64_t offset, std::uint32_t length);
  // What crosses the end of the section goes on at its beginning.
  Scenario& wrapped(std::int64_t offset, std::uint64_t body_length);
  Scenario& padding(std::int64_t offset, std::uint64_t body_length,
                    naive::Damage damage = naive::Damage::none);
  Scenario& garbage(std::int64_t offset, std::uint64_t length);
  Scenario& bytes(std::int64_t offset, naive::Bytes bytes);

  // --- what recovery gives
  Scenario& gives(Offsets offsets);  // in every mode
  Scenario& strict(Offsets offsets);
  Scenario& prefix(Offsets offsets);
  Scenario& holes(std::vector<naive::Hole> holes);  // in standard mode

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const naive::Image& image() const { return image_; }
  [[nodiscard]] const Offsets& expected(naive::Mode mode) const;
  [[nodiscard]] const std::vector<naive::Hole>& expected_holes() const { return holes_; }

 private:
  std::string name_;
  naive::Image image_;
  Offsets standard_;
  Offsets strict_;
  Offsets prefix_;
  std::vector<naive::Hole> holes_;
};

// How GoogleTest shows a scenario.
void PrintTo(const Scenario& scenario, std::ostream* out);

// Runs it in every mode, through the log's recovery and through the naive reader, and adds test
// failures for whatever differs from what the scenario says.
void expect_conformance(const Scenario& scenario);

}  // namespace seqwal::conformance
