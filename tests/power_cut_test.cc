// Power cuts replayed: a log runs on a real file over io_uring, every write of it is recorded, and
// then every state is rebuilt and recovered that a power cut at any moment could have left. What
// was acknowledged by then is there, nothing else is, and no crash tail is called damage.
//
// The runs are not reproducible, what the cuts leave of them is a function of the seed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "seqwal/backends/open.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"
#include "tests/support/memory_device.h"
#include "tests/support/recording_device.h"
#include "tests/support/skip.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{192} << 10U;

struct Disk {
  const char* name;
  bool volatile_cache;
  DurableWrite durable_write;
  FormatVersion version;
};

constexpr std::uint64_t kNotYet = std::numeric_limits<std::uint64_t>::max();

// What clients did and were told, and at which moments. What a former life did was at moment 0.
struct Appended {
  std::vector<std::byte> body;
  std::uint64_t appended = 0;
  std::uint64_t acknowledged = kNotYet;  // or kept by a resume
  std::uint64_t trim_asked = kNotYet;
  std::uint64_t gone = kNotYet;  // trimmed, or cut off by a resume, durably
};
// Offsets of what was cut off may be given again.
using Known = std::multimap<Offset, Appended>;

// A log on a file, driven step by step.
class Life {
 public:
  Life(const OpenOptions& options, const Disk& disk, std::vector<std::byte> before, Known known)
      : before_(std::move(before)), known_(std::move(known)) {
    auto opened = open_device(options);
    if (!opened) throw std::runtime_error(opened.error().message());
    real_ = std::move(opened->device);
    device_ = std::make_unique<RecordingDevice>(*real_, disk.volatile_cache, disk.durable_write);
  }

  void start(bool reset, Durability durability = Durability::automatic) {
    auto log =
        Log::open(*device_, host_,
                  {.durability = durability, .blocks = 8, .slots = 256, .depth = 6, .log_id = 1});
    ASSERT_TRUE(log) << log.error().message();
    log_ = std::move(*log);
    std::vector<Offset> kept;
    const auto report = log_->recover(
        [&](const RecoveredRecord& record) {
          kept.push_back(record.offset);
          return true;
        },
        {.mode = RecoveryMode::prefix});
    ASSERT_TRUE(report) << report.error().message();
    const auto started = reset ? log_->reset() : log_->resume();
    ASSERT_TRUE(started) << started.error().message();
    for (auto& [offset, record] : known_) {
      if (std::ranges::binary_search(kept, offset)) {
        record.acknowledged = std::min(record.acknowledged, device_->moment());
      } else {
        EXPECT_TRUE(record.acknowledged == kNotYet || record.trim_asked != kNotYet)
            << "not kept: " << offset.value;
        record.gone = std::min(record.gone, device_->moment());
      }
    }
  }

  // Appends and trims, with much in flight.
  void work(std::mt19937_64& random, int appends) {
    for (int done = 0; done < appends;) {
      const std::size_t length = random() % 8 == 0 ? 1 + random() % 40'000 : 1 + random() % 3000;
      if (append(length, random())) {
        ++done;
        if (random() % 3 != 0) continue;
      } else {
        trim_half();
      }
      device_->wait(std::min(log_->poll(host_.now()), host_.now() + 1'000'000));
    }
  }

  void close() {
    log_->close();
    while (!log_->finished()) device_->wait(log_->poll(host_.now()));
  }

  struct Cuts {
    std::uint64_t moments = 0;
    std::uint64_t states = 0;
    std::size_t most_unsettled = 0;
    std::vector<std::byte> kept;  // one of the states, late in the life, and its moment
    std::uint64_t kept_moment = 0;
  };
  // Recovers what a cut leaves at every moment, so many states of each at most, and says what was
  // wrong with the first that breaks a promise.
  [[nodiscard]] std::optional<std::string> cut_everywhere(std::mt19937_64& random,
                                                          std::size_t states_each,
                                                          Cuts& cuts) const {
    Replay replay(before_, device_->history());
    for (std::uint64_t moment = 0; moment <= device_->moment(); ++moment) {
      replay.advance(moment);
      ++cuts.moments;
      const std::size_t unsettled = replay.unsettled();
      cuts.most_unsettled = std::max(cuts.most_unsettled, unsettled);
      for (std::size_t i = 0; i < states_of(unsettled, states_each); ++i) {
        auto image = cut(replay, unsettled, i, states_each, random);
        ++cuts.states;
        if (const auto wrong = complaint(image, moment)) {
          return fmt::format("cut at moment {} of {}, state {}: {}", moment, device_->moment(), i,
                             *wrong);
        }
        if (cuts.kept.empty() && moment * 3 >= device_->moment() * 2 && unsettled > 1) {
          cuts.kept = std::move(image);
          cuts.kept_moment = moment;
        }
      }
    }
    return std::nullopt;
  }

