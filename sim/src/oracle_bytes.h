// What the parts of the oracle share: the format in small, without the log's headers.
#ifndef SEQWAL_SIM_ORACLE_BYTES_H
#define SEQWAL_SIM_ORACLE_BYTES_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace seqwal::sim {

inline constexpr std::int64_t kBlock = 4096;
inline constexpr std::int64_t kRecordHeader = 24;

inline std::int64_t round_up(std::int64_t offset) {
  return (offset + kBlock - 1) / kBlock * kBlock;
}

// The first 16 bytes of a record header as docs/format.md says it; the checksums behind them are
// recovery's to judge.
inline std::array<std::byte, 16> record_header(std::int64_t offset, std::size_t length) {
  std::array<std::byte, 16> bytes{};
  const auto put = [&](std::size_t at, std::size_t count, std::uint64_t value) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes.at(at + count - 1 - i) = static_cast<std::byte>(value >> (8 * i));
    }
  };
  put(0, 4, 0x87654321);
  put(4, 4, length);
  put(8, 8, static_cast<std::uint64_t>(offset + kRecordHeader));
  return bytes;
}

inline bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

inline bool is_zero(std::span<const std::byte> bytes) {
  static constexpr std::array<std::byte, 4096> kZeroes{};
  return same(bytes, std::span(kZeroes).first(bytes.size()));
}

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_ORACLE_BYTES_H
