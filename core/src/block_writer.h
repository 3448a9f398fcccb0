// BlockWriter: seals block writes as late as it can, and submits them: within the space that the
// durable trim offset leaves, and within the sliding window that the durable header allows.
//
// Late: a block write is sealed only when the device could take it, so whatever waits keeps
// merging. A block that is not ready (an appender is still copying) is passed over, later ones may
// go first. A long record is cut into slices that are staged through its block's memory. Each block
// write gets evidence in its fill, if that has room; a jump of version 0 whose block write has none
// gets it at the beginning of the gap. One thread, the log's.
#ifndef SEQWAL_BLOCK_WRITER_H
#define SEQWAL_BLOCK_WRITER_H

#include <array>
#include <cstdint>

#include "aligned_buffer.h"
#include "durable_frontier.h"
#include "header_store.h"
#include "io_table.h"
#include "log_buffer.h"
#include "seqwal/evidence.h"
#include "seqwal/geometry.h"

namespace seqwal {

// The reference's limit: a window is not grown beyond it while waiting would do.
inline constexpr std::int64_t kWindowLimitBytes = std::int64_t{512} << 20U;

class BlockWriter {
 public:
  struct Options {
    std::uint32_t depth = 4;        // slices in flight
    std::uint32_t slice_bytes = 0;  // of one request
    bool durable_writes = false;    // every block write is a durable write
    bool needs_flush = false;       // or becomes durable with a flush
    std::int64_t window_step_bytes = 0;
  };

  BlockWriter(const Geometry& geometry, LogBuffer& buffer, HeaderStore& headers, IoTable& io,
              const Options& options);

  // The last record ended at `last_end`, or the log is a new one: the first block write begins at
  // the boundary there. `headers` wants evidence.
  void start(Offset last_end, bool is_new);

  // Seals and submits what may go now. Asks `headers` for more space or window where a block write
  // needs it; that block write, and all after it, then wait.
  void pump();
  // True when pump() could do something: a slot is free and something waits for it. Reads what
  // appenders write last, so it is safe to ask right before sleeping.
  [[nodiscard]] bool could_pump() const;
  // True when there is a slot for one more block write.
  [[nodiscard]] bool has_free_slot() const {
    return slices_in_flight_ < options_.depth && !io_.full();
  }

  // A slice came back.
  void complete(const IoPurpose& purpose, int os_error);
  // No more block writes are submitted from now on.
  void stop() { stopped_ = true; }

  [[nodiscard]] DurableFrontier& frontier() { return frontier_; }
  // After frontier().advance(): the block write that became durable. Moves the window's start.
  [[nodiscard]] SealedBlock take_durable();
  // True when the device was given some of block `number`.
  [[nodiscard]] bool was_submitted(std::uint32_t number) const { return writing(number).started; }
  // Where a submitted block write starts.
  [[nodiscard]] Offset start_of(std::uint32_t number) const { return writing(number).block.start; }

 private:
  // A block write on its way.
  struct Writing {
    SealedBlock block;
    bool started = false;
    bool failed = false;
    // In the gap of the jump before it: padding (version 1) or evidence (version 0).
    std::int64_t padding_bytes = 0;
    std::int64_t issued_bytes = 0;  // that first, then the block write itself
    std::array<std::byte, kBlockEvidenceBytes> evidence{};
    std::uint32_t in_flight = 0;
    std::array<bool, 2> half_busy{};

    [[nodiscard]] std::int64_t total_bytes() const {
      return padding_bytes + (block.end() - block.start);
    }
    [[nodiscard]] bool has_room_for_evidence() const {
      return block.end() - block.records_end >= kBlockEvidenceBytes;
    }
    [[nodiscard]] bool issued() const { return started && issued_bytes == total_bytes(); }
  };

  [[nodiscard]] Writing& writing(std::uint32_t number) {
    return writing_[number % DurableFrontier::kCapacity];
  }
  [[nodiscard]] const Writing& writing(std::uint32_t number) const {
    return writing_[number % DurableFrontier::kCapacity];
  }
  bool pump_one();
  bool may_start(std::uint32_t number, const SealedBlock& block);
  [[nodiscard]] bool space_allows(const SealedBlock& block);
  [[nodiscard]] bool window_allows(std::uint32_t number, const SealedBlock& block);
  void begin(Writing& writing, const SealedBlock& block);
  void fill(Writing& writing);
  [[nodiscard]] BlockEvidence evidence_of(const SealedBlock& block) const;
  bool issue_slice(std::uint32_t number, Writing& writing);
  void issue_padding(std::uint32_t number, Writing& writing);
  void submit(std::uint32_t number, Writing& writing, Offset at, std::span<std::byte> bytes,
              std::uint8_t half);

  const Geometry geometry_;
  LogBuffer& buffer_;
  HeaderStore& headers_;
  IoTable& io_;
  const Options options_;
  DurableFrontier frontier_;
  std::array<Writing, DurableFrontier::kCapacity> writing_;
  AlignedBuffer padding_;  // one block with a padding header or evidence; version 1: then zeroes
  Offset window_start_;    // end of the last durable block write
  Offset durable_end_;     // end of its last record
  Offset new_start_ = kNoOffset;  // of a new log
  std::uint32_t slices_in_flight_ = 0;
  bool gated_ = false;  // something waits for the header
  bool stopped_ = false;
};

}  // namespace seqwal

#endif  // SEQWAL_BLOCK_WRITER_H
