#include "fuzz/support/fix_checksums.h"

#include "seqwal/format.h"

namespace seqwal::fuzz {
namespace {

constexpr std::size_t kChecksumBytes = 4;

void fix(std::span<std::byte> header) {
  const std::size_t at = header.size() - kChecksumBytes;
  put_number(header, at, kChecksumBytes, checksum(header.first(at)));
}

}  // namespace

void put_number(std::span<std::byte> bytes, std::size_t at, std::size_t count,
                std::uint64_t value) {
  for (std::size_t i = count; i-- > 0; value >>= 8U) bytes[at + i] = static_cast<std::byte>(value);
}

std::uint64_t get_number(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value = value << 8U | std::to_integer<std::uint64_t>(bytes[at + i]);
  }
  return value;
}

void fix_wal_header(std::span<std::byte> bytes) { fix(bytes.first(kWalHeaderBytes)); }
void fix_record_header(std::span<std::byte> bytes) { fix(bytes.first(kRecordHeaderBytes)); }

}  // namespace seqwal::fuzz
