// Memory aligned for direct I/O.
#ifndef SEQWAL_ALIGNED_BUFFER_H
#define SEQWAL_ALIGNED_BUFFER_H

#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "seqwal/format.h"

namespace seqwal {

// `bytes` of uninitialised memory, aligned to kBlockBytes. Pages not touched cost nothing.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes)
      : data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kBlockBytes}))),
        size_bytes_(bytes) {}

  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_bytes_; }
  [[nodiscard]] std::span<std::byte> span() const { return {data_.get(), size_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const {
      ::operator delete(data, std::align_val_t{kBlockBytes});
    }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_bytes_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_ALIGNED_BUFFER_H