  // What clients knew at a moment, for the next life.
  [[nodiscard]] Known known_at(std::uint64_t moment) const {
    const auto then = [moment](std::uint64_t when) { return when <= moment ? 0 : kNotYet; };
    Known known;
    for (const auto& [offset, record] : known_) {
      if (record.appended > moment) continue;
      known.emplace(offset, Appended{.body = record.body,
                                     .appended = 0,
                                     .acknowledged = then(record.acknowledged),
                                     .trim_asked = then(record.trim_asked),
                                     .gone = then(record.gone)});
    }
    return known;
  }

 private:
  bool append(std::size_t length, std::uint64_t seed) {
    std::vector<std::byte> body = make_body(seed, length);
    const auto offset = log_->append(body, [this](const AppendResult& result) {
      EXPECT_EQ(result.status, AppendStatus::durable);
      std::prev(known_.upper_bound(result.offset))->second.acknowledged = device_->moment();
    });
    if (!offset) return false;
    known_.emplace(*offset, Appended{.body = std::move(body), .appended = device_->moment()});
    return true;
  }

  // The older half of what is durable.
  void trim_half() {
    std::vector<Offset> durable;
    for (const auto& [offset, record] : known_) {
      const bool is_durable = record.acknowledged != kNotYet;
      if (is_durable && record.trim_asked == kNotYet && record.gone == kNotYet) {
        durable.push_back(offset);
      }
    }
    if (durable.empty()) return;
    const Offset upto = durable[durable.size() / 2];
    const auto accepted = log_->trim(upto, [this](const Result<Offset>& trimmed) {
      ASSERT_TRUE(trimmed) << trimmed.error().message();
      for (auto& [offset, record] : known_) {
        if (offset <= *trimmed) record.gone = std::min(record.gone, device_->moment());
      }
    });
    if (!accepted) return;
    for (auto& [offset, record] : known_) {
      if (offset <= upto) record.trim_asked = std::min(record.trim_asked, device_->moment());
    }
  }

  // All combinations of lost, kept and torn where these are few.
  static std::size_t states_of(std::size_t unsettled, std::size_t most) {
    std::size_t all = 1;
    for (std::size_t i = 0; i < unsettled && all <= most; ++i) all *= 3;
    return std::min(all, most);
  }

  [[nodiscard]] std::vector<std::byte> cut(const Replay& replay, std::size_t unsettled,
                                           std::size_t state, std::size_t most,
                                           std::mt19937_64& random) const {
    const bool all = states_of(unsettled, most + 1) <= most;
    std::size_t left = state;
    return replay.cut([&](std::span<std::byte> place, std::span<const std::byte> bytes) {
      const std::size_t fate = all ? left % 3 : random() % 3;
      left /= 3;
      if (fate == 1) std::ranges::copy(bytes, place.begin());
      if (fate == 2) tear(place, bytes, random);
    });
  }

  // Of what the device may tear: a prefix, a suffix, or any subset of its units; one of them may be
  // neither old nor new.
  void tear(std::span<std::byte> place, std::span<const std::byte> bytes,
            std::mt19937_64& random) const {
    const std::size_t unit = device_->limits().atomic_write_bytes;
    const std::size_t count = bytes.size() / unit;
    const std::size_t at = random() % (count + 1);
    const std::uint64_t kind = random() % 3;
    for (std::size_t i = 0; i < count; ++i) {
      const bool kept = kind == 0 ? i < at : kind == 1 ? i >= at : random() % 2 == 0;
      if (kept) std::ranges::copy(bytes.subspan(i * unit, unit), place.subspan(i * unit).begin());
    }
    if (count > 1 && at < count && random() % 4 == 0) {
      for (std::byte& byte : place.subspan(at * unit, unit))
        byte = static_cast<std::byte>(random());
    }
  }

