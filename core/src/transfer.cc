#include "seqwal/transfer.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "seqwal/check.h"

namespace seqwal {

Transfer::Transfer(DevicePosition position, std::span<const IoSegment> segments,
                   std::uint32_t granularity_bytes)
    : position_(position), count_(segments.size()), granularity_bytes_(granularity_bytes) {
  SEQWAL_REQUIRE(!segments.empty() && segments.size() <= kMaxSegments);
  SEQWAL_REQUIRE(std::has_single_bit(granularity_bytes));
  std::ranges::copy(segments, segments_.begin());
  for (const IoSegment& segment : segments) {
    SEQWAL_REQUIRE(segment.length_bytes > 0);
    remaining_bytes_ += segment.length_bytes;
  }
}

Transfer::Step Transfer::advance(std::int64_t result) {
  SEQWAL_REQUIRE(remaining_bytes_ > 0 && os_error_ == 0);
  if (result == -EINTR || result == -EAGAIN) return retry_or_fail(static_cast<int>(-result));
  if (result < 0) return fail_with(static_cast<int>(-result));
  const auto done_bytes = static_cast<std::uint64_t>(result);
  // Nothing at all is the end of the file or of the device, which no repetition moves. More than
  // was asked for is a device that can't be believed.
  if (done_bytes == 0 || done_bytes > remaining_bytes_) return fail_with(EIO);
  if (done_bytes == remaining_bytes_) {
    skip(remaining_bytes_);
    return Step::done;
  }
  const std::uint64_t aligned_bytes = done_bytes & ~(std::uint64_t{granularity_bytes_} - 1);
  if (aligned_bytes == 0) return retry_or_fail(EIO);
  skip(static_cast<std::size_t>(aligned_bytes));
  stalled_ = 0;
  ++retries_;
  return Step::again;
}

Transfer::Step Transfer::retry_or_fail(int os_error) {
  if (stalled_ == kMaxRetries) return fail_with(os_error);
  ++stalled_;
  ++retries_;
  return Step::again;
}

Transfer::Step Transfer::fail_with(int os_error) {
  os_error_ = os_error;
  return Step::failed;
}

void Transfer::skip(std::size_t bytes) {
  position_ = position_ + bytes;
  remaining_bytes_ -= bytes;
  while (bytes > 0) {
    IoSegment& segment = segments_.at(first_);
    const std::size_t step = std::min(bytes, segment.length_bytes);
    segment.data += step;
    segment.length_bytes -= step;
    bytes -= step;
    if (segment.length_bytes == 0) ++first_;
  }
}

}  // namespace seqwal
