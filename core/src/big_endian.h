// Big-endian integers in byte arrays.
#ifndef SEQWAL_BIG_ENDIAN_H
#define SEQWAL_BIG_ENDIAN_H

#include <cstddef>
#include <cstdint>

namespace seqwal {

// Compiles to a load and a byte swap.
template <typename T>
[[nodiscard]] inline T load_big_endian(const std::byte* from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = value << 8U | std::to_integer<std::uint64_t>(from[i]);
  }
  return static_cast<T>(value);
}

template <typename T>
inline void store_big_endian(std::byte* to, T number) {
  auto value = static_cast<std::uint64_t>(number);
  for (std::size_t i = sizeof(T); i-- > 0; value >>= 8U) {
    to[i] = static_cast<std::byte>(value & 0xFFU);
  }
}

}  // namespace seqwal

#endif  // SEQWAL_BIG_ENDIAN_H
