// Scenarios of LogBuffer: appenders against a polling thread that does with it what BlockWriter and
// Log do, without the disk.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <expected>
#include <optional>

#include "core/src/doorbell.h"
#include "core/src/log_buffer_impl.h"
#include "core/src/room_gate.h"
#include "interleave_scenarios.h"

namespace seqwal::sim::interleaving {
namespace {

constexpr std::uint32_t kSlots = 16;
constexpr std::uint32_t kMaxBodies = 16;
constexpr std::uint32_t kMaxBlocks = 16;
constexpr Offset kNoLimit{std::int64_t{1} << 40U};
// Bodies are of one byte repeated, never zero, so that what is lost or torn shows.
constexpr std::uint32_t kSmallBytes = 8;

struct Shape {
  std::string_view name;
  std::uint32_t blocks = 2;
  std::uint32_t section_blocks = 1024;
  std::uint32_t body_bytes = kSmallBytes;
  std::uint32_t first_records = 0;  // appended before the threads start
  bool limited_space = false;       // block writes fit one after the other, as trims make room
  bool sleeps = true;               // else the polling thread does `ops` passes, with no doorbell
  bool in_place = false;            // records are made in memory that was reserved
  bool stops = false;               // amid the appends, which are refused from then on
};

// Two blocks of memory serve all block writes but in `seal`, where nothing is waited for.
constexpr std::array kShapes = {
    Shape{.name = "seal", .blocks = 8, .sleeps = false},
    Shape{.name = "sleep"},
    // No second record fits in a cycle: each begins a block, seals the one before, and needs the
    // memory of the one before that.
    Shape{.name = "rotation", .section_blocks = 2, .body_bytes = 5000, .first_records = 1},
    Shape{.name = "slots", .first_records = kSlots - 1},
    Shape{.name = "space", .limited_space = true},
    // Bodies stay where they are, each block is sealed by who begins it.
    Shape{.name = "long", .body_bytes = kSoftLimitBytes, .first_records = 1},
    // One piece of memory for all: who finds it taken waits until its record is durable, or it was
    // abandoned.
    Shape{.name = "reserve", .in_place = true},
    Shape{.name = "stop", .stops = true},
    Shape{.name = "stop_full", .limited_space = true, .stops = true},
};

struct World {
  explicit World(const Shape& shape)
      : buffer(Geometry(std::uint64_t{shape.section_blocks} * kBlockBytes + kHeaderAreaBytes),
               shape.blocks, kSlots, shape.in_place ? 1 : 0) {}

  BasicLogBuffer<ModelAtomics> buffer;
  BasicDoorbell<ModelAtomics> doorbell;
  BasicRoomGate<ModelAtomics> room;
  ModelDevice device;
  ModelHost host;
};

// What the test knows of a record; no part of what is explored.
struct Record {
  Offset offset = kNoOffset;  // what append returned
  Offset found = kNoOffset;   // where its body was
  Offset told = kNoOffset;    // what the callback was told
  std::uint32_t calls = 0;
};

std::string describe_tail(std::uint64_t word) {
  const Tail tail = Tail::unpack(word, Offset{0});
  std::string state = tail.stopped() ? "stopped" : "sealed";
  if (tail.open()) state = fmt::format("{} pages", tail.pages);
  return fmt::format("(offset {}, {}, block {}, ticket {})", tail.offset.value, state, tail.block,
                     tail.ticket);
}

class BufferScenario final : public Scenario {
 public:
  BufferScenario(const Shape& shape, const Scope& scope) : shape_(shape), scope_(scope) {
    for (std::uint32_t i = 0; i < shape.blocks; ++i) {
      names_.push_back(fmt::format("block{}.published", i));
      names_.push_back(fmt::format("block{}.sealed", i));
    }
    for (const char* name :
         {"reference", "space_end", "released.blocks", "released.tickets", "tail", "reserved",
          "sleeping", "epoch", "waiters", "woken", "unparks"}) {
      names_.emplace_back(name);
    }
    // glibc maps memory of that size anew each time, until more was freed at once.
    const AlignedBuffer freed(std::size_t{shape.blocks} * 2 * kSoftLimitBytes);
    for (std::uint32_t i = 0; i < kMaxBodies + shape.first_records; ++i) {
      bodies_.emplace_back(shape.body_bytes, static_cast<std::byte>(i + 1));
    }
  }

  [[nodiscard]] std::uint32_t threads() const override { return scope_.threads; }
  void set_up() override;
  void run(std::uint32_t thread) override {
    if (thread > 0) {
      append_all(thread);
    } else if (shape_.sleeps) {
      poll_until_done();
    } else {
      poll_some();
    }
  }
  void check() override;

 private:
  // --- appenders
  void append_all(std::uint32_t thread);
  // False: there is no room.
  [[nodiscard]] bool try_append(std::uint32_t body);
  using Outcome = std::expected<Appended, Refusal>;
  [[nodiscard]] Outcome append(std::uint32_t body, AppendCallback& callback);
  [[nodiscard]] Outcome publish(std::uint32_t body, AppendCallback& callback);
  [[nodiscard]] NewRecord record_of(const std::span<const std::byte>& body) const {
    return {.pieces = Pieces(&body, 1), .body_bytes = shape_.body_bytes, .body_checksum = 1};
  }

