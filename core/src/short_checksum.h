// The CRC-32 of a record header. A library's goes byte by byte over so few; this one looks up what
// each of the 20 bytes contributes (slicing-by-20), none of which waits for another, and is inline.
#ifndef SEQWAL_SHORT_CHECKSUM_H
#define SEQWAL_SHORT_CHECKSUM_H

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace seqwal {

inline constexpr std::size_t kShortChecksumBytes = 20;

// [k][b]: what byte b does to the register with k bytes behind it.
inline constexpr auto kSlices = [] {
  constexpr std::uint32_t kPolynomial = 0xEDB88320;  // reflected
  std::array<std::array<std::uint32_t, 256>, kShortChecksumBytes> slices{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1U ^ ((sum & 1U) != 0 ? kPolynomial : 0U);
    slices[0][byte] = sum;
  }
  for (std::size_t k = 1; k < slices.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = slices[k - 1][byte];
      slices[k][byte] = before >> 8U ^ slices[0][before & 0xFFU];
    }
  }
  return slices;
}();

// What a word, as it stands in memory, does to the register with `kBehind` bytes behind it.
template <std::size_t kBehind, typename Word>
[[nodiscard, gnu::always_inline]] inline std::uint32_t contribution(Word word) {
  return [word]<std::size_t... kAt>(std::index_sequence<kAt...> /*bytes*/) {
    return (kSlices[kBehind + sizeof(Word) - 1 - kAt][word >> 8U * kAt & 0xFFU] ^ ...);
  }(std::make_index_sequence<sizeof(Word)>{});
}

// Plain CRC-32, not masked, of three words as they stand in memory one behind the other.
[[nodiscard, gnu::always_inline]] inline std::uint32_t short_checksum(std::uint64_t first,
                                                                      std::uint64_t second,
                                                                      std::uint32_t third) {
  if constexpr (std::endian::native == std::endian::big) {
    first = std::byteswap(first);
    second = std::byteswap(second);
    third = std::byteswap(third);
  }
  first ^= ~std::uint32_t{0};  // the register begins with all bits set
  return ~(contribution<12>(first) ^ contribution<4>(second) ^ contribution<0>(third));
}

}  // namespace seqwal

#endif  // SEQWAL_SHORT_CHECKSUM_H
