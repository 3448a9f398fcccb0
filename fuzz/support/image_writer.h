// From a fuzzer's bytes to an image, in two ways. Both always give an image, whatever the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/support/byte_reader.h"
#include "fuzz/support/image_device.h"

namespace seqwal::fuzz {

// Three bytes: how many blocks of section, what the device is like, how recovery reads. Most
// sections have up to 32 blocks; one size is 6 MiB, so that 4 MiB are not everything.
[[nodiscard]] HostileImage read_shape(ByteReader& bytes, const ImageMemory& memory);

// A small language: the headers, then one operation after the other at a cursor that moves on.
// Its records are sound unless it says otherwise, so that every input gets past the checksums.
//
//   shape (3 bytes) origin (2) evidence of the headers (4, if the origin says that they have some)
//   header slots (1) trim (1 + 8) window (1 + 2), then operations: an opcode byte, and what it
//   needs (image_writer.cc)
void write_program(ByteReader& bytes, ImageMemory& memory, HostileImage& image);

// Raw bytes: patches over zeroes, each a position in units of 8 bytes (3 bytes), a length (1), and
// its bytes. Where the position is 0xFFFFFF the length is the number of a block that cannot be
// read.
struct Patch {
  std::uint64_t where = 0;  // as it is written
  std::size_t begin = 0;    // of its bytes, in the input
  std::size_t length = 0;   // as it is written
  std::uint64_t position = 0;
  std::size_t bytes = 0;  // of length, those that there are
};
inline constexpr std::size_t kShapeBytes = 3;
inline constexpr std::size_t kPatchHeaderBytes = 4;
inline constexpr std::uint64_t kPatchUnit = 8;
inline constexpr std::uint64_t kUnreadablePatch = 0xFFFFFF;

// `input` is what follows the shape.
[[nodiscard]] std::vector<Patch> parse_patches(std::span<const std::byte> input,
                                               std::uint64_t image_bytes);
void write_patches(ByteReader& bytes, ImageMemory& memory, HostileImage& image);

}  // namespace seqwal::fuzz
