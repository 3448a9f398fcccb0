// Makes a header's checksum right, so that a mutation gets past it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seqwal::fuzz {

void put_number(std::span<std::byte> bytes, std::size_t at, std::size_t count, std::uint64_t value);
[[nodiscard]] std::uint64_t get_number(std::span<const std::byte> bytes, std::size_t at,
                                       std::size_t count);

// `bytes` holds a WAL header (56 bytes), or a record header (24).
void fix_wal_header(std::span<std::byte> bytes);
void fix_record_header(std::span<std::byte> bytes);

// The magics, by the numbers of docs/format.md.
inline constexpr std::uint32_t kWalMagicVersion0 = 0x12345678;
inline constexpr std::uint32_t kWalMagicVersion1 = 0x01234567;
inline constexpr std::uint32_t kDataMagic = 0x87654321;
inline constexpr std::uint32_t kPaddingMagic = 0x76543210;

}  // namespace seqwal::fuzz
