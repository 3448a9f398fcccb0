// BlockWriter: seals block writes as late as it can, and submits them: within the space that the
// durable trim offset leaves, and within the sliding window that the durable header allows.
//
// Late: a block write is sealed only when a slot (depth_control.h) and the pacer are free and the
// clients that were called back had their chance (plug.h), so whatever waits keeps merging. One
// that is full goes as soon as slot and pacer let it. A block that is not ready (an appender is
// still copying) is passed over, later ones may go first. Where a flush makes durable, block writes
// go in waves: none is begun from the first that waits for the flush until the flush is submitted,
// when none is in flight any more.
//
// A long record is cut into slices that are staged through its block's memory. Each block
// write gets evidence in its fill, if that has room; a jump of version 0 whose block write has none
// gets it at the beginning of the gap. One thread, the log's.
#ifndef SEQWAL_BLOCK_WRITER_H
#define SEQWAL_BLOCK_WRITER_H

#include <array>
#include <cstdint>

#include "aligned_buffer.h"
#include "depth_control.h"
#include "durable_frontier.h"
#include "header_store.h"
#include "io_table.h"
#include "log_buffer.h"
#include "plug.h"
#include "seqwal/evidence.h"
#include "seqwal/geometry.h"

namespace seqwal {

// The reference's limit: a window is not grown beyond it while waiting would do.
inline constexpr std::int64_t kWindowLimitBytes = std::int64_t{512} << 20U;

class BlockWriter {
 public:
  struct Options {
    std::uint32_t depth = 0;        // slices in flight, 0 = by DepthControl
    std::uint64_t iops = 0;         // for that
    Nanoseconds plug = 0;           // at most; a tenth of a write's latency if that is less
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

  // Submits what is sealed and may go now. Asks `headers` for more space or window where a block
  // write needs it; that block write, and all after it, then wait.
  void submit_full();
  // Seals and submits what may go now.
  void pump();

  // What has to happen before pump() can do something.
  struct Waits {
    enum class For : std::uint8_t {
      completion,  // of something in flight
      time,        // `until`
      clients,     // whose append gets the ticket before `ticket`; at most `until`
      append,      // any
    };
    For what = For::append;
    Nanoseconds until = kNever;
    std::uint16_t ticket = 0;
  };
  [[nodiscard]] Waits waits() const;
  // Nothing goes before the device answers, whatever there is to write.
  [[nodiscard]] bool waits_for_slot() const { return !stopped_ && !has_free_slot(); }
  // True when pump() could do something, for who was told to wait for clients or an append. Reads
  // what appenders write last, so it is safe to ask right before sleeping.
  [[nodiscard]] bool could_pump(const Waits& waits) const;
  // A block write waits for a header.
  [[nodiscard]] bool gated() const { return gated_; }

  // A slice came back.
  void complete(const IoTable::Done& done);
  // `records` were acknowledged; `ticket` was the next one before their callbacks ran.
  void acknowledged(std::uint16_t ticket, std::uint32_t records);
  // Written blocks wait for a flush, and all that it could cover is written.
  [[nodiscard]] bool wants_flush() const {
    return frontier_.wants_flush() && slices_in_flight_ == 0;
  }
  // So many block writes were begun, modulo 2^32.
  [[nodiscard]] std::uint32_t begun() const { return begun_; }
  // No more block writes are submitted from now on.
  void stop() { stopped_ = true; }

  [[nodiscard]] DurableFrontier& frontier() { return frontier_; }
  struct DurableBlock {
    SealedBlock block;
    Nanoseconds submitted = 0;    // when its first request was
    Nanoseconds written = 0;      // when its last completed
    std::uint32_t overtaken = 0;  // so many before it were not written then
  };
  // After frontier().advance(): the block write that became durable. Moves the window's start.
  [[nodiscard]] DurableBlock take_durable();
  [[nodiscard]] const DepthControl& depth() const { return depth_; }
  // True when the device was given some of block `number`.
  [[nodiscard]] bool was_submitted(std::uint32_t number) const { return writing(number).started; }
  // Where a submitted block write starts.
  [[nodiscard]] Offset start_of(std::uint32_t number) const { return writing(number).block.start; }

 private:
  // A block write on its way.
  struct Writing {
    SealedBlock block;
    Nanoseconds submitted = 0;
    Nanoseconds written = 0;
    std::uint32_t overtaken = 0;
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
  [[nodiscard]] bool has_free_slot() const {
    return slices_in_flight_ < depth_.depth() && !io_.full();
  }
  [[nodiscard]] bool may_submit() const {
    return !stopped_ && has_free_slot() && io_.pacer().ready();
  }
  [[nodiscard]] bool may_begin() const { return !frontier_.wants_flush(); }
  [[nodiscard]] bool has_ready_block() const;
  [[nodiscard]] std::uint32_t unwritten_before(std::uint32_t number) const;
  bool submit_one();
  [[nodiscard]] Nanoseconds now() const { return io_.pacer().now(); }
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
  DepthControl depth_;
  Plug plug_;
  bool plugged_ = false;
  std::array<Writing, DurableFrontier::kCapacity> writing_;
  AlignedBuffer padding_;  // one block with a padding header or evidence; version 1: then zeroes
  Offset window_start_;    // end of the last durable block write
  Offset durable_end_;     // end of its last record
  Offset new_start_ = kNoOffset;  // of a new log
  std::uint32_t slices_in_flight_ = 0;
  std::uint32_t begun_ = 0;
  bool gated_ = false;  // something waits for the header
  bool stopped_ = false;
};

}  // namespace seqwal

#endif  // SEQWAL_BLOCK_WRITER_H
