#include "header_store.h"

#include <algorithm>

#include "seqwal/check.h"

namespace seqwal {

HeaderStore::HeaderStore(const HeaderState& found)
    : state_(found),
      wanted_(found.header()),
      wanted_evidence_(found.evidence()),
      buffer_(kBlockBytes) {}

void HeaderStore::adopt(const HeaderState& found) {
  SEQWAL_CHECK(!writing_);
  state_ = found;
  wanted_ = found.header();
  wanted_evidence_ = found.evidence();
}

void HeaderStore::want(const WalHeader& header) {
  const Offset trim = wanted_.trim;
  wanted_ = header;
  wanted_.trim = trim;
}

void HeaderStore::want_trim(const TrimTarget& target) {
  if (target.trim <= wanted_.trim) return;
  wanted_.trim = target.trim;
  wanted_keep_ = target.keep;
}

void HeaderStore::note_keep(Offset keep) {
  keeps_.fill(keep);
  wanted_keep_ = keep;
}

void HeaderStore::want_watermark(Offset watermark) {
  if (wanted_evidence_) {
    wanted_evidence_->watermark = std::max(wanted_evidence_->watermark, watermark);
  }
}

bool HeaderStore::says_wanted(const HeaderSlot& slot) const {
  if (slot.state != SlotState::valid || slot.evidence != wanted_evidence_) return false;
  WalHeader header = wanted_;
  header.stamp = slot.header.stamp;
  return slot.header == header;
}

bool HeaderStore::dirty() const {
  return !std::ranges::all_of(state_.slots,
                              [this](const HeaderSlot& slot) { return says_wanted(slot); });
}

// The slot that does not count, so that the one that does stays until the next is durable.
std::uint32_t HeaderStore::older_slot() const { return 1 - state_.current; }

HeaderStore::Write HeaderStore::begin() {
  SEQWAL_CHECK(!writing_);
  writing_ = true;
  target_ = older_slot();
  in_flight_ = wanted_;
  in_flight_keep_ = wanted_keep_;
  // Never a clock: one more than anything found, so that this header wins everywhere.
  in_flight_.stamp = state_.header().stamp + 1;
  encode_wal_header(in_flight_, std::span<std::byte, kBlockBytes>(buffer_.data(), kBlockBytes),
                    wanted_evidence_);
  return {.position = {std::uint64_t{target_} * kBlockBytes}, .bytes = buffer_.span()};
}

void HeaderStore::complete(bool ok) {
  SEQWAL_CHECK(writing_);
  writing_ = false;
  if (!ok) {
    state_.slots.at(target_).state = SlotState::damaged;
    keeps_.at(target_) = kNoOffset;
    return;
  }
  state_.slots.at(target_) = decode_wal_header(buffer_.span());
  state_.current = target_;
  keeps_.at(target_) = in_flight_keep_;
}

// A header write that failed may still be seen, in a cache whose failed flush has forgotten that it
// is not on the media. It was the newer slot then, and the older one is about to be overwritten.
int HeaderStore::write_again(SyncIo& io, bool durable) {
  if (!std::ranges::all_of(state_.slots,
                           [](const HeaderSlot& slot) { return slot.state == SlotState::valid; })) {
    return 0;
  }
  encode_wal_header(state_.header(), std::span<std::byte, kBlockBytes>(buffer_.data(), kBlockBytes),
                    state_.slots.at(state_.current).evidence);
  return io.write({std::uint64_t{state_.current} * kBlockBytes}, buffer_.span(), durable);
}

int HeaderStore::write_all(SyncIo& io, bool durable) {
  if (const int os_error = dirty() ? write_again(io, durable) : 0; os_error != 0) return os_error;
  while (dirty()) {
    if (const int os_error = write_next(io, durable); os_error != 0) return os_error;
  }
  return 0;
}

int HeaderStore::write_both(SyncIo& io, bool durable) {
  if (const int os_error = write_again(io, durable); os_error != 0) return os_error;
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    if (const int os_error = write_next(io, durable); os_error != 0) return os_error;
  }
  return 0;
}

int HeaderStore::write_next(SyncIo& io, bool durable) {
  const Write write = begin();
  const int os_error = io.write(write.position, write.bytes, durable);
  complete(os_error == 0);
  return os_error;
}

Offset HeaderStore::durable_trim() const {
  Offset trim = kMaxOffset;
  for (const HeaderSlot& slot : state_.slots) {
    trim = std::min(trim, slot.state == SlotState::valid ? slot.header.trim : kNoOffset);
  }
  return trim;
}

std::int64_t HeaderStore::durable_window() const {
  std::int64_t window = kMaxOffset.value;
  for (const HeaderSlot& slot : state_.slots) {
    window = std::min(window, slot.state == SlotState::valid ? slot.header.window_bytes : 0);
  }
  return std::max<std::int64_t>(window, 0);
}

}  // namespace seqwal
