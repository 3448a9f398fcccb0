#include "sync_io.h"

#include <algorithm>
#include <array>

#include "seqwal/check.h"

namespace seqwal {
namespace {
// Not a slot of any table: a completion that answers a request of somebody else is caught.
constexpr std::uint32_t kSyncSlot = 0xFFFFFFFF;
}  // namespace

int SyncIo::read(DevicePosition position, std::span<std::byte> into) {
  return transfer(IoKind::read, position, into, false);
}

int SyncIo::write(DevicePosition position, std::span<std::byte> from, bool durable) {
  return transfer(IoKind::write, position, from, durable);
}

int SyncIo::flush() {
  return run(
      {.token = {}, .kind = IoKind::flush, .durable = false, .position = {}, .segments = {}});
}

int SyncIo::transfer(IoKind kind, DevicePosition position, std::span<std::byte> bytes,
                     bool durable) {
  const std::size_t most = device_.limits().max_transfer_bytes;
  while (!bytes.empty()) {
    const std::array segment{IoSegment{bytes.data(), std::min(bytes.size(), most)}};
    const int os_error = run(
        {.token = {}, .kind = kind, .durable = durable, .position = position, .segments = segment});
    if (os_error != 0) return os_error;
    position = position + segment[0].length_bytes;
    bytes = bytes.subspan(segment[0].length_bytes);
  }
  return 0;
}

int SyncIo::run(const IoRequest& request) {
  IoRequest mine = request;
  mine.token = {kSyncSlot, ++generation_};
  SEQWAL_CHECK(device_.submit(std::span(&mine, 1)) == 1);
  std::array<IoCompletion, 1> completion;
  while (device_.reap(completion) == 0) device_.wait(kNever);
  SEQWAL_CHECK(completion[0].token == mine.token);
  return completion[0].os_error;
}

}  // namespace seqwal
