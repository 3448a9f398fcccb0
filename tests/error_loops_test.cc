// Error loops: canonical lives of a log, each with a fault at its n-th device operation, for every
// n until the life ends before it, once and from then on.
//
// Whatever happens: every accepted append and trim is answered once, in order; nothing succeeds
// after a failure; closing returns; and on the healed disk, after a kill and after a power cut,
// what was acknowledged is there and nothing else than what may be.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/log.h"
#include "tests/support/log_world.h"
#include "tests/support/manual_host.h"
#include "tests/support/nth_fault_device.h"

namespace seqwal::testing_support {
namespace {

constexpr Nanoseconds kDeadline = 1000;
constexpr int kMostPolls = 200'000;

// Bodies are cut from these bytes, made once.
std::span<const std::byte> noise(std::uint64_t number, std::size_t length) {
  static const auto bytes = make_body(1, std::size_t{1} << 20U);
  return std::span(bytes).subspan(number * 131 % (bytes.size() - length), length);
}

// A disk, and the lives of a log on it. Every call may fail; the scenario stops then.
class Scene {
 public:
  Scene(std::uint64_t capacity, const DeviceLimits& limits, const NthFault& fault)
      : device_(capacity, limits), capacity_(capacity) {
    device_.set_fault(fault);
  }

  [[nodiscard]] bool create(FormatVersion version, std::int64_t window = 0) {
    version_ = version;
    created_ = create_log(device_, host_,
                          {.capacity_bytes = capacity_, .version = version, .window_bytes = window})
                   .has_value();
    return created_;
  }

  // Recovers and resets.
  [[nodiscard]] bool open(const LogOptions& options = {.blocks = 4, .slots = 64},
                          RecoveryMode mode = RecoveryMode::standard) {
    LogOptions mine = options;
    mine.append_deadline = kDeadline;
    auto log = Log::open(device_, host_, mine);
    if (!log) return false;
    const auto report = (*log)->recover(
        [this](const RecoveredRecord& record) {
          EXPECT_TRUE(may_be(record.offset, record.body)) << record.offset.value;
          return true;
        },
        {.mode = mode});
    if (!report) return false;
    resetting_ = true;
    if (!(*log)->reset({.version = version_})) return false;
    resetting_ = false;
    forget();
    log_ = std::move(*log);
    device_.allow_hangs(true);
    return true;
  }

  // Recovers the prefix and goes on behind it: from then on what is kept counts as acknowledged,
  // and what is not may never come back.
  [[nodiscard]] bool resume() {
    auto log = Log::open(device_, host_, {.blocks = 4, .slots = 64, .append_deadline = kDeadline});
    if (!log) return false;
    std::vector<Offset> kept;
    const auto report = (*log)->recover(
        [&](const RecoveredRecord& record) {
          EXPECT_TRUE(may_be(record.offset, record.body)) << record.offset.value;
          kept.push_back(record.offset);
          return true;
        },
        {.mode = RecoveryMode::prefix});
    if (!report || !(*log)->resume()) return false;
    const Offset trimmed = trim_done_;
    const auto accepted = accepted_;
    forget();
    trim_asked_ = trim_done_ = trimmed;
    for (const Offset offset : kept) {
      accepted_.emplace(offset, accepted.at(offset));
      results_.push_back({.status = AppendStatus::durable, .offset = offset});
    }
    log_ = std::move(*log);
    device_.allow_hangs(true);
    return true;
  }

  // False when it was refused for good.
  [[nodiscard]] bool append(std::size_t length) {
    const auto body = noise(++appends_, length);
    const bool failed = log_->failure().has_value();
    const auto offset =
        log_->append(body, [this](const AppendResult& r) { results_.push_back(r); });
    EXPECT_FALSE(failed && offset) << "nothing succeeds after a failure";
    if (!offset) {
      refused_ = offset.error().code;
      return refused_ == ErrorCode::would_block;
    }
    accepted_.emplace(*offset, body);
    return true;
  }
  // The same, each in a block write of its own.
  [[nodiscard]] bool append_settled(std::size_t length) { return append(length) && settle(); }

