// Decoding a record header: what is accepted, and that it is exactly what was encoded.
//
// Input: the offset it is expected at (8 bytes), then the header.
#include <array>

#include "fuzz/support/byte_reader.h"
#include "fuzz/support/fix_checksums.h"
#include "fuzz/support/fuzzer.h"
#include "seqwal/format.h"
#include "seqwal/sim/naive_reader.h"

namespace seqwal::fuzz {
namespace {

constexpr std::size_t kOffsetBytes = 8;
constexpr std::size_t kBodyOffsetAt = 8;
constexpr std::uint64_t kLongestBody = 134217704;

// docs/format.md, "Record header", once more.
bool is_sound(std::span<const std::byte> bytes, std::uint64_t expected) {
  const std::uint64_t magic = get_number(bytes, 0, 4);
  const std::uint64_t length = get_number(bytes, 4, 4);
  const std::uint64_t body_checksum = get_number(bytes, 16, 4);
  if (get_number(bytes, kBodyOffsetAt, 8) != expected + kRecordHeaderBytes) return false;
  // Offsets have 63 bits.
  if (expected + kRecordHeaderBytes > static_cast<std::uint64_t>(kMaxOffset.value)) return false;
  if (get_number(bytes, 20, 4) != sim::naive_checksum(bytes.first(20))) return false;
  if (magic == kDataMagic) return length >= 1 && length <= kLongestBody;
  return magic == kPaddingMagic && body_checksum == 0;
}

}  // namespace
}  // namespace seqwal::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  ByteReader reader(data, size);
  // Recovery expects nothing at a negative offset.
  const auto expected = static_cast<std::uint64_t>(reader.i64()) >> 1U;
  std::array<std::byte, kRecordHeaderBytes> bytes{};
  std::ranges::copy(reader.bytes(bytes.size()), bytes.begin());

  const auto header = decode_record_header(bytes, {static_cast<std::int64_t>(expected)});
  demand(header.has_value() == is_sound(bytes, expected), "accepted, or not");
  if (!header) return 0;
  demand(header->offset.value == static_cast<std::int64_t>(expected), "another offset");
  std::array<std::byte, kRecordHeaderBytes> encoded{};
  encode_record_header(*header, encoded);
  demand(encoded == bytes, "not the same again");
  return 0;
}

// Most of the time a header for that offset, with a checksum that is right.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0 || size < kOffsetBytes + kRecordHeaderBytes) return size;
  const auto input = std::as_writable_bytes(std::span(data, size));
  const auto header = input.subspan(kOffsetBytes, kRecordHeaderBytes);
  if (seed / 8 % 4 == 0) {
    put_number(header, 0, 4, seed / 32 % 2 == 0 ? kDataMagic : kPaddingMagic);
  }
  if (seed / 64 % 4 != 0) {
    const std::uint64_t expected = get_number(input, 0, kOffsetBytes) >> 1U;
    put_number(header, kBodyOffsetAt, 8, expected + kRecordHeaderBytes);
  }
  fix_record_header(header);
  return size;
}
