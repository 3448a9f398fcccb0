// What a real device keeps for each request in flight, and the queues of such slots.
#ifndef SEQWAL_BACKENDS_REQUEST_SLOT_H
#define SEQWAL_BACKENDS_REQUEST_SLOT_H

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "seqwal/check.h"
#include "seqwal/device.h"
#include "seqwal/transfer.h"

namespace seqwal {

struct RequestSlot {
  IoToken token;
  IoKind kind = IoKind::read;
  bool durable = false;
  int os_error = 0;   // of a finished request
  Transfer transfer;  // not used by a flush
  std::array<iovec, kMaxSegments> vectors{};

  void take(const IoRequest& request, std::uint32_t granularity_bytes) {
    token = request.token;
    kind = request.kind;
    durable = request.durable;
    os_error = 0;
    if (kind != IoKind::flush) {
      transfer = Transfer(request.position, request.segments, granularity_bytes);
    }
  }

  // What the transfer still needs, as the system calls take it. Valid until the next call.
  [[nodiscard]] std::span<const iovec> rest() {
    std::size_t count = 0;
    for (const IoSegment& segment : transfer.segments()) {
      vectors.at(count++) = {.iov_base = segment.data, .iov_len = segment.length_bytes};
    }
    return std::span(vectors).first(count);
  }
};

// First in, first out, at most `capacity` slot numbers. Allocates once.
class SlotQueue {
 public:
  explicit SlotQueue(std::size_t capacity) : slots_(capacity) {}

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  void push(std::uint32_t slot) {
    SEQWAL_CHECK(size_ < slots_.size());
    slots_[(first_ + size_) % slots_.size()] = slot;
    ++size_;
  }
  std::uint32_t pop() {
    SEQWAL_CHECK(size_ > 0);
    const std::uint32_t slot = slots_[first_];
    first_ = (first_ + 1) % slots_.size();
    --size_;
    return slot;
  }

 private:
  std::vector<std::uint32_t> slots_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_REQUEST_SLOT_H
