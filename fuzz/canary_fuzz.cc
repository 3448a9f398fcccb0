// A target with planted bugs, none of which a run may miss: a body length believed without being
// checked, behind a checksum that only a structure-aware mutation gets past; and one that hangs.
//
// Input: as of fuzz/record_fuzz.cc.
#include <array>
#include <ctime>

#include "fuzz/support/byte_reader.h"
#include "fuzz/support/fix_checksums.h"
#include "fuzz/support/fuzzer.h"
#include "seqwal/format.h"

namespace {

constexpr std::size_t kOffsetBytes = 8;
constexpr std::uint32_t kRoomBytes = 1U << 20U;
constexpr std::uint64_t kSlowOffset = 0x736c6f77;  // "slow"

void take_too_long() {
  for (const std::clock_t begin = std::clock(); std::clock() - begin < 2 * CLOCKS_PER_SEC;) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal;
  seqwal::fuzz::ByteReader reader(data, size);
  const auto offset = static_cast<std::uint64_t>(reader.i64()) >> 1U;
  std::array<std::byte, kRecordHeaderBytes> bytes{};
  std::ranges::copy(reader.bytes(bytes.size()), bytes.begin());
  const auto header = decode_record_header(bytes, {static_cast<std::int64_t>(offset)});
  if (!header) return 0;
  if (offset == kSlowOffset) take_too_long();
  fuzz::demand(header->body_length_bytes <= kRoomBytes, "canary: wrote past the end of a buffer");
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0 || size < kOffsetBytes + kRecordHeaderBytes) return size;
  const auto input = std::as_writable_bytes(std::span(data, size));
  const auto header = input.subspan(kOffsetBytes, kRecordHeaderBytes);
  put_number(header, 0, 4, kDataMagic);
  put_number(header, 8, 8, (get_number(input, 0, kOffsetBytes) >> 1U) + kRecordHeaderBytes);
  fix_record_header(header);
  return size;
}
