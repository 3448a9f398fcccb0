#include <fmt/format.h>

#include <algorithm>

#include "aligned_buffer.h"
#include "device_check.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"
#include "sync_io.h"

namespace seqwal {
namespace {

// No valid slot: says whether this was ever a log.
std::unexpected<Error> no_valid_slot(const HeaderState& state, int os_error) {
  if (os_error != 0) {
    return fail(ErrorCode::io_error, "cannot read the header slots: check the device", os_error);
  }
  for (const HeaderSlot& slot : state.slots) {
    if (slot.state == SlotState::damaged) {
      return fail(ErrorCode::headers_damaged,
                  "no header slot is valid, though a log stood here: nothing was changed; restore "
                  "the headers from a copy");
    }
  }
  return fail(ErrorCode::not_a_log, "no log header in either slot: create one first");
}

}  // namespace

Result<void> check_device(const DeviceLimits& limits) {
  if (limits.block_bytes <= kBlockBytes && limits.buffer_alignment_bytes <= kBlockBytes &&
      limits.max_transfer_bytes >= 2 * kBlockBytes) {
    return {};
  }
  return fail(
      ErrorCode::unsupported,
      fmt::format("the device works in blocks of {} bytes, buffers aligned to {}, transfers "
                  "up to {}; a log needs at most {}, {}, and at least {}: use another device",
                  limits.block_bytes, limits.buffer_alignment_bytes, limits.max_transfer_bytes,
                  kBlockBytes, kBlockBytes, 2 * kBlockBytes));
}

std::optional<HeaderEvidence> HeaderState::evidence() const {
  std::optional<HeaderEvidence> evidence = slots.at(current).evidence;
  const HeaderSlot& other = slots.at(1 - current);
  if (evidence && other.state == SlotState::valid && other.evidence &&
      other.evidence->lineage.log_id == evidence->lineage.log_id) {
    evidence->watermark = std::max(evidence->watermark, other.evidence->watermark);
    evidence->lineage.incarnation =
        std::max(evidence->lineage.incarnation, other.evidence->lineage.incarnation);
  }
  return evidence;
}

std::int64_t HeaderState::greatest_window() const {
  std::int64_t window = 0;
  for (const HeaderSlot& slot : slots) {
    if (slot.state == SlotState::valid) window = std::max(window, slot.header.window_bytes);
  }
  return std::min(window, Geometry(header().capacity_bytes).section_bytes());
}

Result<HeaderState> read_headers(Device& device, Host& /*host*/) {
  const DeviceLimits& limits = device.limits();
  if (auto ok = check_device(limits); !ok) return std::unexpected(std::move(ok.error()));
  if (limits.size_bytes < kHeaderAreaBytes) {
    return fail(ErrorCode::not_a_log,
                fmt::format("{} bytes are too few for a log: create one first", limits.size_bytes));
  }

  HeaderState state;
  SyncIo io(device);
  const AlignedBuffer buffer(kBlockBytes);
  int os_error = 0;
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    const int error = io.read({std::uint64_t{i} * kBlockBytes}, buffer.span());
    if (error == 0) {
      state.slots[i] = decode_wal_header(buffer.span());
    } else {
      state.slots[i].state = SlotState::damaged;
      os_error = error;
    }
  }
  const auto current = current_slot(state.slots);
  if (!current) return no_valid_slot(state, os_error);
  state.current = *current;

  const std::uint64_t capacity = state.header().capacity_bytes;
  if (capacity > limits.size_bytes || (limits.size_is_exact && capacity != limits.size_bytes)) {
    return fail(ErrorCode::length_mismatch,
                fmt::format("the header says {} bytes, the {} has {}: restore its length", capacity,
                            limits.size_is_exact ? "file" : "device", limits.size_bytes));
  }
  return state;
}

}  // namespace seqwal
