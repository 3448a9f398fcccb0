// Random lives with power cuts: several generations of one log, each cut at a random moment, with
// any mixture of what was in flight surviving. What was acknowledged is always there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::CompletionOrder;
using testing_support::LogWorld;
using testing_support::LogWorldOptions;
using testing_support::recover_image;
using testing_support::Recovered;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 0x1234567) {}
  std::uint64_t next() {
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return state_ >> 11U;
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

// What a power cut may leave: for every 512-byte sector that some pending or cached write touches,
// the old or the new contents.
std::vector<std::byte> cut_power(LogWorld& world, Random& random) {
  const auto before = world.device().durable_image();
  world.device().complete_all();
  const auto after = world.device().image();
  auto image = before;
  const std::uint64_t fate = random.below(4);
  std::uint64_t runs = 0;
  bool kept = false;
  for (std::size_t sector = 0; sector < image.size(); sector += 512) {
    const auto begin = static_cast<std::ptrdiff_t>(sector);
    if (std::equal(before.begin() + begin, before.begin() + begin + 512, after.begin() + begin)) {
      continue;
    }
    switch (fate) {
      case 0:
        kept = false;
        break;
      case 1:
        kept = true;
        break;
      case 2:
        kept = random.one_in(2);
        break;
      default:  // runs of sectors, so that whole block writes are kept and lost too
        if (runs-- == 0) {
          kept = random.one_in(2);
          runs = random.below(24);
        }
    }
    if (kept) std::copy_n(after.begin() + begin, 512, image.begin() + begin);
  }
  return image;
}

struct Generation {
  LogWorld& world;
  Random& random;
  std::vector<Offset> live = {};
  std::uint64_t big_one_in = 12;

  void step() {
    const std::uint64_t what = random.below(10);
    if (what < 6) {
      const std::uint64_t most =
          random.one_in(big_one_in) ? world.log().max_body_bytes() : 1 + random.below(5000);
      const auto offset = world.try_append(1 + random.below(most));
      if (offset) live.push_back(*offset);
      if (!offset && offset.error().code == ErrorCode::over_capacity && !live.empty()) trim();
    } else if (what < 9) {
      world.poll();
      const std::size_t pending = world.device().pending().size();
      if (pending > 0) world.device().complete(random.below(pending));
    } else if (!live.empty() && random.one_in(2)) {
      trim();
    }
  }

  void trim() {
    const std::size_t index = random.below(live.size());
    if (live[index] >= world.log().durable()) return;
    if (world.trim(live[index])) {
      live.erase(live.begin(), live.begin() + static_cast<std::ptrdiff_t>(index) + 1);
    }
  }
};

void expect_promises(LogWorld& world, const std::vector<std::byte>& image, std::uint64_t seed) {
  const auto records = recover_image(image);
  const auto strict = recover_image(image, RecoveryMode::strict);
  const auto prefix = recover_image(image, RecoveryMode::prefix);
  for (const Offset offset : world.acked()) {
    if (offset <= world.trim_asked()) continue;
    for (const auto* list : {&records, &strict, &prefix}) {
      ASSERT_NE(std::ranges::find(*list, offset, &Recovered::offset), list->end())
          << "seed " << seed << ": lost " << offset.value;
    }
  }
  Offset last = world.log().trimmed();
  for (const Recovered& record : records) {
    ASSERT_GT(record.offset, last) << "seed " << seed;
    last = record.offset;
    const auto appended = world.appended().find(record.offset);
    ASSERT_NE(appended, world.appended().end())
        << "seed " << seed << ": foreign " << record.offset.value;
    ASSERT_EQ(record.body, appended->second) << "seed " << seed;
  }
  const bool contiguous = world.log().headers().header().version == FormatVersion::v1;
  if (!contiguous || records.empty()) return;
  auto appended = world.appended().find(records.front().offset);
  for (const Recovered& record : records) {
    // Without evidence a torn record inside a block write looks like the block write's fill, as it
    // does to the reference; a block write that is lost as a whole always ends recovery.
    if (record.offset != appended->first) {
      ASSERT_FALSE(is_block_aligned(appended->first)) << "seed " << seed << ": not contiguous";
    }
    appended = std::next(world.appended().find(record.offset));
  }
}

LogWorldOptions draw_options(Random& random) {
  LogWorldOptions options;
  options.capacity_bytes = kMinCapacityBytes + random.below(random.one_in(8) ? 300 : 40) * 4096;
  options.version = random.one_in(2) ? FormatVersion::v0 : FormatVersion::v1;
  options.log.blocks = 2U << random.below(3);
  options.log.slots = 16U << random.below(4);
  options.log.depth = static_cast<std::uint32_t>(1 + random.below(6));
  options.log.window_bytes =
      random.one_in(2) ? 0 : static_cast<std::int64_t>(random.below(9) * 4096);
  options.log.window_step_bytes = 4096 * static_cast<std::int64_t>(1 + random.below(4));
  options.limits.volatile_cache = !random.one_in(3);
  options.limits.durable_write = !options.limits.volatile_cache ? DurableWrite::free
                                 : random.one_in(2)             ? DurableWrite::fua
                                                                : DurableWrite::flush;
  options.limits.max_transfer_bytes = random.one_in(2) ? 8192U : 1U << 20U;
  options.limits.depth = random.one_in(4) ? 2U : 32U;
  return options;
}

TEST(LogCrash, AcknowledgedRecordsSurvivePowerCutsThroughManyGenerations) {
  const bool thorough = std::getenv("SEQWAL_LONG") != nullptr;
  std::uint64_t crashes = 0;
  std::uint64_t acked = 0;
  std::uint64_t in_flight = 0;
  for (std::uint64_t seed = 1; seed <= (thorough ? 40000U : 2000U); ++seed) {
    Random random(seed);
    LogWorldOptions options = draw_options(random);
    std::vector<std::byte> image;
    {
      LogWorld first(options);
      image = first.device().image();
    }
    for (int generation = 0; generation < 3; ++generation) {
      if (random.one_in(4)) {
        options.version =
            options.version == FormatVersion::v0 ? FormatVersion::v1 : FormatVersion::v0;
      }
      LogWorld world(image, options);
      world.device().set_order(CompletionOrder::held);
      Generation life{.world = world, .random = random};
      for (std::uint64_t steps = random.below(120); steps > 0; --steps) life.step();
      ++crashes;
      acked += world.acked().size();
      in_flight += world.device().pending().size();
      image = cut_power(world, random);
      expect_promises(world, image, seed);
      if (HasFatalFailure()) return;
      world.kill();
    }
  }
  std::printf("%lu crashes, %lu acknowledged, %lu in flight\n", crashes, acked, in_flight);
}

}  // namespace
}  // namespace seqwal