  [[nodiscard]] bool trim(Offset offset) {
    const auto taken = log_->trim(offset, [this, offset](const Result<Offset>& result) {
      ++trims_answered_;
      if (result) {
        EXPECT_GE(*result, offset);
        EXPECT_FALSE(log_->failure().has_value());
        trim_done_ = std::max(trim_done_, offset);
      }
    });
    if (!taken) return false;
    ++trims_;
    trim_asked_ = std::max(trim_asked_, offset);
    return true;
  }
  [[nodiscard]] bool trim_offline(Offset offset) {
    trim_asked_ = std::max(trim_asked_, offset);
    const bool done = trim_log(device_, host_, offset).has_value();
    if (done) trim_done_ = std::max(trim_done_, offset);
    return done;
  }
  // The i-th record of this life.
  [[nodiscard]] Offset at(std::size_t i) const {
    return std::next(accepted_.begin(), static_cast<std::ptrdiff_t>(i))->first;
  }
  [[nodiscard]] std::size_t count() const { return accepted_.size(); }
  [[nodiscard]] bool is_full() const { return refused_ == ErrorCode::over_capacity; }

  // Until everything is answered. False when the log failed.
  bool settle() {
    poll_until([this] { return results_.size() == accepted_.size() && trims_answered_ == trims_; });
    return !log_->failure();
  }

  [[nodiscard]] bool poll_once() {
    (void)log_->poll(host_.now());
    return !log_->failure();
  }

  // Closing always ends. False when the log failed.
  bool close() {
    // What the log gave up on comes late: before it is closed, or after.
    if (appends_ % 2 == 0 && !settle() && device_.hangs()) take_late();
    log_->close();
    poll_until([this] { return log_->finished(); });
    if (device_.hangs()) take_late();
    check_answers();
    const bool well = !log_->failure();
    device_.allow_hangs(false);
    log_.reset();
    return well;
  }

  using Change = std::function<void(std::span<std::byte>)>;
  // The process is killed, or the power goes. It never answers what it has not answered yet.
  void die(bool power_cut, const Change& change = {}) {
    device_.restart(power_cut, change);
    device_.allow_hangs(false);
    log_.reset();
  }
  // It is killed while the last block write, which begins at `begin`, has reached the disk with so
  // many of its bytes: nothing in it was answered.
  void die_writing(Offset begin, std::size_t landed) {
    std::erase_if(results_, [&](const AppendResult& result) { return result.offset >= begin; });
    die(false, [&](std::span<std::byte> image) {
      std::ranges::fill(image.subspan(position(begin) + landed, kBlockBytes - landed),
                        std::byte{0});
    });
  }
  [[nodiscard]] std::size_t position(Offset offset) const {
    return Geometry(capacity_).position(offset).value;
  }

  [[nodiscard]] bool is_running() const { return log_ != nullptr; }
  [[nodiscard]] const NthFaultDevice& device() const { return device_; }

  // On the healed disk.
  void check_recovery() const {
    check(device_.memory().image());
    check(device_.memory().durable_image());
  }
  [[nodiscard]] bool everything_durable() const {
    return std::ranges::all_of(
        results_, [](const AppendResult& r) { return r.status == AppendStatus::durable; });
  }

 private:
  template <typename Condition>
  void poll_until(Condition condition) {
    for (int polls = 0; !condition(); ++polls) {
      if (polls == kMostPolls) {
        ADD_FAILURE() << "it does not come to an end";
        return;
      }
      const Nanoseconds next = log_->poll(host_.now());
      // Nothing moves by itself but what hangs, and the clock.
      if (next != kNever) host_.set(std::max(host_.now() + 1, next));
    }
  }

  // Done or failed, it changes nothing.
  void take_late() {
    const std::size_t told = results_.size();
    const Offset durable = log_->durable();
    const Offset trimmed = log_->trimmed();
    device_.release_hung(appends_ % 3 == 0 ? EIO : 0);
    poll_until([this] { return device_.in_flight() == 0; });
    EXPECT_EQ(results_.size(), told);
    EXPECT_EQ(log_->durable(), durable);
    EXPECT_EQ(log_->trimmed(), trimmed);
  }

  // Every callback once, in order, and nothing succeeds behind the first that does not.
  void check_answers() const {
    EXPECT_EQ(trims_answered_, trims_);
    ASSERT_EQ(results_.size(), accepted_.size());
    auto expected = accepted_.begin();
    bool failed = false;
    for (const AppendResult& result : results_) {
      EXPECT_EQ(result.offset, (expected++)->first);
      const bool durable = result.status == AppendStatus::durable;
      EXPECT_FALSE(durable && failed);
      failed = failed || !durable;
    }
    EXPECT_FALSE(failed && !log_->failure());
  }

  // A reset was answered: only what is appended from now on counts.
  void forget() {
    accepted_.clear();
    results_.clear();
    trim_asked_ = trim_done_ = kNoOffset;
    trims_ = trims_answered_ = 0;
    refused_ = {};
  }

