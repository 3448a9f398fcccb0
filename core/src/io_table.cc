#include "io_table.h"

#include "seqwal/check.h"

namespace seqwal {

IoTable::IoTable(Device& device, std::uint32_t depth, const Pacer& pacer)
    : device_(device), pacer_(pacer), slots_(depth) {
  for (std::uint32_t i = depth; i-- > 0;) free_.push_back(i);
}

void IoTable::submit(IoRequest request, const IoPurpose& purpose) {
  SEQWAL_CHECK(!full());
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.busy = true;
  ++slot.generation;
  slot.purpose = purpose;
  slot.since = time_;
  slot.bytes = 0;
  for (const IoSegment& segment : request.segments) slot.bytes += segment.length_bytes;
  pacer_.take(slot.bytes);
  slot.number = submitted_++;
  request.token = {index, slot.generation};
  request.deferrable = defers_;
  ++in_flight_;
  SEQWAL_CHECK(device_.submit(std::span(&request, 1)) == 1);
}

bool IoTable::reap(Done& done) {
  IoCompletion completion;
  if (device_.reap(std::span(&completion, 1)) == 0) return false;
  SEQWAL_CHECK(completion.token.slot < slots_.size());
  Slot& slot = slots_[completion.token.slot];
  SEQWAL_CHECK(slot.busy && slot.generation == completion.token.generation);
  slot.busy = false;
  free_.push_back(completion.token.slot);
  --in_flight_;
  pacer_.answered();
  done = {.purpose = slot.purpose,
          .os_error = completion.os_error,
          .latency = time_ - slot.since,
          .bytes = slot.bytes};
  return true;
}

IoTable::InFlight IoTable::oldest() const {
  SEQWAL_CHECK(in_flight_ > 0);
  const Slot* oldest = nullptr;
  for (const Slot& slot : slots_) {
    if (slot.busy && (oldest == nullptr || slot.number < oldest->number)) oldest = &slot;
  }
  SEQWAL_CHECK(oldest != nullptr);
  return {.purpose = oldest->purpose, .since = oldest->since};
}

}  // namespace seqwal