  [[nodiscard]] std::optional<std::string> complaint(const std::vector<std::byte>& image,
                                                     std::uint64_t moment) const {
    MemoryDevice device(image);
    PosixHost host;
    for (const RecoveryMode mode :
         {RecoveryMode::standard, RecoveryMode::strict, RecoveryMode::prefix}) {
      const auto recovery = Recovery::open(device, host, {.mode = mode});
      if (!recovery) return recovery.error().message();
      std::set<Offset> found;
      while (true) {
        const auto record = (*recovery)->next();
        if (!record) return record.error().message();
        if (!*record) break;
        found.insert((*record)->offset);
        if (is_known(**record, moment)) continue;
        return fmt::format("foreign, or back again: {}", (*record)->offset.value);
      }
      for (const auto& [offset, record] : known_) {
        const bool is_owed =
            moment >= record.acknowledged && moment < record.trim_asked && moment < record.gone;
        if (is_owed && !found.contains(offset)) return fmt::format("lost: {}", offset.value);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_known(const RecoveredRecord& found, std::uint64_t moment) const {
    const auto [begin, end] = known_.equal_range(found.offset);
    return std::any_of(begin, end, [&](const auto& entry) {
      const Appended& known = entry.second;
      return known.appended <= moment && moment < known.gone &&
             std::ranges::equal(known.body, found.body);
    });
  }

  PosixHost host_;
  std::vector<std::byte> before_;
  Known known_;
  std::unique_ptr<Device> real_;
  std::unique_ptr<RecordingDevice> device_;
  std::unique_ptr<Log> log_;
};

std::vector<std::byte> bytes_of(const std::string& path) {
  const std::string text = read_whole_file(path);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class PowerCut : public testing::TestWithParam<Disk> {
 protected:
  void SetUp() override {
    options_.path = directory_ / "log";
    options_.kind = DeviceKind::uring;
    auto created = open_device_for_create(options_, kCapacity, false);
    if (!created) GTEST_SKIP() << no_ring(created.error());
    PosixHost host;
    const auto made =
        create_log(*created->opened.device, host,
                   {.capacity_bytes = kCapacity, .version = GetParam().version, .log_id = 1});
    ASSERT_TRUE(made) << made.error().message();
  }

  TempDir directory_;
  OpenOptions options_;
  std::mt19937_64 random_{1};
  Life::Cuts cuts_;
  const bool thorough_ = std::getenv("SEQWAL_LONG") != nullptr;
  const std::size_t states_each_ = thorough_ ? 81 : 9;
};

INSTANTIATE_TEST_SUITE_P(
    Disks, PowerCut,
    testing::Values(Disk{"WithoutCache0", false, DurableWrite::free, FormatVersion::v0},
                    Disk{"WithoutCache1", false, DurableWrite::free, FormatVersion::v1},
                    Disk{"WriteThrough0", true, DurableWrite::fua, FormatVersion::v0},
                    Disk{"WriteThrough1", true, DurableWrite::fua, FormatVersion::v1},
                    Disk{"Flushed0", true, DurableWrite::flush, FormatVersion::v0},
                    Disk{"Flushed1", true, DurableWrite::flush, FormatVersion::v1}),
    [](const auto& test) { return std::string(test.param.name); });

// The second life begins on what a cut left of the first one, and is cut everywhere too: from
// before its resume on.
TEST_P(PowerCut, WhateverIsLeftOfARealRunIsRecovered) {
  Known known;
  {
    Life life(options_, GetParam(), bytes_of(options_.path), {});
    ASSERT_NO_FATAL_FAILURE(life.start(true));
    life.work(random_, thorough_ ? 400 : 120);
    life.close();
    ASSERT_EQ(life.cut_everywhere(random_, states_each_, cuts_), std::nullopt);
    ASSERT_FALSE(cuts_.kept.empty()) << "there was never more than one write in flight";
    known = life.known_at(cuts_.kept_moment);
  }
  const std::vector<std::byte> between = cuts_.kept;
  write_file(options_.path,
             std::string(reinterpret_cast<const char*>(between.data()), between.size()));
  Life life(options_, GetParam(), between, std::move(known));
  ASSERT_NO_FATAL_FAILURE(life.start(false));
  life.work(random_, thorough_ ? 200 : 60);
  life.close();
  ASSERT_EQ(life.cut_everywhere(random_, states_each_, cuts_), std::nullopt);
  std::printf("%lu moments, %lu states, at most %zu writes unsettled\n", cuts_.moments,
              cuts_.states, cuts_.most_unsettled);
}

// A check that never fails shows nothing.
TEST_P(PowerCut, ALogThatTakesNoCareOfACacheIsFoundOut) {
  if (!GetParam().volatile_cache) return;  // there is none
  Life life(options_, GetParam(), bytes_of(options_.path), {});
  ASSERT_NO_FATAL_FAILURE(life.start(true, Durability::none));
  life.work(random_, 120);
  life.close();
  EXPECT_NE(life.cut_everywhere(random_, states_each_, cuts_), std::nullopt);
}

}  // namespace
}  // namespace seqwal::testing_support
