// Lives of a log in the simulated world: the input answers its choices. A broken promise aborts.
//
// Input: the profile (1 byte), what answers when the bytes have run out (2 bytes: 0 = always the
// simplest, else a seed), then chunks: a byte that names a stream and a length, and the bytes that
// stream gets next. In chunks, because a byte more in one stream must not shift the others.
#include <fmt/format.h>

#include <array>
#include <vector>

#include "fuzz/support/byte_reader.h"
#include "fuzz/support/fuzzer.h"
#include "seqwal/sim/world.h"

namespace seqwal::fuzz {
namespace {

// Enough for a log that is taken up again after a crash, twice; a world with more says no more for
// the time it takes.
constexpr std::uint64_t kCycles = 3;

class ByteChoices {
 public:
  ByteChoices(ByteReader& reader, std::uint64_t seed) : seed_(seed), beyond_(seed) {
    while (!reader.empty()) {
      const std::uint8_t head = reader.u8();
      const auto chunk = reader.bytes(1U + head / 8);
      auto& stream = streams_.at(head % 8 % sim::kStreams);
      stream.insert(stream.end(), chunk.begin(), chunk.end());
    }
  }

  std::uint64_t answer(sim::Stream stream, std::uint64_t n) {
    const auto index = static_cast<std::size_t>(stream);
    std::size_t& next = next_.at(index);
    const auto& bytes = streams_.at(index);
    if (next == bytes.size()) return seed_ == 0 ? 0 : beyond_.choose(stream, n, "");
    std::uint64_t value = 0;
    for (std::uint64_t left = n - 1; left > 0 && next < bytes.size(); left >>= 8U) {
      value = value << 8U | std::to_integer<std::uint64_t>(bytes[next++]);
    }
    return value % n;
  }

 private:
  const std::uint64_t seed_;
  sim::SeedChoices beyond_;
  std::array<std::vector<std::byte>, sim::kStreams> streams_;
  std::array<std::size_t, sim::kStreams> next_{};
};

}  // namespace
}  // namespace seqwal::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  // Without the canary, which is a promise broken on purpose.
  constexpr std::array kProfiles{sim::Profile::swarm, sim::Profile::crash, sim::Profile::faults,
                                 sim::Profile::media, sim::Profile::liveness};
  static sim::WorldSupplies supplies;
  ByteReader reader(data, size);
  const sim::Profile profile = kProfiles.at(reader.u8() % kProfiles.size());
  const std::uint64_t seed = reader.u16();
  ByteChoices bytes(reader, seed);
  sim::FunctionChoices choices(
      [&](sim::Stream stream, std::uint64_t n) { return bytes.answer(stream, n); });
  sim::Trace trace;
  const auto report =
      sim::run_world({.profile = profile, .cycles = kCycles}, choices, trace, supplies);
  if (report.violation) {
    broken(fmt::format("{}: {}", to_string(report.violation->invariant), report.violation->what));
  }
  demand(report.lives > 0, "nobody lived");
  return 0;
}
