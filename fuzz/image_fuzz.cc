// Recovery over an arbitrary image: raw bytes anywhere. Mutations leave the checksums of headers
// right, most of the time, or nothing would ever be read behind them.
#include <algorithm>

#include "fuzz/support/fix_checksums.h"
#include "fuzz/support/fuzzer.h"
#include "fuzz/support/image_writer.h"
#include "fuzz/support/recovery_check.h"
#include "seqwal/format.h"

namespace seqwal::fuzz {
namespace {

constexpr std::size_t kBodySumAt = 16;
constexpr std::size_t kLengthAt = 4;
constexpr std::size_t kCapacityAt = 4;
constexpr std::size_t kTrimAt = 12;
constexpr std::size_t kStampAt = 20;
constexpr std::size_t kWindowAt = 28;
constexpr std::size_t kBodyOffsetAt = 8;

ImageMemory& image_memory() {
  static ImageMemory memory;
  return memory;
}

HostileImage write_image(ByteReader bytes) {
  image_memory().clear();
  HostileImage image = read_shape(bytes, image_memory());
  write_patches(bytes, image_memory(), image);
  return image;
}

// A patch that begins with a magic gets what a header of that kind needs to be believed.
void fix_patch(std::span<std::byte> patch, const HostileImage& image, std::uint64_t position) {
  if (patch.size() < kRecordHeaderBytes) return;
  const std::uint64_t magic = get_number(patch, 0, 4);
  if (magic == kWalMagicVersion0 || magic == kWalMagicVersion1) {
    if (patch.size() < kWalHeaderBytes) return;
    const bool fits = get_number(patch, kCapacityAt, 8) <= image.limits.size_bytes;
    if (!fits || image.limits.size_is_exact) {
      put_number(patch, kCapacityAt, 8, image.limits.size_bytes);
    }
    fix_wal_header(patch);
  } else if (magic == kDataMagic) {
    const std::uint64_t length = get_number(patch, kLengthAt, 4);
    const std::uint64_t body_at = position + kRecordHeaderBytes;
    if (body_at < image.bytes.size() && length <= image.bytes.size() - body_at) {
      put_number(patch, kBodySumAt, 4, checksum(image.bytes.subspan(body_at, length)));
    }
    fix_record_header(patch);
  } else if (magic == kPaddingMagic) {
    put_number(patch, kBodySumAt, 4, 0);
    fix_record_header(patch);
  }
}

// One more patch at the end: a header slot, or a record at some block of the section, of a log that
// has just begun. The checksums come later.
std::size_t add_patch(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned wish) {
  const bool is_slot = wish % 4 == 0;
  const std::size_t length = is_slot ? kWalHeaderBytes : kRecordHeaderBytes + 1 + wish / 4 % 64;
  if (size + kPatchHeaderBytes + length > max_size) return size;
  const auto patch = std::as_writable_bytes(std::span(data + size, kPatchHeaderBytes + length));
  std::ranges::fill(patch, std::byte{0});
  const std::uint64_t offset = is_slot ? 0 : wish / 256 % 32 * std::uint64_t{kBlockBytes};
  const std::uint64_t position =
      is_slot ? wish / 256 % 2 * std::uint64_t{kBlockBytes} : kHeaderAreaBytes + offset;
  put_number(patch, 0, 3, position / kPatchUnit);
  put_number(patch, 3, 1, length);
  const auto header = patch.subspan(kPatchHeaderBytes);
  if (is_slot) {
    put_number(header, 0, 4, wish / 512 % 2 == 0 ? kWalMagicVersion0 : kWalMagicVersion1);
    put_number(header, kTrimAt, 8, ~std::uint64_t{0});
    put_number(header, kStampAt, 8, wish / 1024 % 4);
    put_number(header, kWindowAt, 8, wish / 4096 % 16 * std::uint64_t{kBlockBytes});
  } else {
    put_number(header, 0, 4, wish / 8192 % 8 == 0 ? kPaddingMagic : kDataMagic);
    put_number(header, kLengthAt, 4, length - kRecordHeaderBytes);
    put_number(header, kBodyOffsetAt, 8, offset + kRecordHeaderBytes);
  }
  return size + patch.size();
}

}  // namespace
}  // namespace seqwal::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal::fuzz;
  check_recovery(write_image(ByteReader(data, size)));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace seqwal::fuzz;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0 || size <= kShapeBytes) return size;
  if (seed % 8 == 1) size = add_patch(data, size, max_size, seed / 8);
  const HostileImage image = write_image(ByteReader(data, size));
  const auto input = std::as_writable_bytes(std::span(data, size)).subspan(kShapeBytes);
  for (const Patch& patch : parse_patches(input, image.bytes.size())) {
    fix_patch(input.subspan(patch.begin, patch.bytes), image, patch.position);
  }
  return size;
}