  [[nodiscard]] bool may_be(Offset offset, std::span<const std::byte> body) const {
    const auto record = accepted_.find(offset);
    if (record == accepted_.end() || !std::ranges::equal(record->second, body)) return false;
    if (offset <= trim_done_) return false;
    const auto told = std::ranges::find(results_, offset, &AppendResult::offset);
    return told == results_.end() || told->status != AppendStatus::rejected;
  }

  void check(const std::vector<std::byte>& image) const {
    MemoryDevice healed(image);
    ManualHost host;
    auto recovery = Recovery::open(healed, host, {});
    if (!recovery) {
      EXPECT_FALSE(created_) << recovery.error().message();
      return;
    }
    std::vector<Offset> found;
    while (true) {
      const auto record = (*recovery)->next();
      ASSERT_TRUE(record) << record.error().message();
      if (!*record) break;
      found.push_back((*record)->offset);
      EXPECT_TRUE(may_be((*record)->offset, (*record)->body)) << (*record)->offset.value;
    }
    if (resetting_) return;  // it may have discarded them
    for (const AppendResult& result : results_) {
      if (result.status != AppendStatus::durable || result.offset <= trim_asked_) continue;
      EXPECT_TRUE(std::ranges::binary_search(found, result.offset)) << result.offset.value;
    }
  }

