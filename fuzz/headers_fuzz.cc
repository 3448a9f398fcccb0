// The two header slots: how each is judged, which one counts, and what opening says.
//
// Input: a byte for the device, then the first 128 bytes of either slot.
#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/support/byte_reader.h"
#include "fuzz/support/fix_checksums.h"
#include "fuzz/support/fuzzer.h"
#include "fuzz/support/idle_host.h"
#include "fuzz/support/image_device.h"
#include "seqwal/format.h"
#include "seqwal/recovery.h"
#include "seqwal/sim/naive_reader.h"

namespace seqwal::fuzz {
namespace {

constexpr std::size_t kSlotBytes = 128;
constexpr std::size_t kCapacityAt = 4;

std::uint64_t device_bytes(std::uint8_t device) { return (2 + device / 4) * std::uint64_t{4096}; }

void check_same(const WalHeader& header, const sim::NaiveHeader& naive) {
  demand(header.version == (naive.version == 1 ? FormatVersion::v1 : FormatVersion::v0), "version");
  demand(header.capacity_bytes == naive.capacity, "capacity");
  demand(header.trim.value == naive.trim, "trim offset");
  demand(header.stamp == naive.stamp, "stamp");
  demand(header.window_bytes == naive.window, "window");
  demand((header.shutdown == ShutdownType::graceful) == naive.graceful, "shutdown type");
  demand(header.node_id == naive.node, "node id");
  demand(header.epoch == naive.epoch, "epoch");
}

HeaderSlot check_slot(std::span<const std::byte> bytes) {
  const HeaderSlot slot = decode_wal_header(bytes);
  const auto naive = sim::naive_header(bytes);
  demand((slot.state == SlotState::valid) == naive.has_value(), "valid, or not");
  const auto fields = bytes.first(kWalHeaderBytes);
  const bool zero = std::ranges::all_of(fields, [](std::byte byte) { return byte == std::byte{}; });
  demand((slot.state == SlotState::blank) == zero, "blank, or not");
  if (!naive) return slot;
  check_same(slot.header, *naive);
  // What is written again reads the same.
  std::array<std::byte, kBlockBytes> encoded{};
  encode_wal_header(slot.header, encoded);
  const HeaderSlot again = decode_wal_header(encoded);
  demand(again.state == SlotState::valid && again.header == slot.header, "not the same again");
  return slot;
}

ErrorCode expected_error(const HeaderState& state) {
  const bool damaged = std::ranges::any_of(
      state.slots, [](const HeaderSlot& slot) { return slot.state == SlotState::damaged; });
  return damaged ? ErrorCode::headers_damaged : ErrorCode::not_a_log;
}

void check_opening(const HostileImage& image, HeaderState expected) {
  ImageDevice device(image, kHeaderAreaBytes);
  IdleHost host;
  const auto found = read_headers(device, host);
  const auto current = current_slot(expected.slots);
  demand(current == sim::naive_headers(image.bytes).current, "another slot counts");
  if (!current) {
    demand(!found && found.error().code == expected_error(expected), "opens what is no log");
    return;
  }
  expected.current = static_cast<std::uint32_t>(*current);
  const std::uint64_t capacity = expected.header().capacity_bytes;
  const bool fits = image.limits.size_is_exact ? capacity == image.limits.size_bytes
                                               : capacity <= image.limits.size_bytes;
  demand(found.has_value() == fits, "opens a log of another length, or does not open one");
  if (!fits) {
    demand(found.error().code == ErrorCode::length_mismatch, "says something else is wrong");
    return;
  }
  demand(found->current == expected.current && found->header() == expected.header(),
         "opens with another header");
}

}  // namespace
}  // namespace seqwal::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  ByteReader reader(data, size);
  const std::uint8_t device = reader.u8();
  std::vector<std::byte> bytes(device_bytes(device));
  HeaderState state;
  for (std::size_t i = 0; i < kHeaderSlots; ++i) {
    const auto slot = std::span(bytes).subspan(i * kBlockBytes, kBlockBytes);
    std::ranges::copy(reader.bytes(kSlotBytes), slot.begin());
    state.slots.at(i) = check_slot(slot);
  }
  HostileImage image;
  image.bytes = bytes;
  image.limits.size_bytes = bytes.size();
  image.limits.size_is_exact = device % 2 == 1;
  check_opening(image, state);
  return 0;
}

// Most of the time with magics and checksums that are right, and capacities that fit.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  size = LLVMFuzzerMutate(data, size, max_size);
  const auto input = std::as_writable_bytes(std::span(data, size));
  for (std::size_t i = 0; i < kHeaderSlots; ++i) {
    const std::size_t at = 1 + i * kSlotBytes;
    const unsigned wish = seed >> (8 * i);
    if (wish % 4 == 0 || size < at + kWalHeaderBytes) continue;
    const auto slot = input.subspan(at, kWalHeaderBytes);
    if (wish / 4 % 2 == 0) {
      put_number(slot, 0, 4, wish / 8 % 2 == 0 ? kWalMagicVersion0 : kWalMagicVersion1);
    }
    if (wish / 16 % 4 != 0) put_number(slot, kCapacityAt, 8, device_bytes(data[0]));
    fix_wal_header(slot);
  }
  return size;
}
