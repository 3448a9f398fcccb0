#include "bench/null_device.h"

#include <algorithm>
#include <cstring>

namespace seqwal::bench {
namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{1} << 50U;
constexpr std::int64_t kWindowBytes = std::int64_t{1} << 20U;

}  // namespace

NullDevice::NullDevice() {
  limits_.size_bytes = kCapacity;
  limits_.depth = 64;
  limits_.volatile_cache = false;
  limits_.durable_write = DurableWrite::free;
  for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
    encode_wal_header(
        {.capacity_bytes = kCapacity, .stamp = slot, .window_bytes = kWindowBytes},
        std::span(headers_).subspan(std::size_t{slot} * kBlockBytes).first<kBlockBytes>());
  }
}

std::size_t NullDevice::submit(std::span<const IoRequest> requests) {
  const std::size_t taken = std::min(requests.size(), limits_.depth - done_.size());
  for (const IoRequest& request : requests.first(taken)) {
    transfer(request);
    done_.push_back(request.token);
  }
  return taken;
}

// Beyond the headers: nothing is kept, zeroes are read.
void NullDevice::transfer(const IoRequest& request) {
  std::uint64_t at = request.position.value;
  for (const IoSegment& segment : request.segments) {
    const std::uint64_t in_headers =
        at < kHeaderAreaBytes ? std::min<std::uint64_t>(segment.length_bytes, kHeaderAreaBytes - at)
                              : 0;
    if (request.kind == IoKind::write) {
      std::memcpy(headers_.data() + at % kHeaderAreaBytes, segment.data, in_headers);
    } else {
      std::memcpy(segment.data, headers_.data() + at % kHeaderAreaBytes, in_headers);
      std::memset(segment.data + in_headers, 0, segment.length_bytes - in_headers);
    }
    at += segment.length_bytes;
  }
}

std::size_t NullDevice::reap(std::span<IoCompletion> completions) {
  const std::size_t count = std::min(completions.size(), done_.size());
  for (IoCompletion& completion : completions.first(count)) {
    completion = {.token = done_.front(), .os_error = 0};
    done_.pop_front();
  }
  return count;
}

}  // namespace seqwal::bench