  ManualHost host_;
  NthFaultDevice device_;
  std::unique_ptr<Log> log_;
  std::uint64_t capacity_;
  FormatVersion version_ = FormatVersion::v0;
  std::map<Offset, std::span<const std::byte>> accepted_;
  std::vector<AppendResult> results_;
  std::uint64_t appends_ = 0;
  std::size_t trims_ = 0;
  std::size_t trims_answered_ = 0;
  Offset trim_asked_ = kNoOffset;
  Offset trim_done_ = kNoOffset;
  std::optional<ErrorCode> refused_;
  bool created_ = false;
  bool resetting_ = false;
};

// --- the scenarios ----------------------------------------------------------------------------

struct Scenario {
  std::string_view name;
  std::function<bool(Scene&)> live;  // false: something failed, and it ended there
  std::uint64_t capacity = 64 << 10;
};

bool appends(Scene& scene, int count, std::size_t length) {
  for (int i = 0; i < count; ++i) {
    if (!scene.append_settled(length)) return false;
  }
  return true;
}

// Goes past the end of the section, trimming behind itself.
bool wraps(Scene& scene, FormatVersion version) {
  if (!scene.create(version) || !scene.open()) return false;
  for (std::size_t i = 0; i < 12; ++i) {
    if (!scene.append_settled(i % 3 == 0 ? 9000 : 5000)) return false;
    if (i >= 3 && !(scene.trim(scene.at(i - 3)) && scene.settle())) return false;
  }
  return true;
}

bool fills(Scene& scene) {
  while (scene.append_settled(6000)) {
  }
  return scene.is_full() && scene.settle();
}

bool writes_without_waiting(Scene& scene) {
  for (int i = 0; i < 6; ++i) {
    if (!scene.append(500) || !scene.poll_once()) return false;
  }
  return true;
}

// Somebody who leaves none has rewritten the headers since.
void drop_evidence(std::span<std::byte> image) {
  for (const std::size_t slot : {std::size_t{0}, std::size_t{kBlockBytes}}) {
    std::ranges::fill(image.subspan(slot + kHeaderEvidenceAt, kHeaderEvidenceBytes), std::byte{0});
  }
}

constexpr auto kV0 = FormatVersion::v0;
constexpr auto kV1 = FormatVersion::v1;

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {"CreateV0", [](Scene& s) { return s.create(kV0); }},
      {"CreateV1", [](Scene& s) { return s.create(kV1, 8192); }},
      {"AppendSmall", [](Scene& s) { return s.create(kV0) && s.open() && appends(s, 8, 40); }},
      {"AppendLarge", [](Scene& s) { return s.create(kV0) && s.open() && appends(s, 3, 100'000); },
       512 << 10},
      {"AppendLongest",
       [](Scene& s) {
         return s.create(kV1) && s.open() && s.append_settled(10) && s.trim(s.at(0)) &&
                s.settle() && s.append_settled((512 << 10) - 8192 - 24);
       },
       512 << 10},
      {"AppendLongestAmongSmallOnes",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open()) return false;
         return s.append(10) && s.append(300'000) && s.append(10) && s.settle();
       },
       512 << 10},
      {"ABatchOfMany",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open()) return false;
         for (int i = 0; i < 60; ++i) {
           if (!s.append(100)) return false;
         }
         return s.settle();
       }},
      {"WrapV0", [](Scene& s) { return wraps(s, kV0); }},
      {"WrapV1WithPadding", [](Scene& s) { return wraps(s, kV1); }},
      {"TrimInTheMiddle",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open()) return false;
         for (int i = 0; i < 9; ++i) {
           if (!s.append(700)) return false;
         }
         return s.settle() && s.trim(s.at(4)) && s.settle() && appends(s, 2, 700);
       }},
      {"TrimEverything",
       [](Scene& s) {
         return s.create(kV1) && s.open() && appends(s, 4, 3000) && s.trim(s.at(3)) && s.settle();
       }},
      {"ManyTrimsAtOnce",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open() || !appends(s, 6, 2000)) return false;
         for (std::size_t i = 0; i < 6; ++i) {
           if (!s.trim(s.at(i))) return false;
         }
         return s.settle() && appends(s, 1, 2000);
       }},
      {"FullRingThenTrim",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open() || !fills(s)) return false;
         return s.trim(s.at(s.count() - 1)) && s.settle() && s.append_settled(57'000);
       }},
      {"WindowGrows",
       [](Scene& s) {
         return s.create(kV0, 4096) &&
                s.open(
                    {.blocks = 4, .slots = 64, .window_bytes = 4096, .window_step_bytes = 4096}) &&
                s.append(9000) && s.append(20'000) && s.append(9000) && s.settle();
       }},
      {"GracefulCloseAndAgain",
       [](Scene& s) {
         return s.create(kV0) && s.open() && appends(s, 3, 1000) && s.close() && s.open() &&
                appends(s, 2, 1000);
       }},
      {"ResetAgainAndAgain",
       [](Scene& s) {
         return s.create(kV0) && s.open() && appends(s, 1, 100) && s.close() && s.open() &&
                s.close() && s.open();
       }},
      {"RecoverV0AfterAPowerCut",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open() || !appends(s, 2, 5000)) return false;
         if (!writes_without_waiting(s)) return false;
         s.die(true);
         return s.open() && appends(s, 1, 100);
       }},
      {"RecoverV1AfterAKill",
       [](Scene& s) {
         if (!s.create(kV1) || !s.open() || !appends(s, 2, 5000)) return false;
         if (!writes_without_waiting(s)) return false;
         s.die(false);
         return s.open() && appends(s, 1, 100);
       }},
      {"RecoverAPrefix",
       [](Scene& s) {
         if (!wraps(s, kV0)) return false;
         s.die(true);
         return s.open({.blocks = 4, .slots = 64}, RecoveryMode::prefix);
       }},
      {"OfflineTrim",
       [](Scene& s) {
         return s.create(kV0) && s.open() && appends(s, 5, 1500) && s.close() &&
                s.trim_offline(s.at(2)) && s.trim_offline(s.at(4));
       }},
      {"OfflineTrimAfterAPowerCut",
       [](Scene& s) {
         if (!s.create(kV1) || !s.open() || !appends(s, 4, 1500)) return false;
         s.die(true);
         return s.trim_offline(s.at(1)) && s.open();
       }},
      {"ThreeLivesByKills",
       [](Scene& s) {
         if (!s.create(kV0)) return false;
         for (int life = 0; life < 3; ++life) {
           if (!s.open() || !appends(s, 2, 3000) || !writes_without_waiting(s)) return false;
           s.die(life % 2 == 0);
         }
         return true;
       }},
      {"ResumeAfterAKill",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open() || !appends(s, 2, 3000)) return false;
         if (!writes_without_waiting(s)) return false;
         s.die(false);
         return s.resume() && appends(s, 1, 100);
       }},
      {"ResumeTwiceAfterPowerCuts",
       [](Scene& s) {
         if (!s.create(kV1) || !s.open() || !appends(s, 1, 3000)) return false;
         if (!writes_without_waiting(s)) return false;
         s.die(true);
         if (!s.resume() || !writes_without_waiting(s)) return false;
         s.die(true);
         return s.resume() && appends(s, 1, 100);
       }},
      {"ResumeBehindAJump",
       [](Scene& s) {
         if (!wraps(s, kV0)) return false;
         s.die(true);
         return s.resume() && appends(s, 1, 100);
       }},
      {"ResumeBehindATornWrite",
       [](Scene& s) {
         if (!s.create(kV0) || !s.open() || !appends(s, 1, 100)) return false;
         if (!s.append(100) || !s.append(1000) || !s.settle()) return false;
         s.die_writing(s.at(1), 600);
         return s.resume() && appends(s, 1, 100);
       }},
      {"ResumeWithABrokenFill",
       [](Scene& s) {
         if (!s.create(kV1) || !s.open() || !appends(s, 2, 100)) return false;
         s.die(false, [&](std::span<std::byte> image) {
           image[s.position(s.at(0)) + kBlockBytes - 1] ^= std::byte{1};
         });
         return s.resume() && appends(s, 1, 100);
       }},
      {"ResumeAJumpWithoutEvidence",
       [](Scene& s) {
         if (!wraps(s, kV0)) return false;
         s.die(true, drop_evidence);
         return s.resume() && appends(s, 1, 100);
       }},
      {"ResumePaddingWithoutEvidence",
       [](Scene& s) {
         if (!wraps(s, kV1)) return false;
         s.die(true, drop_evidence);
         return s.resume() && appends(s, 1, 100);
       }},
  };
  return all;
}

