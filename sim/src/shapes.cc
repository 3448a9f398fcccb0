#include "shapes.h"

#include <fmt/format.h>

#include <algorithm>

#include "seqwal/check.h"
#include "seqwal/geometry.h"

namespace seqwal::sim {
namespace {

constexpr std::int64_t kBlock = kBlockBytes;

DiskOptions disk_options(const Shape& shape) {
  DiskOptions options;
  options.limits.size_bytes = kHeaderAreaBytes + std::uint64_t{shape.section_blocks} * kBlockBytes;
  options.limits.size_is_exact = true;
  options.limits.depth = 32;
  options.limits.volatile_cache = false;
  options.limits.durable_write = DurableWrite::free;
  return options;
}

using Kind = Step::Kind;

// What the log has been through, and what is in flight. Each comes in both versions.
std::vector<Shape> scenes() {
  const std::vector<std::uint32_t> small = {100};
  const std::vector<std::uint32_t> mixed = {100, 5000, 4072, 9000};
  const std::vector<std::uint32_t> long_first = {9000, 50, 5000, 100};
  return {
      {.name = "empty, small", .before = {}, .sizes = small},
      {.name = "empty, mixed", .before = {}, .sizes = mixed},
      {.name = "empty, long first", .before = {}, .sizes = long_first},
      {.name = "empty, whole blocks", .before = {}, .sizes = {4072}},
      {.name = "some before, small",
       .before = {{Kind::append, 300}, {Kind::settle}, {Kind::append, 6000}, {Kind::settle}},
       .sizes = small},
      {.name = "merged before, mixed",
       .before = {{Kind::merge, 300}, {Kind::merge, 300}, {Kind::append, 300}, {Kind::settle}},
       .sizes = mixed},
      {.name = "end of the cycle, small",
       .before = {{Kind::fill_to_end, 2}, {Kind::trim, 0}, {Kind::settle}},
       .sizes = small},
      {.name = "jump, mixed",
       .before = {{Kind::fill_to_end, 2}, {Kind::trim, 0}, {Kind::settle}},
       .sizes = {100, 9000, 100, 100}},
      {.name = "jump first, long",
       .before = {{Kind::fill_to_end, 1}, {Kind::trim, 1}, {Kind::settle}},
       .sizes = {5000, 100, 4072, 100}},
      {.name = "exact end, small",
       .before = {{Kind::fill_to_end, 0}, {Kind::trim, 2}, {Kind::settle}},
       .sizes = small},
      {.name = "trimmed inside a merged write",
       .before = {{Kind::merge, 300},
                  {Kind::merge, 300},
                  {Kind::append, 300},
                  {Kind::settle},
                  {Kind::trim, 1},
                  {Kind::settle}},
       .sizes = mixed},
      {.name = "full ring, trimmed a little",
       .section_blocks = 12,
       .before = {{Kind::fill_ring, 0}, {Kind::trim, 3}, {Kind::settle}},
       .sizes = small},
      {.name = "nearly full ring, second cycle",
       .section_blocks = 12,
       .before = {{Kind::fill_ring, 0},
                  {Kind::trim, 0},
                  {Kind::settle},
                  {Kind::fill_ring, 4},
                  {Kind::trim, 1},
                  {Kind::settle}},
       .sizes = {100, 4072}},
      {.name = "trim racing",
       .before = {{Kind::append, 300}, {Kind::settle}, {Kind::append, 300}, {Kind::settle}},
       .sizes = small,
       .trim_races = true},
      {.name = "trim racing in a merged write",
       .before = {{Kind::merge, 300}, {Kind::merge, 300}, {Kind::append, 300}, {Kind::settle}},
       .sizes = mixed,
       .trim_races = true},
      {.name = "window growing",
       .window_blocks = 2,
       .before = {{Kind::append, 300}, {Kind::settle}},
       .sizes = {100, 5000, 100}},
      {.name = "narrow window, long records",
       .window_blocks = 1,
       .before = {{Kind::append, 5000}, {Kind::settle}},
       .sizes = {9000, 100}},
      {.name = "tiny ring",
       .section_blocks = 8,
       .before = {{Kind::fill_ring, 0}, {Kind::trim, 0}, {Kind::settle}},
       .sizes = {100}},
  };
}

}  // namespace

std::vector<Shape> all_shapes() {
  std::vector<Shape> shapes;
  for (const Shape& scene : scenes()) {
    for (const FormatVersion version : {FormatVersion::v0, FormatVersion::v1}) {
      Shape shape = scene;
      shape.version = version;
      shape.name += version == FormatVersion::v0 ? " (version 0)" : " (version 1)";
      shapes.push_back(shape);
    }
  }
  return shapes;
}

ShapeRun::ShapeRun(const Shape& shape, std::uint32_t writes, WorldSupplies& supplies)
    : scheduler_(choices_, trace_, supplies.fibers()),
      disk_(disk_options(shape), scheduler_, choices_, trace_),
      device_(disk_.attach()),
      noise_(supplies.noise()) {
  const std::uint64_t capacity = disk_.size_bytes();
  const auto created = create_log(
      *device_, scheduler_, {.capacity_bytes = capacity, .version = shape.version, .force = true});
  SEQWAL_CHECK(created.has_value());
  auto log = Log::open(*device_, scheduler_,
                       {.blocks = 16,
                        .slots = 64,
                        .depth = 16,
                        .window_bytes = std::int64_t{shape.window_blocks} * kBlock,
                        .window_step_bytes = kBlock});
  SEQWAL_CHECK(log.has_value());
  log_ = std::move(*log);
  SEQWAL_CHECK(log_->recover([](const RecoveredRecord&) { return true; }).has_value());
  facts_.life_start = log_->reset().value().value;
  facts_.trim_asked = facts_.trim_durable = facts_.life_start - 1;
  for (const Step& step : shape.before) take(step);
  settle();
  for (std::uint32_t i = 0; disk_.writes_in_flight() < writes && i < 4 * writes; ++i) {
    if (shape.trim_races && i == writes / 2) trim(0);
    (void)append(shape.sizes[i % shape.sizes.size()]);
    poll();
  }
  writes_ = std::min<std::size_t>(writes, disk_.writes_in_flight());
}

// Like a crash: nobody hears of what is in flight any more.
ShapeRun::~ShapeRun() {
  disk_.kill();
  log_.reset();
}

void ShapeRun::take(const Step& step) {
  switch (step.kind) {
    case Kind::merge:
      (void)append(step.value);
      return;
    case Kind::append:
      (void)append(step.value);
      poll();
      return;
    case Kind::settle:
      settle();
      return;
    case Kind::trim:
      trim(step.value);
      return;
    case Kind::fill_to_end:
      do {
        SEQWAL_CHECK(append(300));
        settle();
      } while (blocks_left_in_cycle() != step.value);
      return;
    case Kind::fill_ring:
      while (free_blocks() > step.value && append(300)) settle();
      return;
  }
}

std::uint32_t ShapeRun::blocks_left_in_cycle() const {
  const auto section = static_cast<std::int64_t>(disk_.size_bytes() - kHeaderAreaBytes);
  const std::int64_t at = round_up_to_block(log_->durable()).value % section;
  return static_cast<std::uint32_t>((section - at) % section / kBlock);
}

std::uint32_t ShapeRun::free_blocks() const {
  const Offset keep = round_down_to_block(log_->trimmed() + 1);
  const Offset end = Geometry(disk_.size_bytes()).space_end(keep);
  const Offset at = round_up_to_block(log_->durable());
  return at < end ? static_cast<std::uint32_t>((end - at) / kBlock) : 0;
}

bool ShapeRun::append(std::uint32_t length) {
  const auto body = noise_.subspan(facts_.records.size() * 97, length);
  const auto offset = log_->append(body, [this](const AppendResult& result) {
    SEQWAL_CHECK(result.status == AppendStatus::durable);
    SEQWAL_CHECK(facts_.records.at(acknowledged_).offset == result.offset.value);
    facts_.records[acknowledged_++].acknowledged = true;
  });
  if (!offset) return false;
  facts_.records.push_back({.offset = offset->value, .body = body, .acknowledged = false});
  return true;
}

void ShapeRun::trim(std::uint32_t back) {
  if (acknowledged_ <= back) return;
  const Offset offset{facts_.records[acknowledged_ - 1 - back].offset};
  const auto accepted = log_->trim(offset, [this, offset](const Result<Offset>& result) {
    if (result) facts_.trim_durable = std::max(facts_.trim_durable, offset.value);
  });
  if (!accepted) return;
  facts_.trim_asked = std::max(facts_.trim_asked, offset.value);
  poll();
  // The reads that verify it are not what this is about.
  for (std::size_t i = 0; i < disk_.in_flight();) {
    if (disk_.kind_in_flight(i) == IoKind::read) {
      disk_.complete(i);
      poll();
      i = 0;
    } else {
      ++i;
    }
  }
}

void ShapeRun::poll() {
  while (log_->poll(scheduler_.now()) <= scheduler_.now()) {
  }
}

void ShapeRun::settle() {
  poll();
  while (disk_.in_flight() > 0) {
    disk_.complete(0);
    poll();
  }
}

void ShapeRun::complete(std::uint32_t bits) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < writes_; ++i) {
    while (disk_.kind_in_flight(at) != IoKind::write) ++at;
    if ((bits >> i & 1U) != 0) {
      disk_.complete(at);
    } else {
      ++at;
    }
  }
  poll();
}

}  // namespace seqwal::sim
