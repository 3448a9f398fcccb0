// ByteReader: numbers out of a fuzzer's bytes. Past the end everything is zero, so that a shorter
// input is a simpler one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace seqwal::fuzz {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : left_(bytes) {}
  ByteReader(const std::uint8_t* data, std::size_t size)
      : left_(std::as_bytes(std::span(data, size))) {}

  [[nodiscard]] bool empty() const { return left_.empty(); }

  // Big-endian, of `count` <= 8 bytes.
  std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value <<= 8U;
      if (left_.empty()) continue;
      value |= std::to_integer<std::uint64_t>(left_.front());
      left_ = left_.subspan(1);
    }
    return value;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::int64_t i64() { return static_cast<std::int64_t>(number(8)); }

  // As many of `count` as are left.
  std::span<const std::byte> bytes(std::size_t count) {
    const auto taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> rest() { return bytes(left_.size()); }

 private:
  std::span<const std::byte> left_;
};

}  // namespace seqwal::fuzz
