// HeaderStore: the two header slots. Knows what they hold durably and what they should hold, and
// writes the older slot, one write at a time, until both are alike.
//
// What counts for space, window and trim is the smaller value of the two slots: one rotten slot
// then neither loses nor resurrects anything. A slot that is not valid counts as trim -1, window 0.
//
// With each trim offset goes what recovery from there still needs, which a header does not say: a
// trim offset just before a block boundary is the end of what is trimmed, or a record that lies
// across the boundary and that recovery has to parse.
//
// Evidence (evidence.h) goes with the headers. A log that has none gets it with a reset or a
// resume.
#ifndef SEQWAL_HEADER_STORE_H
#define SEQWAL_HEADER_STORE_H

#include <algorithm>
#include <array>
#include <cstdint>

#include "aligned_buffer.h"
#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"
#include "sync_io.h"

namespace seqwal {

// A header with a greater stamp is not continued: a running log must always be able to write a
// greater one.
inline constexpr std::int64_t kMaxStamp = std::int64_t{1} << 62U;

// Where the header's trim offset goes, and the first offset that recovery needs then.
struct TrimTarget {
  Offset trim;
  Offset keep;

  // Nothing before the block write at `start` is needed any more.
  [[nodiscard]] static TrimTarget before(Offset start) { return {start - 1, start}; }
  // The record at `offset` is the last one trimmed: recovery starts by parsing it.
  [[nodiscard]] static TrimTarget at_record(Offset offset) {
    return {offset, round_down_to_block(offset)};
  }
};

class HeaderStore {
 public:
  // Starts from what was read; until want() is called, that is what is wanted.
  explicit HeaderStore(const HeaderState& found);

  // The slots were read once more: that counts. Before the first want().
  void adopt(const HeaderState& found);

  // What both slots should say. The stamp is the store's own business.
  [[nodiscard]] const WalHeader& wanted() const { return wanted_; }
  // Leaves the trim offset to want_trim().
  void want(const WalHeader& header);
  // Unless more is trimmed already.
  void want_trim(const TrimTarget& target);
  // What stands at the trim offset was found by recovery: this is what it needs from now on.
  void note_keep(Offset keep);
  [[nodiscard]] const std::optional<HeaderEvidence>& wanted_evidence() const {
    return wanted_evidence_;
  }
  void want_evidence(const HeaderEvidence& evidence) { wanted_evidence_ = evidence; }
  // Raises the watermark, if the log leaves evidence.
  void want_watermark(Offset watermark);

  // True while a slot says something else than wanted.
  [[nodiscard]] bool dirty() const;

  // Encodes the next write, of one whole block, and says where it goes. One at a time: the next
  // begin() comes after complete().
  struct Write {
    DevicePosition position;
    std::span<std::byte> bytes;
  };
  [[nodiscard]] Write begin();
  // The write of begin() is durable (or failed: then the slot counts as invalid).
  void complete(bool ok);
  [[nodiscard]] bool writing() const { return writing_; }

  // The slot that counts once more as it is, then begin, write and complete until nothing is dirty.
  // For logs that do not run.
  [[nodiscard]] int write_all(SyncIo& io, bool durable);
  // The same, but both slots are written even if they seem to say it: a cache whose flush failed
  // may show what is not on the media.
  [[nodiscard]] int write_both(SyncIo& io, bool durable);

  [[nodiscard]] Offset durable_trim() const;
  // The first offset that recovery still needs; none before both slots were written.
  [[nodiscard]] Offset durable_keep() const { return std::min(keeps_[0], keeps_[1]); }
  [[nodiscard]] std::int64_t durable_window() const;
  [[nodiscard]] const HeaderState& state() const { return state_; }

 private:
  [[nodiscard]] bool says_wanted(const HeaderSlot& slot) const;
  [[nodiscard]] std::uint32_t older_slot() const;
  [[nodiscard]] int write_again(SyncIo& io, bool durable);
  [[nodiscard]] int write_next(SyncIo& io, bool durable);

  HeaderState state_;  // durable
  WalHeader wanted_;
  WalHeader in_flight_;
  std::optional<HeaderEvidence> wanted_evidence_;
  std::array<Offset, kHeaderSlots> keeps_{};  // of state_'s slots, none where it was not written
  Offset wanted_keep_;
  Offset in_flight_keep_;
  std::uint32_t target_ = 0;
  bool writing_ = false;
  AlignedBuffer buffer_;
};

}  // namespace seqwal

#endif  // SEQWAL_HEADER_STORE_H
