// LogBuffer: where records wait between append and write. Lock-free: claim, copy, publish.
//
// Block memory is a ring of blocks of kSoftLimitBytes, one per block write; callback slots are a
// ring too. A claim takes bytes, slot and block with one compare-and-swap on the tail (tail.h);
// the copy happens outside any order; publishing is one addition. A record longer than a block of
// memory stays in its owner's memory and is only described here.
//
// Beside the ring stand blocks of memory for records that are made in place. Such a record claims
// nothing before it is complete; then it is a block write of its own, whose bytes lie there instead
// of in the ring, and the memory comes back with the block. A set of bits says which are taken.
//
// Threads: append from any thread; everything else from the one that polls the log.
//
// Memory orders. A block is handed to appenders by the release stores to `released_`, and back by
// each appender's addition to `published_bytes`, which the load in ready() meets. `sealed_bytes`
// carries the end ticket of a block in the same way. Both, and the tail, are sequentially
// consistent: an appender publishes and then looks whether the polling thread sleeps; the polling
// thread says that it sleeps and then looks at what is published (doorbell.h).
//
// The definitions are in log_buffer_impl.h: production has one instantiation, in log_buffer.cc.
#ifndef SEQWAL_LOG_BUFFER_H
#define SEQWAL_LOG_BUFFER_H

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>

#include "aligned_buffer.h"
#include "atomics.h"
#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tail.h"

namespace seqwal {

using Pieces = std::span<const std::span<const std::byte>>;

// A block write that is sealed and whose records are all in place.
struct SealedBlock {
  Offset start;
  Offset gap_begin;     // less than start: the block write before ended here, then came a jump
  Offset previous_end;  // of the last record of the block write before
  Offset records_end;
  std::uint16_t first_ticket = 0;
  std::uint16_t end_ticket = 0;
  std::byte* memory = nullptr;  // kSoftLimitBytes; holds the records, or is free for staging when
  Pieces long_pieces;           // the one record is longer: its body, and
  std::array<std::byte, kRecordHeaderBytes> long_header{};

  [[nodiscard]] Offset end() const { return round_up_to_block(records_end); }
  [[nodiscard]] bool is_long() const { return !long_pieces.empty(); }
};

// What an append brings.
struct NewRecord {
  Pieces pieces;  // of its body; the array itself stays its owner's where the body does
  std::uint32_t body_bytes = 0;
  std::uint32_t body_checksum = 0;
  std::uint64_t key = 0;

  [[nodiscard]] std::uint32_t record_bytes() const { return kRecordHeaderBytes + body_bytes; }
};

// What an append has claimed.
struct Appended {
  Offset offset;
  std::uint16_t end_ticket = 0;  // the next one
  bool begins_block = false;     // the block write before is sealed, or this one is by itself
};

template <typename Atomics>
class BasicLogBuffer {
 public:
  // Powers of two: `blocks` 2..64, `slots` 16..32768. `reservations` 0..64. Records are merged up
  // to `block_bytes`, kSoftLimitBytes at most.
  BasicLogBuffer(const Geometry& geometry, std::uint32_t blocks, std::uint32_t slots,
                 std::uint32_t reservations = 0, std::uint32_t block_bytes = kSoftLimitBytes);

  // Before the first append: where the last record ended (the next one begins a block write at the
  // block boundary there), and how far block writes may extend.
  void start(Offset last_end, Offset space_end);

  // The memory of all blocks, for the device to know.
  [[nodiscard]] std::span<std::byte> block_memory() const { return memory_.span(); }

  // Any thread. The record is appended when this returns. `callback` is taken only then.
  // Precondition: body not empty, and fits in the section.
  [[nodiscard]] std::expected<Appended, Refusal> append(const NewRecord& record,
                                                        AppendCallback& callback);

  // --- records made in place, any thread
  // Memory for one, or nothing: none is free.
  [[nodiscard]] std::optional<std::uint32_t> reserve();
  // Where its body goes, up to kSoftLimitBytes - kRecordHeaderBytes.
  [[nodiscard]] std::byte* reserved_body(std::uint32_t index) const {
    return block_memory_at(block_count_ + index) + kRecordHeaderBytes;
  }
  // Appends the record whose body stands there. On success the memory is the log's.
  [[nodiscard]] std::expected<Appended, Refusal> publish(std::uint32_t index,
                                                         const NewRecord& record,
                                                         AppendCallback& callback);
  void abandon(std::uint32_t index);

