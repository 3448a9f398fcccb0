// Scanner: bytes of the record section, by logical offset, strictly forward, with read-ahead.
//
// Reads are issued ahead of the position asked for and complete in any order, while whoever asked
// works on what was read before. Nothing is read twice, nothing beyond the bounds is read ahead,
// and blocks that the device cannot read are reported instead of ending the scan.
//
// Read-ahead begins with one request, and grows by one with each that was of use; a jump over what
// was read ahead begins anew (as TCP starts). So what is read in vain before a jump is at most what
// was of use since the last one, and one request.
#ifndef SEQWAL_SCANNER_H
#define SEQWAL_SCANNER_H

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "aligned_buffer.h"
#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/geometry.h"

namespace seqwal {

class Scanner {
 public:
  // `start` need not be aligned. Nothing at or beyond `end` is ever read. At most `reads_in_flight`
  // requests, together at most `read_ahead_bytes` unless those are less than a block each: so much
  // memory is allocated, and no more than there is to read.
  Scanner(Device& device, const Geometry& geometry, Offset start, Offset end,
          std::uint32_t read_ahead_bytes, std::uint32_t reads_in_flight);
  // Waits for what is in flight.
  ~Scanner();
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  // Bytes [offset, offset + length), or nothing when some of them cannot be read. The range must
  // lie in one cycle and below `end`; offsets never decrease from call to call. The view is valid
  // until the next call. Error: io_error when the device is gone.
  [[nodiscard]] Result<std::optional<std::span<const std::byte>>> view(Offset offset,
                                                                       std::uint32_t length_bytes);

  // Whole blocks from `begin` on, outside the order of view(): copied from what was read ahead
  // where that is there, else read. Must lie in one cycle. Returns the blocks that cannot be read;
  // their bytes are unspecified. Waits for everything in flight first.
  [[nodiscard]] Result<std::vector<Offset>> peek(Offset begin, std::span<std::byte> into);

  // Waits for everything in flight.
  void settle();

  // Read ahead no further than `bound` (what is asked for is read all the same).
  void bound_read_ahead(Offset bound) { bound_ = bound; }

  [[nodiscard]] std::uint64_t read_bytes() const { return read_bytes_; }
  // Blocks that could not be read, in order, adjacent ones merged.
  [[nodiscard]] std::vector<OffsetRange> unreadable() const;

 private:
  struct Chunk {
    Offset begin;
    Offset end;
    std::uint32_t buffer = 0;
    std::uint32_t generation = 0;
    bool done = false;
    bool used = false;  // some of it was asked for
    int os_error = 0;
    std::vector<Offset> bad_blocks;
  };

  void drop_before(Offset offset);
  void issue_until(Offset needed);
  [[nodiscard]] bool issue_one(Offset limit);
  void wait_for(const Chunk& chunk);
  [[nodiscard]] Result<void> await(Chunk& chunk);
  [[nodiscard]] Result<void> salvage(Chunk& chunk);
  [[nodiscard]] const Chunk* held(Offset block) const;
  [[nodiscard]] Result<void> read_aside(Offset begin, std::span<std::byte> into,
                                        std::vector<Offset>& bad_blocks);
  void reap();
  [[nodiscard]] std::byte* bytes_of(const Chunk& chunk) const {
    return memory_.data() + std::size_t{chunk.buffer} * chunk_bytes_;
  }

  Device& device_;
  const Geometry geometry_;
  const Offset end_;
  const std::uint32_t chunk_bytes_;
  const std::uint32_t buffers_;  // of a chunk each
  AlignedBuffer memory_;
  std::vector<std::uint32_t> free_buffers_;
  std::deque<Chunk> chunks_;  // in offset order; the front holds the lowest offset still of use
  Offset next_read_;
  Offset bound_;
  std::uint32_t most_chunks_ = 1;  // at a time; up to one for each buffer
  std::uint32_t generation_ = 0;
  std::vector<std::byte> assembled_;  // a range that spans chunks
  std::uint64_t read_bytes_ = 0;
  std::set<Offset> unreadable_;  // blocks
};

}  // namespace seqwal

#endif  // SEQWAL_SCANNER_H
