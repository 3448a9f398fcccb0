#include "request_check.h"

#include <bit>
#include <cerrno>

namespace seqwal {
namespace {

bool is_multiple(std::uint64_t value, std::uint32_t power_of_two) {
  return (value & (power_of_two - 1)) == 0;
}

bool segment_fits(const IoSegment& segment, const DeviceLimits& limits) {
  return segment.data != nullptr && segment.length_bytes > 0 &&
         segment.length_bytes <= limits.max_transfer_bytes &&
         is_multiple(segment.length_bytes, limits.block_bytes) &&
         is_multiple(std::bit_cast<std::uintptr_t>(segment.data), limits.buffer_alignment_bytes);
}

}  // namespace

int check_request(const IoRequest& request, const DeviceLimits& limits) {
  if (request.kind == IoKind::flush) return request.segments.empty() ? 0 : EINVAL;
  if (request.segments.empty() || request.segments.size() > kMaxSegments) return EINVAL;
  std::uint64_t total_bytes = 0;  // no overflow: at most kMaxSegments * 2^32
  for (const IoSegment& segment : request.segments) {
    if (!segment_fits(segment, limits)) return EINVAL;
    total_bytes += segment.length_bytes;
  }
  const std::uint64_t position_bytes = request.position.value;
  const bool fits =
      total_bytes <= limits.max_transfer_bytes && is_multiple(position_bytes, limits.block_bytes) &&
      position_bytes <= limits.size_bytes && total_bytes <= limits.size_bytes - position_bytes;
  return fits ? 0 : EINVAL;
}

}  // namespace seqwal