// --- the faults -------------------------------------------------------------------------------

constexpr auto kError = NthFaultKind::error;

constexpr std::array kFaults = {
    NthFault{.name = "read EIO", .kind = kError, .target = IoKind::read, .os_error = EIO},
    NthFault{.name = "write EIO", .kind = kError, .target = IoKind::write, .os_error = EIO},
    NthFault{.name = "flush EIO", .kind = kError, .target = IoKind::flush, .os_error = EIO},
    NthFault{.name = "write ENOSPC", .kind = kError, .target = IoKind::write, .os_error = ENOSPC},
    NthFault{.name = "write EROFS", .kind = kError, .target = IoKind::write, .os_error = EROFS},
    NthFault{.name = "ECANCELED", .kind = kError, .target = {}, .os_error = ECANCELED},
    NthFault{.name = "ENODEV", .kind = kError, .target = {}, .os_error = ENODEV},
    NthFault{.name = "EAGAIN", .kind = NthFaultKind::again, .target = {}, .os_error = EAGAIN},
    NthFault{.name = "short", .kind = NthFaultKind::pieces, .target = {}},
    NthFault{.name = "zero bytes", .kind = NthFaultKind::zero, .target = {}},
    NthFault{.name = "hang", .kind = NthFaultKind::hang, .target = {}},
};

// What nobody may notice.
bool is_tolerated(const NthFault& fault) {
  return fault.kind == NthFaultKind::pieces ||
         (fault.kind == NthFaultKind::again && !fault.persistent);
}

DeviceLimits limits_of(DurableWrite durable_write) {
  DeviceLimits limits = MemoryDevice::default_limits();
  limits.volatile_cache = durable_write != DurableWrite::free;
  limits.durable_write = durable_write;
  return limits;
}

// True when the fault has struck.
bool run(const Scenario& scenario, DurableWrite durable_write, const NthFault& fault) {
  Scene scene(scenario.capacity, limits_of(durable_write), fault);
  const bool well = scenario.live(scene);
  const bool closed = !scene.is_running() || scene.close();
  scene.check_recovery();
  const bool struck = scene.device().strikes() > 0;
  if (!struck || is_tolerated(fault)) {
    EXPECT_TRUE(well && closed && scene.everything_durable());
  }
  return struck;
}

struct Loop {
  const Scenario* scenario;
  DurableWrite durable_write;
};

class ErrorLoops : public testing::TestWithParam<Loop> {};

TEST_P(ErrorLoops, EveryFaultAtEveryOperation) {
  std::uint64_t runs = 0;
  for (NthFault fault : kFaults) {
    for (const bool persistent : {false, true}) {
      fault.persistent = persistent;
      for (fault.nth = 1; run(*GetParam().scenario, GetParam().durable_write, fault); ++fault.nth) {
        ++runs;
        if (HasFailure()) {
          FAIL() << fault.name << " at operation " << fault.nth
                 << (persistent ? " and from then on" : "");
        }
      }
    }
  }
  EXPECT_GT(runs, 10U);
  RecordProperty("runs", std::to_string(runs));
}

std::vector<Loop> loops() {
  std::vector<Loop> all;
  for (const Scenario& scenario : scenarios()) {
    for (const DurableWrite by : {DurableWrite::free, DurableWrite::fua, DurableWrite::flush}) {
      all.push_back({&scenario, by});
    }
  }
  return all;
}

std::string name_of(const testing::TestParamInfo<Loop>& loop) {
  constexpr std::array<std::string_view, 3> kNames = {"Free", "Fua", "Flush"};
  return std::string(loop.param.scenario->name) +
         std::string(kNames.at(static_cast<std::size_t>(loop.param.durable_write)));
}

INSTANTIATE_TEST_SUITE_P(, ErrorLoops, testing::ValuesIn(loops()), name_of);

}  // namespace
}  // namespace seqwal::testing_support
