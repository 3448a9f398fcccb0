// cut_tail: makes sure that nothing behind the tail of a recovered log can ever be taken for part
// of it, before a resume goes on there.
//
// What lies behind the tail was never acknowledged: block writes that outlived one before them. A
// new block write of the right size, and the old one behind it would follow on. So, in this order,
// each step durable before the next:
//
//   1. What lies between the watermark and the tail is written again: a cache whose flush failed
//      may show it and have forgotten that it is not on the media. Some of it may be acknowledged,
//      so each write is one that the device never tears.
//   2. The last jump that the prefix crosses is vouched for in its gap: the block write that did so
//      may be among what is cut off.
//   3. Where the last block write is torn, or one before it whose fill the next one vouches for,
//      its fill is written: zeroes, and evidence where it has room.
//   4. Every block up to a window behind the tail (no block write in flight reached further) that
//      begins with a record header, carries evidence or cannot be read is zeroed; behind a volatile
//      cache every block, for the same reason as in 1.
//
// Records of a writer that leaves no evidence are adopted: instead of 2 and 3 every fill of the
// prefix and the gap of its jump are written, as a writer with evidence would have left them. From
// the new headers on, everything up to the tail is testified.
//
// Whatever a crash leaves in between recovers to the same prefix.
#ifndef SEQWAL_CUT_TAIL_H
#define SEQWAL_CUT_TAIL_H

#include "seqwal/device.h"
#include "seqwal/evidence.h"
#include "seqwal/geometry.h"
#include "seqwal/host.h"
#include "seqwal/recovery.h"

namespace seqwal {

struct TailCut {
  RecoveredTail tail;
  Lineage lineage;   // of the timeline that begins
  Offset watermark;  // of that evidence; what lies below it is on the media
  FormatVersion version = FormatVersion::v0;
  Offset trim;                    // of the header
  std::int64_t window_bytes = 0;  // the greater one of both slots
  Offset space_end;               // block writes may extend up to here
  bool had_evidence = false;      // the writer before left evidence
  bool flushes = true;            // what is written is made durable
};

// Nothing else is in flight, in both.

// Whether it may be cut off at all: writes nothing. Error: unknown_tail when the writer before left
// no evidence, and a record was met behind the tail, or something that may be one lies there.
[[nodiscard]] Result<void> check_tail(Device& device, const Geometry& geometry, const TailCut& cut);

// Error: io_error.
[[nodiscard]] Result<void> cut_tail(Device& device, Host& host, const Geometry& geometry,
                                    const TailCut& cut);

}  // namespace seqwal

#endif  // SEQWAL_CUT_TAIL_H