  // --- the polling thread only
  // Seals the open block write, if there is one: the next record begins a new one.
  bool seal();
  // Seals, and refuses every later append.
  void stop();
  // True while a block write is open.
  [[nodiscard]] bool has_open_block() const;
  // The ticket that the next append gets, and where the last one ended.
  [[nodiscard]] std::uint16_t next_ticket() const;
  // Blocks that were begun and not released, slots that were claimed and not released.
  [[nodiscard]] std::uint32_t blocks_used() const;
  [[nodiscard]] std::uint32_t slots_used() const;
  [[nodiscard]] Offset end() const;
  // One more than the number of the last block that was begun; numbers count from 0.
  [[nodiscard]] std::uint32_t blocks_end() const;
  // The block write of this number once it is ready, else nothing.
  [[nodiscard]] std::optional<SealedBlock> ready(std::uint32_t number) const;
  // Gives the memory of the oldest block back, whose records ended at `records_end`. `reusable`:
  // the device is done with it. (Where it is not, nothing is appended any more.)
  void release_block(std::uint32_t number, Offset records_end, bool reusable = true);
  // Runs the callback of a slot where it lies; the slot is free after release_tickets.
  void run_callback(std::uint16_t ticket, AppendStatus status);
  // Takes what a slot holds; the slot is free after release_tickets. The status is what settle
  // said.
  void take(std::uint16_t ticket, CallbackTask& task);
  // Notes in slots what became of their records.
  void settle(std::uint16_t begin_ticket, std::uint16_t end_ticket, AppendStatus status);
  void release_tickets(std::uint16_t end_ticket);
  void allow_space(Offset space_end);

 private:
  template <typename T>
  using Atomic = typename Atomics::template Atomic<T>;

  // One cache line of what claims read and the polling thread writes.
  struct alignas(64) Released {
    Atomic<std::int64_t> reference{0};
    Atomic<std::int64_t> space_end{0};
    Atomic<std::uint32_t> blocks{0};
    Atomic<std::uint32_t> tickets{0};
  };
  struct alignas(64) Block {
    Atomic<std::uint32_t> published_bytes{0};  // appenders add
    Atomic<std::uint32_t> sealed_bytes{0};     // whoever seals stores; 0 = open
    std::uint16_t end_ticket = 0;              // whoever seals writes, before sealed_bytes
    std::uint16_t first_ticket = 0;            // from here on: the first appender writes,
    Offset start;                              // before it publishes
    Offset gap_begin;
    Offset previous_end;
    std::uint32_t memory = 0;  // which block of memory
    Pieces long_pieces;
    std::span<const std::byte> long_piece;  // if there is but one
    std::array<std::byte, kRecordHeaderBytes> long_header{};
  };
  // Appenders write; the polling thread reads once the block is ready.
  struct alignas(64) Slot {
    AppendCallback callback;
    Offset offset;
    std::uint64_t key = 0;
    AppendStatus status = AppendStatus::durable;  // the polling thread writes
  };

  [[nodiscard, gnu::always_inline]] inline ClaimLimits limits() const;
  [[nodiscard]] Block& block(std::uint32_t number) const {
    return blocks_[number & (block_count_ - 1)];
  }
  [[nodiscard]] std::byte* block_memory_at(std::uint32_t index) const {
    return memory_.data() + std::size_t{index} * kSoftLimitBytes;
  }
  [[nodiscard]] static std::uint32_t full_number(std::uint8_t low, std::uint32_t released);
  struct Claim {
    Tail before;
    ClaimPlan plan;
    std::uint32_t number = 0;  // of the block
  };
  // Inlined, and what they hand on is filled in place: then it stays in registers.
  [[nodiscard, gnu::always_inline]] inline Refusal claim(std::uint32_t record_bytes, bool alone,
                                                         Claim& claim);
  [[gnu::always_inline]] inline void begin_block(const Claim& claim, std::uint32_t memory);
  [[gnu::always_inline]] inline void fill_slot(std::uint16_t ticket, Offset offset,
                                               const NewRecord& record, AppendCallback& callback);
  void publish_bytes(std::uint32_t number, std::uint32_t bytes);
  void mark_sealed(std::uint32_t number, std::uint32_t bytes, std::uint16_t end_ticket);
  bool close_open_block(std::uint32_t pages);

  const Geometry geometry_;
  const std::uint32_t block_count_;
  const std::uint32_t slot_count_;
  const std::uint32_t reservation_count_;
  const std::uint32_t block_bytes_;
  AlignedBuffer memory_;  // of the blocks, then of the reservations
  std::unique_ptr<Block[]> blocks_;
  std::unique_ptr<Slot[]> slots_;
  Released released_;
  alignas(64) Atomic<std::uint64_t> tail_{0};
  alignas(64) Atomic<std::uint64_t> reserved_{0};  // a bit each; set by who takes it
};

using LogBuffer = BasicLogBuffer<StdAtomics>;
extern template class BasicLogBuffer<StdAtomics>;

}  // namespace seqwal

#endif  // SEQWAL_LOG_BUFFER_H
