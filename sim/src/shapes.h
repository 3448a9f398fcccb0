// Shapes: scripts that bring a log to a moment with writes in flight, for exhaustive runs.
#ifndef SEQWAL_SIM_SHAPES_H
#define SEQWAL_SIM_SHAPES_H

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/log.h"
#include "seqwal/sim/disk.h"
#include "seqwal/sim/scheduler.h"
#include "seqwal/sim/world.h"

namespace seqwal::sim {

// What is known of a log from outside.
struct Facts {
  struct Record {
    std::int64_t offset = 0;
    std::span<const std::byte> body;
    bool acknowledged = false;
  };
  std::vector<Record> records;  // in offset order
  std::int64_t life_start = 0;
  std::int64_t trim_asked = -1;
  std::int64_t trim_durable = -1;
};

// One step of a script.
struct Step {
  enum class Kind : std::uint8_t {
    append,       // a record of `value` bytes; what waits is submitted, nothing completes
    merge,        // the same, but left in the open block write
    settle,       // everything completes
    fill_to_end,  // appends until `value` blocks are left in the cycle, settling each
    fill_ring,    // appends until at most `value` blocks of the ring are free, settling each
    trim,         // of the record `value` places before the newest acknowledged one; only asked for
  };
  Kind kind = Kind::append;
  std::uint32_t value = 0;
};

struct Shape {
  std::string name;
  FormatVersion version = FormatVersion::v0;
  std::uint32_t section_blocks = 14;
  std::uint32_t window_blocks = 0;   // at reset, 0 = everything
  std::vector<Step> before;          // brings the log to the moment
  std::vector<std::uint32_t> sizes;  // bodies of the writes in flight, over and over
  bool trim_races = false;           // a trim is asked for when half of them are in flight
};

[[nodiscard]] std::vector<Shape> all_shapes();

// A log at that moment. Not on a fiber: time stands still, and requests complete when told to.
class ShapeRun {
 public:
  ShapeRun(const Shape& shape, std::uint32_t writes, WorldSupplies& supplies);
  ~ShapeRun();
  ShapeRun(const ShapeRun&) = delete;
  ShapeRun& operator=(const ShapeRun&) = delete;

  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] const Facts& facts() const { return facts_; }
  // How many writes are in flight that the exhaustive run is about: the first so many.
  [[nodiscard]] std::size_t writes() const { return writes_; }
  // Those of the bits complete, then the log is told.
  void complete(std::uint32_t bits);

 private:
  void take(const Step& step);
  // False where there is no room.
  [[nodiscard]] bool append(std::uint32_t length);
  void trim(std::uint32_t back);
  void poll();
  void settle();
  [[nodiscard]] std::uint32_t blocks_left_in_cycle() const;
  [[nodiscard]] std::uint32_t free_blocks() const;

  SeedChoices choices_{1};
  Trace trace_;
  Scheduler scheduler_;
  Disk disk_;
  std::unique_ptr<SimDevice> device_;
  std::unique_ptr<Log> log_;
  Facts facts_;
  std::span<const std::byte> noise_;
  std::size_t acknowledged_ = 0;
  std::size_t writes_ = 0;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_SHAPES_H
