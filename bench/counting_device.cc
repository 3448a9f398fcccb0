#include "bench/counting_device.h"

namespace seqwal::bench {

std::size_t CountingDevice::submit(std::span<const IoRequest> requests) {
  const std::size_t accepted = device_.submit(requests);
  for (const IoRequest& request : requests.first(accepted)) {
    if (request.kind != IoKind::write) continue;
    std::uint64_t length = 0;
    for (const IoSegment& segment : request.segments) length += segment.length_bytes;
    writes_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(length, std::memory_order_relaxed);
  }
  return accepted;
}

WriteCount CountingDevice::written() const {
  return {.writes = writes_.load(std::memory_order_relaxed),
          .bytes = bytes_.load(std::memory_order_relaxed)};
}

}  // namespace seqwal::bench
