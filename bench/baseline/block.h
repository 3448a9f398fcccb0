// The blocks of the baseline: what is gathered, and what is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/log.h"
#include "seqwal/types.h"

namespace seqwal::bench {

struct PendingRecord {
  std::span<const std::byte> body;
  AppendCallback callback;
};

// Records that will be one write. Grows up to the soft limit; a longer record goes alone.
class Block {
 public:
  // One that takes nothing.
  Block() = default;
  Block(std::int64_t start, std::int64_t most_bytes) : start_(start), most_bytes_(most_bytes) {}

  [[nodiscard]] bool takes(std::int64_t record_bytes) const {
    const std::int64_t total = bytes_ + record_bytes;
    return total <= most_bytes_ && (records_.empty() || total <= kSoftLimitBytes);
  }
  Offset add(PendingRecord record);

  [[nodiscard]] bool empty() const { return records_.empty(); }
  [[nodiscard]] std::int64_t start() const { return start_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  // The block boundary behind it, where the next one begins.
  [[nodiscard]] std::int64_t end() const { return start_ + round_up_to_block(bytes_); }
  [[nodiscard]] std::span<PendingRecord> records() { return records_; }
  [[nodiscard]] std::span<const PendingRecord> records() const { return records_; }

 private:
  std::int64_t start_ = 0;
  std::int64_t most_bytes_ = 0;
  std::int64_t bytes_ = 0;
  std::vector<PendingRecord> records_;
};

// Aligned memory for what is written.
class BlockImage {
 public:
  // The block as it stands on disk: headers, bodies, zeroes to the boundary. Computes the
  // checksums.
  void compose(const Block& block);
  void compose(const WalHeader& header);

  [[nodiscard]] std::span<std::byte> bytes() const { return {memory_.get(), used_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  void resize(std::size_t bytes);

  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t allocated_bytes_ = 0;
  std::size_t used_bytes_ = 0;
};

}  // namespace seqwal::bench
