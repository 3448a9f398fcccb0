// The CRC-32 of a record header. A library's goes byte by byte over so few; this one takes eight
// at once, through a table for each (slicing-by-8), and is inline.
#ifndef SEQWAL_SHORT_CHECKSUM_H
#define SEQWAL_SHORT_CHECKSUM_H

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace seqwal {

// [k][b]: what byte b does to the register with k bytes behind it.
inline constexpr auto kSlices = [] {
  constexpr std::uint32_t kPolynomial = 0xEDB88320;  // reflected
  std::array<std::array<std::uint32_t, 256>, 8> slices{};
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

// The register after a word more, which stands in memory in this order.
template <typename Word>
[[nodiscard]] inline std::uint32_t add_to_checksum(std::uint32_t sum, Word word) {
  if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
  word ^= sum;
  return [word]<std::size_t... kAt>(std::index_sequence<kAt...> /*bytes*/) {
    return (kSlices[sizeof(Word) - 1 - kAt][word >> 8U * kAt & 0xFFU] ^ ...);
  }(std::make_index_sequence<sizeof(Word)>{});
}

// Plain CRC-32, not masked, of words as they stand in memory one behind the other.
template <typename... Words>
[[nodiscard]] inline std::uint32_t short_checksum(Words... words) {
  std::uint32_t sum = ~std::uint32_t{0};
  ((sum = add_to_checksum(sum, words)), ...);
  return ~sum;
}

}  // namespace seqwal

#endif  // SEQWAL_SHORT_CHECKSUM_H
