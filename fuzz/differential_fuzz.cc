// The log's recovery against the naive reader, on images that a small language describes: sound
// records, torn and stale ones, flipped bits, unreadable blocks, headers of every kind.
#include "fuzz/support/fuzzer.h"
#include "fuzz/support/image_writer.h"
#include "fuzz/support/recovery_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal::fuzz;
  static ImageMemory memory;
  memory.clear();
  ByteReader bytes(data, size);
  HostileImage image = read_shape(bytes, memory);
  write_program(bytes, memory, image);
  check_recovery(image);
  return 0;
}