  // --- the polling thread
  void poll_until_done();
  void poll_some();
  void pump();
  bool pump_one();
  [[nodiscard]] bool could_pump();
  [[nodiscard]] bool done() const {
    return shape_.stops ? stopped_ && acknowledged_ == world_->buffer.blocks_end()
                        : delivered_ == expected_;
  }
  void take(std::uint32_t number, const SealedBlock& block);
  void acknowledge_prefix();
  void check_records(const SealedBlock& block);

  static Execution& execution() { return Execution::current(); }

  const Shape shape_;
  const Scope scope_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::byte>> bodies_;
  std::optional<World> world_;

  std::array<Record, kMaxBodies + kSlots> records_;
  std::uint32_t expected_ = 0;

  // The polling thread's own.
  std::array<std::optional<SealedBlock>, kMaxBlocks> taken_;
  std::uint32_t acknowledged_ = 0;
  std::uint32_t delivered_ = 0;
  std::uint16_t next_ticket_ = 0;
  Offset end_;
  bool room_made_ = false;
  bool stopped_ = false;
};

void BufferScenario::set_up() {
  world_.emplace(shape_);
  execution().name_locations(names_);
  execution().show_with("tail", describe_tail);
  world_->buffer.start(Offset{0}, shape_.limited_space ? Offset{kBlockBytes} : kNoLimit);
  records_ = {};
  taken_ = {};
  acknowledged_ = delivered_ = 0;
  next_ticket_ = 0;
  end_ = Offset{0};
  room_made_ = stopped_ = false;
  expected_ = (scope_.threads - 1) * scope_.ops + shape_.first_records;
  for (std::uint32_t i = 0; i < shape_.first_records; ++i) {
    execution().expect(try_append(kMaxBodies + i), "no room for the first records");
  }
}

void BufferScenario::append_all(std::uint32_t thread) {
  for (std::uint32_t i = 0; i < scope_.ops; ++i) {
    const std::uint32_t body = (thread - 1) * scope_.ops + i;
    if (try_append(body)) continue;
    world_->room.wait(
        [&] { return try_append(body); },
        [&](const ModelHost::Word& word, std::uint32_t epoch) { world_->host.park(word, epoch); });
  }
}

// As Log does it.
bool BufferScenario::try_append(std::uint32_t body) {
  Record& record = records_.at(body);
  AppendCallback callback = [&record](const AppendResult& result) {
    ++record.calls;
    record.told = result.offset;
  };
  const auto appended = shape_.in_place ? publish(body, callback) : append(body, callback);
  if (!appended) {
    execution().expect(appended.error() != Refusal::stopped || shape_.stops,
                       "an append is refused for the wrong reason");
    return appended.error() == Refusal::stopped;
  }
  record.offset = appended->offset;
  if (world_->doorbell.ring(appended->end_ticket, appended->begins_block)) world_->device.wake();
  return true;
}

BufferScenario::Outcome BufferScenario::append(std::uint32_t body, AppendCallback& callback) {
  const std::span<const std::byte> bytes = bodies_.at(body);
  return world_->buffer.append(record_of(bytes), callback);
}

// What was refused gives its memory back, for others to take.
BufferScenario::Outcome BufferScenario::publish(std::uint32_t body, AppendCallback& callback) {
  const auto index = world_->buffer.reserve();
  if (!index) return std::unexpected(Refusal::would_block);
  std::byte* const to = world_->buffer.reserved_body(*index);
  ModelAtomics::writes_bytes({to, shape_.body_bytes});
  std::ranges::copy(bodies_.at(body), to);
  const std::span<const std::byte> bytes(to, shape_.body_bytes);
  const auto appended = world_->buffer.publish(*index, record_of(bytes), callback);
  if (!appended) world_->buffer.abandon(*index);
  return appended;
}

void BufferScenario::poll_until_done() {
  while (true) {
    world_->doorbell.awake();
    pump();
    if (shape_.stops && !stopped_) {
      world_->buffer.stop();
      stopped_ = room_made_ = true;
      pump();
    }
    if (std::exchange(room_made_, false)) {
      world_->room.notify([&](const ModelHost::Word& word) { world_->host.unpark_all(word); });
    }
    if (done()) return;
    if (world_->doorbell.may_sleep([&] { return scope_.rechecks && could_pump(); })) {
      world_->device.wait();
    }
  }
}

void BufferScenario::poll_some() {
  for (std::uint32_t i = 0; i < scope_.ops; ++i) {
    (void)pump_one();
    execution().pause();
  }
}

void BufferScenario::pump() {
  while (pump_one()) {
  }
}

bool BufferScenario::pump_one() {
  for (std::uint32_t number = acknowledged_; number != world_->buffer.blocks_end(); ++number) {
    if (taken_.at(number)) continue;
    if (const auto block = world_->buffer.ready(number)) {
      take(number, *block);
      acknowledge_prefix();
      return true;
    }
  }
  return world_->buffer.seal();
}

bool BufferScenario::could_pump() {
  if (world_->buffer.has_open_block()) return true;
  for (std::uint32_t number = acknowledged_; number != world_->buffer.blocks_end(); ++number) {
    if (!taken_.at(number) && world_->buffer.ready(number)) return true;
  }
  return false;
}

// What submitting does: the device reads the records, what is behind them is filled.
void BufferScenario::take(std::uint32_t number, const SealedBlock& block) {
  if (!block.is_long()) {
    const auto used = static_cast<std::size_t>(block.records_end - block.start);
    ModelAtomics::reads_bytes({block.memory, used});
    ModelAtomics::writes_bytes(
        {block.memory + used, static_cast<std::size_t>(block.end() - block.records_end)});
  } else {
    ModelAtomics::writes_bytes({block.memory, kSoftLimitBytes});  // slices are staged there
  }
  check_records(block);
  taken_.at(number) = block;
}

void BufferScenario::check_records(const SealedBlock& block) {
  const std::int64_t record_bytes = kRecordHeaderBytes + std::int64_t{shape_.body_bytes};
  std::uint16_t records = 0;
  for (Offset at = block.start; at < block.records_end; at = at + record_bytes, ++records) {
    const bool is_long = block.is_long();
    const std::byte* bytes = is_long ? block.long_header.data() : block.memory + (at - block.start);
    const auto header = decode_record_header(
        std::span<const std::byte, kRecordHeaderBytes>(bytes, kRecordHeaderBytes), at);
    execution().expect(header && header->body_length_bytes == shape_.body_bytes,
                       "a block write is ready without the header of a record");
    const std::byte* body = is_long ? block.long_pieces.front().data() : bytes + kRecordHeaderBytes;
    const auto number = std::to_integer<std::size_t>(*body) - 1;
    const std::size_t compared = is_long ? 1 : shape_.body_bytes;
    execution().expect(
        number < bodies_.size() && std::memcmp(body, bodies_.at(number).data(), compared) == 0,
        "a block write is ready without the body of a record");
    records_.at(number).found = at;
  }
  execution().expect(
      records > 0 && records == static_cast<std::uint16_t>(block.end_ticket - block.first_ticket),
      "the tickets of a block write do not count its records");
}

// As Log.acknowledge does it.
void BufferScenario::acknowledge_prefix() {
  while (acknowledged_ < kMaxBlocks && taken_.at(acknowledged_)) {
    const SealedBlock& block = *taken_.at(acknowledged_);
    execution().expect(block.gap_begin == end_ && block.start >= end_,
                       "a block write does not follow the one before");
    execution().expect(block.first_ticket == next_ticket_, "tickets are out of order");
    end_ = block.end();
    next_ticket_ = block.end_ticket;
    world_->buffer.release_block(acknowledged_, block.records_end);
    for (std::uint16_t ticket = block.first_ticket; ticket != block.end_ticket; ++ticket) {
      CallbackTask task;
      world_->buffer.take(ticket, task);
      execution().expect(static_cast<bool>(task.callback), "a slot has no callback");
      task.callback(task.result);
      ++delivered_;
    }
    world_->buffer.release_tickets(block.end_ticket);
    if (shape_.limited_space) world_->buffer.allow_space(end_ + kBlockBytes);
    room_made_ = true;
    ++acknowledged_;
  }
}

void BufferScenario::check() {
  // What `poll_some` has left.
  if (!shape_.sleeps) pump();
  Execution& execution = BufferScenario::execution();
  execution.expect(shape_.stops || delivered_ == expected_, "not every record was delivered");
  for (const Record& record : records_) {
    const bool accepted = record.offset != kNoOffset;
    execution.expect(record.calls == (accepted ? 1U : 0U), "not exactly one callback per record");
    execution.expect(record.told == record.offset, "a callback is told another offset");
    execution.expect(record.found == record.offset, "a record is not where append said");
  }
  for (std::uint32_t i = 1; i < (scope_.threads - 1) * scope_.ops; ++i) {
    const bool same_thread = i % scope_.ops != 0;
    const bool both = records_.at(i - 1).offset != kNoOffset && records_.at(i).offset != kNoOffset;
    execution.expect(!same_thread || !both || records_.at(i - 1).offset < records_.at(i).offset,
                     "a thread's records are out of order");
  }
}

}  // namespace

std::vector<std::string_view> buffer_scenarios() {
  std::vector<std::string_view> names;
  names.reserve(kShapes.size());
  for (const Shape& shape : kShapes) names.push_back(shape.name);
  return names;
}

std::unique_ptr<Scenario> make_buffer_scenario(std::string_view name, const Scope& scope) {
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return std::make_unique<BufferScenario>(shape, scope);
  }
  return nullptr;
}

}  // namespace seqwal::sim::interleaving
