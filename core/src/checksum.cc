// checksum(): CRC-32 by ISA-L. docs/decisions/0016-checksum-of-a-body.md
#include <isa-l/crc.h>

#include "seqwal/format.h"

namespace seqwal {
namespace {

// ISA-L's leaves the upper halves of vector registers in use, and what comes after it waits for
// them with every SSE instruction: a seventh of a small record's cost.
inline void clear_upper_halves() {
#if defined(__x86_64__) && !defined(__AVX__)
  if (__builtin_cpu_supports("avx")) asm volatile("vzeroupper");
#endif
}

// The CRC-32 of what `sum` is the CRC-32 of, followed by `bytes`.
std::uint32_t add_to_crc32(std::uint32_t sum, std::span<const std::byte> bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::uint32_t result = crc32_gzip_refl(sum, data, bytes.size());
  clear_upper_halves();
  return result;
}

}  // namespace

std::uint32_t checksum(std::span<const std::byte> bytes) {
  return add_to_crc32(0, bytes) & kChecksumMask;
}

std::uint32_t checksum_of_pieces(std::span<const std::span<const std::byte>> pieces) {
  std::uint32_t sum = 0;
  for (const auto piece : pieces) sum = add_to_crc32(sum, piece);
  return sum & kChecksumMask;
}

}  // namespace seqwal
