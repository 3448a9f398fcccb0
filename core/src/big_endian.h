// Big-endian integers in byte arrays.
#ifndef SEQWAL_BIG_ENDIAN_H
#define SEQWAL_BIG_ENDIAN_H

#include <bit>
#include <cstddef>
#include <cstring>

namespace seqwal {

template <typename T>
[[nodiscard]] inline T to_big_endian(T number) {
  return std::endian::native == std::endian::big ? number : std::byteswap(number);
}

// A load and a byte swap. A loop over the bytes would stay a loop with GCC 12.
template <typename T>
[[nodiscard]] inline T load_big_endian(const std::byte* from) {
  T number;
  std::memcpy(&number, from, sizeof number);
  return to_big_endian(number);
}

template <typename T>
inline void store_big_endian(std::byte* to, T number) {
  number = to_big_endian(number);
  std::memcpy(to, &number, sizeof number);
}

}  // namespace seqwal

#endif  // SEQWAL_BIG_ENDIAN_H
