// Trimmer: turns trims that callers ask for into a trim offset in the header.
//
// Recovery starts by parsing *at* the trim offset, so the header never holds a caller's raw offset.
// The record is verified by a read; the header gets its offset, or, when it is the last of its
// block write, the start of the next block write - 1. The answer is given once both slots hold it.
//
// Threads: push from any thread; everything else from the log's.
#ifndef SEQWAL_TRIMMER_H
#define SEQWAL_TRIMMER_H

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "aligned_buffer.h"
#include "header_store.h"
#include "io_table.h"
#include "mpsc_ring.h"
#include "seqwal/events.h"
#include "seqwal/geometry.h"
#include "seqwal/log.h"

namespace seqwal {

struct TrimRequest {
  Offset offset;
  TrimCallback callback;
};

// Where the header's trim offset goes when the record [offset, end) is the last one trimmed.
// `next_is_record`: a record of the same block write starts at `end`. Pure.
[[nodiscard]] TrimTarget trim_target(Offset offset, Offset end, bool next_is_record);

// Whether a block write ends at `at`, where a record of it ends: `bytes` are what stands there, at
// least up to the next boundary. Only zeroes or evidence prove it. Anything else may be a damaged
// record, whose successors would be lost with the block; freeing too little loses nothing.
[[nodiscard]] bool is_fill(std::span<const std::byte> bytes, Offset at);

class Trimmer {
 public:
  static constexpr std::uint32_t kPending = 64;

  Trimmer(const Geometry& geometry, HeaderStore& headers, IoTable& io, EventSink* events);

  // False: too many are pending.
  [[nodiscard]] bool push(TrimRequest& request) { return queue_.push(request); }

  // A block write became durable: [.., records_end), after a jump from gap_begin if that is less
  // than start.
  void note_durable(Offset gap_begin, Offset start, Offset records_end);

  // Takes requests from the queue, issues and judges reads, changes what the header should say.
  void pump();
  // A read came back; the next pump() judges it.
  void read_done(int os_error);
  // Many wait for the header.
  [[nodiscard]] bool crowded() const { return awaiting_.size() >= kPending / 2; }
  // Answers those whose trim offset is durable now.
  void answer_durable();
  // Answers everything, queued or pending, with this error. Only with no read in flight, or one
  // whose end nobody will tell any more.
  void refuse_all(ErrorCode code);

  // Nothing queued, nothing pending. May miss what is pushed meanwhile.
  [[nodiscard]] bool idle();

 private:
  enum class Looking : std::uint8_t { at_record, behind_record };
  struct Jump {
    Offset gap_begin;
    Offset start;
  };
  struct Awaiting {
    Offset target;
    TrimCallback callback;
  };

  void start_next();
  void judge();
  void read_around(Offset offset);
  void looked_at_record();
  void looked_behind_record();
  void accept(bool next_is_record);
  void answer(TrimRequest& request, const Result<Offset>& result);
  [[nodiscard]] std::span<const std::byte> bytes_from(Offset offset) const {
    return std::span<const std::byte>(buffer_.span())
        .subspan(static_cast<std::size_t>(offset - read_begin_));
  }

  const Geometry geometry_;
  HeaderStore& headers_;
  IoTable& io_;
  EventSink* events_;
  MpscRing<TrimRequest, kPending> queue_;
  std::deque<Awaiting> awaiting_;  // at most kPending
  std::optional<TrimRequest> current_;
  Looking looking_ = Looking::at_record;
  enum class Read : std::uint8_t { none, wanted, in_flight, done };
  Read read_ = Read::none;
  int read_error_ = 0;
  Offset read_begin_;
  Offset record_end_;
  Offset durable_end_;           // end of the last durable record
  std::array<Jump, 2> jumps_{};  // the last two; more do not fit between trim and tail
  AlignedBuffer buffer_;
};

}  // namespace seqwal

#endif  // SEQWAL_TRIMMER_H
