// The definitions of LogBuffer, for whoever instantiates it: log_buffer.cc, and the explorer of
// interleavings with atomics of its own.
#ifndef SEQWAL_LOG_BUFFER_IMPL_H
#define SEQWAL_LOG_BUFFER_IMPL_H

#include <bit>
#include <cstring>
#include <utility>

#include "log_buffer.h"
#include "record_header.h"
#include "seqwal/check.h"
#include "seqwal/format.h"

namespace seqwal {

template <typename Atomics>
BasicLogBuffer<Atomics>::BasicLogBuffer(const Geometry& geometry, std::uint32_t blocks,
                                        std::uint32_t slots, std::uint32_t reservations,
                                        std::uint32_t block_bytes)
    : geometry_(geometry),
      block_count_(blocks),
      slot_count_(slots),
      reservation_count_(reservations),
      block_bytes_(block_bytes),
      memory_(std::size_t{blocks + reservations} * kSoftLimitBytes),
      blocks_(std::make_unique<Block[]>(blocks)),
      slots_(std::make_unique<Slot[]>(slots)) {
  SEQWAL_REQUIRE(blocks >= 2 && blocks <= 64 && std::has_single_bit(blocks));
  SEQWAL_REQUIRE(slots >= 16 && slots <= 32768 && std::has_single_bit(slots));
  SEQWAL_REQUIRE(reservations <= 64);
  start(Offset{0}, Offset{0});
  stop();
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::start(Offset last_end, Offset space_end) {
  released_.reference.store(last_end.value, std::memory_order_relaxed);
  released_.space_end.store(space_end.value, std::memory_order_relaxed);
  // The block before number 0 counts as sealed: the first record begins number 0.
  const Tail tail{.offset = last_end, .pages = Tail::kFull, .block = 0xFF, .ticket = 0};
  tail_.store(tail.pack(), std::memory_order_release);
}

template <typename Atomics>
ClaimLimits BasicLogBuffer<Atomics>::limits() const {
  return {.reference = {released_.reference.load(std::memory_order_acquire)},
          .space_end = {released_.space_end.load(std::memory_order_acquire)},
          .released_blocks = released_.blocks.load(std::memory_order_acquire),
          .released_tickets = released_.tickets.load(std::memory_order_acquire),
          .blocks = block_count_,
          .slots = slot_count_,
          .block_bytes = block_bytes_};
}

// The low bits of a block number, and the number of a block not far below it, give it whole.
template <typename Atomics>
std::uint32_t BasicLogBuffer<Atomics>::full_number(std::uint8_t low, std::uint32_t released) {
  return released + static_cast<std::uint8_t>(low - released);
}

template <typename Atomics>
Refusal BasicLogBuffer<Atomics>::claim(std::uint32_t record_bytes, bool alone, Claim& claim) {
  while (true) {
    // The limits are loaded after the tail. If the tail has not moved by the swap, they belong
    // together; if it has, whatever was decided from them is thrown away, a refusal included.
    std::uint64_t word = tail_.load(std::memory_order_acquire);
    const ClaimLimits limits = this->limits();
    claim.before = Tail::unpack(word, limits.reference);
    const Refusal refusal =
        plan_claim(claim.before, limits, geometry_, record_bytes, alone, claim.plan);
    if (refusal != Refusal::none) {
      if (tail_.load(std::memory_order_acquire) != word) continue;
      return refusal;
    }
    // seq_cst: pairs with has_open_block() of a polling thread that is about to sleep. (acq_rel
    // would do for the claim itself: a new block comes after everything claimed before it.)
    if (tail_.compare_exchange_weak(word, claim.plan.after.pack(), std::memory_order_seq_cst,
                                    std::memory_order_relaxed)) {
      claim.number = full_number(claim.plan.after.block, limits.released_blocks);
      return Refusal::none;
    }
  }
}

template <typename Atomics>
std::expected<Appended, Refusal> BasicLogBuffer<Atomics>::append(const NewRecord& record,
                                                                 AppendCallback& callback) {
  const std::uint32_t record_bytes = record.record_bytes();
  const bool is_long = record_bytes > kSoftLimitBytes;
  Claim claim;
  const Refusal refusal = this->claim(record_bytes, is_long, claim);
  if (refusal != Refusal::none) return std::unexpected(refusal);
  const ClaimPlan& plan = claim.plan;
  Block& block = this->block(claim.number);
  if (plan.new_block) begin_block(claim, claim.number & (block_count_ - 1));
  fill_slot(claim.before.ticket, plan.offset, record, callback);

  const RecordHeader header{.kind = RecordKind::data,
                            .body_length_bytes = record.body_bytes,
                            .offset = plan.offset,
                            .body_checksum = record.body_checksum};
  if (is_long) {
    Atomics::writes(block.long_header, block.long_pieces, block.long_piece);
    encode_record_header(header, block.long_header);
    block.long_piece = record.pieces.front();
    block.long_pieces = record.pieces.size() == 1 ? Pieces(&block.long_piece, 1) : record.pieces;
    mark_sealed(claim.number, record_bytes, plan.after.ticket);
  } else {
    std::byte* to = block_memory_at(claim.number & (block_count_ - 1)) + plan.at_bytes;
    Atomics::writes_bytes({to, record_bytes});
    store_record_header(header, to);
    to += kRecordHeaderBytes;
    for (const auto piece : record.pieces) {
      if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
  }
  publish_bytes(claim.number, record_bytes);
  return Appended{
      .offset = plan.offset, .end_ticket = plan.after.ticket, .begins_block = plan.new_block};
}

template <typename Atomics>
std::optional<std::uint32_t> BasicLogBuffer<Atomics>::reserve() {
  std::uint64_t taken = reserved_.load(std::memory_order_relaxed);
  while (true) {
    const auto index = static_cast<std::uint32_t>(std::countr_one(taken));
    if (index >= reservation_count_) return std::nullopt;
    // Acquire: pairs with abandon(), whoever had the memory before is done with it.
    if (reserved_.compare_exchange_weak(taken, taken | std::uint64_t{1} << index,
                                        std::memory_order_acquire, std::memory_order_relaxed)) {
      return index;
    }
  }
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::abandon(std::uint32_t index) {
  reserved_.fetch_sub(std::uint64_t{1} << index, std::memory_order_release);
}

template <typename Atomics>
std::expected<Appended, Refusal> BasicLogBuffer<Atomics>::publish(std::uint32_t index,
                                                                  const NewRecord& record,
                                                                  AppendCallback& callback) {
  const std::uint32_t record_bytes = record.record_bytes();
  Claim claim;
  const Refusal refusal = this->claim(record_bytes, true, claim);
  if (refusal != Refusal::none) return std::unexpected(refusal);
  const ClaimPlan& plan = claim.plan;
  begin_block(claim, block_count_ + index);
  fill_slot(claim.before.ticket, plan.offset, record, callback);
  std::byte* to = block_memory_at(block_count_ + index);
  Atomics::writes_bytes({to, kRecordHeaderBytes});
  encode_record_header({.kind = RecordKind::data,
                        .body_length_bytes = record.body_bytes,
                        .offset = plan.offset,
                        .body_checksum = record.body_checksum},
                       std::span<std::byte, kRecordHeaderBytes>(to, kRecordHeaderBytes));
  mark_sealed(claim.number, record_bytes, plan.after.ticket);
  publish_bytes(claim.number, record_bytes);
  return Appended{.offset = plan.offset, .end_ticket = plan.after.ticket, .begins_block = true};
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::begin_block(const Claim& claim, std::uint32_t memory) {
  const Tail& before = claim.before;
  const ClaimPlan& plan = claim.plan;
  Block& block = this->block(claim.number);
  if (before.open()) mark_sealed(claim.number - 1, before.used_bytes(), before.ticket);
  Atomics::writes(block.start, block.gap_begin, block.previous_end, block.first_ticket,
                  block.memory, block.long_pieces);
  block.start = plan.offset;
  block.previous_end = before.offset;
  block.gap_begin = plan.gap_begin;
  block.first_ticket = before.ticket;
  block.memory = memory;
  block.long_pieces = {};
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::fill_slot(std::uint16_t ticket, Offset offset,
                                        const NewRecord& record, AppendCallback& callback) {
  Slot& slot = slots_[ticket & (slot_count_ - 1)];
  Atomics::writes(slot.offset, slot.key, slot.callback);
  slot.offset = offset;
  slot.key = record.key;
  slot.callback = std::move(callback);
}

// Pairs with ready(): the record, its slot and what this appender wrote of the block are in place.
// seq_cst, because the polling thread may be about to sleep and looks once more.
template <typename Atomics>
void BasicLogBuffer<Atomics>::publish_bytes(std::uint32_t number, std::uint32_t bytes) {
  block(number).published_bytes.fetch_add(bytes, std::memory_order_seq_cst);
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::mark_sealed(std::uint32_t number, std::uint32_t bytes,
                                          std::uint16_t end_ticket) {
  Block& block = this->block(number);
  Atomics::writes(block.end_ticket);
  block.end_ticket = end_ticket;
  block.sealed_bytes.store(bytes, std::memory_order_seq_cst);
}

template <typename Atomics>
bool BasicLogBuffer<Atomics>::close_open_block(std::uint32_t pages) {
  const std::uint32_t released = released_.blocks.load(std::memory_order_relaxed);
  const Offset reference{released_.reference.load(std::memory_order_relaxed)};
  std::uint64_t word = tail_.load(std::memory_order_acquire);
  while (true) {
    const Tail tail = Tail::unpack(word, reference);
    if (tail.stopped() || (!tail.open() && pages == Tail::kFull)) return false;
    Tail after = tail;
    after.pages = pages;
    if (!tail_.compare_exchange_weak(word, after.pack(), std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      continue;
    }
    if (!tail.open()) return false;
    mark_sealed(full_number(tail.block, released), tail.used_bytes(), tail.ticket);
    return true;
  }
}

template <typename Atomics>
bool BasicLogBuffer<Atomics>::seal() {
  return close_open_block(Tail::kFull);
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::stop() {
  (void)close_open_block(Tail::kStopped);
}

template <typename Atomics>
bool BasicLogBuffer<Atomics>::has_open_block() const {
  const std::uint64_t word = tail_.load(std::memory_order_seq_cst);
  return Tail::unpack(word, Offset{0}).open();
}

template <typename Atomics>
std::uint16_t BasicLogBuffer<Atomics>::next_ticket() const {
  return Tail::unpack(tail_.load(std::memory_order_seq_cst), Offset{0}).ticket;
}

template <typename Atomics>
std::uint32_t BasicLogBuffer<Atomics>::blocks_used() const {
  return blocks_end() - released_.blocks.load(std::memory_order_relaxed);
}

template <typename Atomics>
std::uint32_t BasicLogBuffer<Atomics>::slots_used() const {
  return static_cast<std::uint16_t>(next_ticket() -
                                    released_.tickets.load(std::memory_order_relaxed));
}

template <typename Atomics>
Offset BasicLogBuffer<Atomics>::end() const {
  const Offset reference{released_.reference.load(std::memory_order_relaxed)};
  return Tail::unpack(tail_.load(std::memory_order_acquire), reference).offset;
}

template <typename Atomics>
std::uint32_t BasicLogBuffer<Atomics>::blocks_end() const {
  const std::uint32_t released = released_.blocks.load(std::memory_order_relaxed);
  const std::uint64_t word = tail_.load(std::memory_order_seq_cst);
  const auto last = static_cast<std::uint8_t>(Tail::unpack(word, Offset{0}).block + 1);
  return full_number(last, released);
}

template <typename Atomics>
std::optional<SealedBlock> BasicLogBuffer<Atomics>::ready(std::uint32_t number) const {
  const Block& block = this->block(number);
  const std::uint32_t sealed = block.sealed_bytes.load(std::memory_order_seq_cst);
  if (sealed == 0 || block.published_bytes.load(std::memory_order_seq_cst) != sealed) {
    return std::nullopt;
  }
  Atomics::reads(block.start, block.gap_begin, block.previous_end, block.first_ticket,
                 block.end_ticket, block.memory, block.long_pieces, block.long_header);
  return SealedBlock{.start = block.start,
                     .gap_begin = block.gap_begin,
                     .previous_end = block.previous_end,
                     .records_end = block.start + sealed,
                     .first_ticket = block.first_ticket,
                     .end_ticket = block.end_ticket,
                     .memory = block_memory_at(block.memory),
                     .long_pieces = block.long_pieces,
                     .long_header = block.long_header};
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::release_block(std::uint32_t number, Offset records_end,
                                            bool reusable) {
  SEQWAL_CHECK(number == released_.blocks.load(std::memory_order_relaxed));
  Block& block = this->block(number);
  if (reusable && block.memory >= block_count_) abandon(block.memory - block_count_);
  block.sealed_bytes.store(0, std::memory_order_relaxed);
  block.published_bytes.store(0, std::memory_order_relaxed);
  // Pairs with limits(): whoever sees the block free sees it empty.
  released_.reference.store(records_end.value, std::memory_order_release);
  released_.blocks.store(number + 1, std::memory_order_release);
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::run_callback(std::uint16_t ticket, AppendStatus status) {
  Slot& slot = slots_[ticket & (slot_count_ - 1)];
  Atomics::reads(slot.offset);
  Atomics::writes(slot.callback);
  if (slot.callback) slot.callback.consume({.status = status, .offset = slot.offset});
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::take(std::uint16_t ticket, CallbackTask& task) {
  Slot& slot = slots_[ticket & (slot_count_ - 1)];
  Atomics::reads(slot.offset, slot.key);
  Atomics::writes(slot.callback);  // moved from
  task.result = {.status = slot.status, .offset = slot.offset};
  task.key = slot.key;
  task.callback = std::move(slot.callback);
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::settle(std::uint16_t begin_ticket, std::uint16_t end_ticket,
                                     AppendStatus status) {
  for (std::uint16_t ticket = begin_ticket; ticket != end_ticket; ++ticket) {
    slots_[ticket & (slot_count_ - 1)].status = status;
  }
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::release_tickets(std::uint16_t end_ticket) {
  const std::uint32_t released = released_.tickets.load(std::memory_order_relaxed);
  const auto more = static_cast<std::uint16_t>(end_ticket - released);
  // Pairs with limits(): whoever sees the slot free sees its callback taken.
  released_.tickets.store(released + more, std::memory_order_release);
}

template <typename Atomics>
void BasicLogBuffer<Atomics>::allow_space(Offset space_end) {
  released_.space_end.store(space_end.value, std::memory_order_release);
}

}  // namespace seqwal

#endif  // SEQWAL_LOG_BUFFER_IMPL_H
