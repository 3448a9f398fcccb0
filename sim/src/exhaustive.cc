#include "seqwal/sim/exhaustive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <expected>
#include <mutex>
#include <thread>
#include <utility>

#include "seqwal/check.h"
#include "seqwal/recovery.h"
#include "shapes.h"

namespace seqwal::sim {
namespace {

constexpr std::uint64_t kBlock = kBlockBytes;
constexpr std::uint32_t kManyFates = 17;
constexpr std::uint32_t kFewFates = 3;

using Image = std::vector<std::byte>;

struct Write {
  std::uint64_t position = 0;
  std::vector<std::byte> bytes;
};

// What a write that was in flight leaves. Of a longer one it is the middle block that tears.
void leave(Image& image, const Write& write, std::uint32_t fate, std::uint32_t fates) {
  std::byte* to = image.data() + write.position;
  const std::byte* from = write.bytes.data();
  const std::uint64_t length = write.bytes.size();
  if (fate == 0) return;
  if (fate == 1) {
    std::memcpy(to, from, length);
    return;
  }
  const std::uint64_t torn = length / kBlock / 2 * kBlock;
  if (fates == kFewFates) fate = 2 + 3;
  if (fate < 9) {  // a prefix of 1 .. 7 sectors
    std::memcpy(to, from, torn + std::uint64_t{fate - 1} * kSectorBytes);
  } else if (fate < 16) {  // a suffix of 1 .. 7
    const std::uint64_t begin = torn + kBlock - std::uint64_t{fate - 8} * kSectorBytes;
    std::memcpy(to + begin, from + begin, length - begin);
  } else {
    std::memcpy(to, from, length);
    for (std::uint64_t at = torn; at < torn + kBlock; at += sizeof(std::uint64_t)) {
      const std::uint64_t noise = mix(write.position + at + 7);
      std::memcpy(to + at, &noise, sizeof noise);
    }
  }
}

// Sees the writes of a reset or a resume go by.
class Writes final : public DiskObserver {
 public:
  void on_write_submitted(const DiskWrite& write) override {
    writes.push_back({write.position, {write.bytes.begin(), write.bytes.end()}});
  }
  std::vector<Write> writes;
};

// Recovers images, one after the other, on one disk.
class Bench {
 public:
  Bench(std::uint64_t size_bytes, WorldSupplies& supplies)
      : scheduler_(choices_, trace_, supplies.fibers()),
        disk_(options(size_bytes), scheduler_, choices_, trace_) {}

  // What is wrong with this image, given what is known of the log; empty when nothing is.
  // `resetting`: a reset that ended at this offset was under way.
  [[nodiscard]] std::optional<Violation> check(const Image& image, const Facts& facts,
                                               std::int64_t resetting) {
    disk_.replace_contents(image);
    const auto device = disk_.attach();
    const auto recovery = Recovery::open(*device, scheduler_, kRecovery);
    if (!recovery) {
      return Violation{Invariant::i10_always_a_valid_header, recovery.error().message()};
    }
    const auto reading = naive_read(image, NaiveMode::standard, {}, NaiveRules::evidence);
    if (!reading) {
      return Violation{Invariant::i10_always_a_valid_header, "no header is left"};
    }
    const bool was_reset = resetting >= 0 && reading->header.trim >= resetting - 1;
    std::size_t count = 0;
    std::size_t known = 0;
    while (true) {
      const auto record = (*recovery)->next();
      if (!record) {
        return Violation{Invariant::i2_recovery_follows_the_rules, record.error().message()};
      }
      if (!*record) break;
      const std::int64_t offset = (*record)->offset.value;
      if (count >= reading->records.size() || reading->records[count].offset != offset) {
        return Violation{
            Invariant::i2_recovery_follows_the_rules,
            fmt::format("record {} at {}: the rules give something else", count, offset)};
      }
      ++count;
      if (offset <= facts.trim_durable) {
        return Violation{Invariant::i4_trimmed_stays_trimmed, fmt::format("{} came back", offset)};
      }
      while (known < facts.records.size() && facts.records[known].offset < offset) {
        if (!may_miss(facts, facts.records[known], was_reset)) return lost(facts.records[known]);
        ++known;
      }
      if (known == facts.records.size() || facts.records[known].offset != offset ||
          !std::ranges::equal(facts.records[known].body, (*record)->body)) {
        return Violation{Invariant::i3_nothing_foreign, fmt::format("{} is foreign", offset)};
      }
      ++known;
    }
    if (count != reading->records.size()) {
      return Violation{
          Invariant::i2_recovery_follows_the_rules,
          fmt::format("{} records, the rules give {}", count, reading->records.size())};
    }
    for (; known < facts.records.size(); ++known) {
      if (!may_miss(facts, facts.records[known], was_reset)) return lost(facts.records[known]);
    }
    return std::nullopt;
  }

  // The header writes of a reset of this image, and where the log starts after them.
  [[nodiscard]] std::pair<std::vector<Write>, std::int64_t> reset(const Image& image) {
    disk_.replace_contents(image);
    Writes headers;
    const auto device = disk_.attach();
    auto log = Log::open(*device, scheduler_, kLog);
    SEQWAL_CHECK(log.has_value());
    const auto report = (*log)->recover([](const RecoveredRecord&) { return true; }, kRecovery);
    SEQWAL_CHECK(report.has_value());
    disk_.set_observer(&headers);
    const auto start = (*log)->reset();
    disk_.set_observer(nullptr);
    SEQWAL_CHECK(start.has_value());
    return {std::move(headers.writes), start->value};
  }

  struct Resumed {
    std::vector<Write> writes;
    std::vector<std::int64_t> kept;  // offsets
  };
  // The writes of a resume of this image, and what it keeps.
  [[nodiscard]] std::expected<Resumed, Violation> resume(const Image& image) {
    disk_.replace_contents(image);
    Writes writes;
    Resumed resumed;
    const auto device = disk_.attach();
    auto log = Log::open(*device, scheduler_, kLog);
    SEQWAL_CHECK(log.has_value());
    RecoveryOptions options = kRecovery;
    options.mode = RecoveryMode::prefix;
    const auto note = [&resumed](const RecoveredRecord& record) {
      resumed.kept.push_back(record.offset.value);
      return true;
    };
    const auto report = (*log)->recover(note, options);
    SEQWAL_CHECK(report.has_value());
    disk_.set_observer(&writes);
    const auto end = (*log)->resume();
    disk_.set_observer(nullptr);
    if (!end) {
      return std::unexpected(
          Violation{Invariant::i16_everything_resolves, "resume: " + end.error().message()});
    }
    resumed.writes = std::move(writes.writes);
    return resumed;
  }

 private:
  static constexpr LogOptions kLog{.blocks = 2, .slots = 16};
  static constexpr RecoveryOptions kRecovery{.read_ahead_bytes = 65536, .reads_in_flight = 2};

  static DiskOptions options(std::uint64_t size_bytes) {
    DiskOptions options;
    options.limits.size_bytes = size_bytes;
    options.limits.size_is_exact = true;
    options.limits.depth = 8;
    options.limits.volatile_cache = false;
    options.limits.durable_write = DurableWrite::free;
    return options;
  }
  static bool may_miss(const Facts& facts, const Facts::Record& record, bool was_reset) {
    return !record.acknowledged || was_reset || record.offset <= facts.trim_asked;
  }
  static Violation lost(const Facts::Record& record) {
    return {Invariant::i1_acknowledged_is_recovered, fmt::format("{} is lost", record.offset)};
  }

  SeedChoices choices_{1};
  Trace trace_;
  Scheduler scheduler_;
  Disk disk_;
};

// What the threads share: units of work are (shape, which writes completed).
struct Shared {
  const ExhaustiveOptions& options;
  const std::vector<Shape> shapes;
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> states{0};
  std::mutex mutex = {};  // of report
  ExhaustiveReport report = {};
};

class Worker {
 public:
  explicit Worker(Shared& shared) : shared_(shared) {}

  void run() {
    const std::uint64_t subsets = std::uint64_t{1} << shared_.options.blocks;
    while (true) {
      const std::uint64_t unit = shared_.next.fetch_add(1, std::memory_order_relaxed);
      if (unit >= shared_.shapes.size() * subsets) return;
      explore(shared_.shapes[unit / subsets], static_cast<std::uint32_t>(unit % subsets));
      if (shared_.options.on_progress) shared_.options.on_progress(shared_.states.load());
    }
  }

 private:
  void explore(const Shape& shape, std::uint32_t completed) {
    ShapeRun run(shape, shared_.options.blocks, supplies_);
    // Where the shape yields fewer writes, the higher bits mean nothing: once is enough.
    if (completed >> run.writes() != 0) return;
    std::vector<Write> uncertain;
    const auto all = run.disk().uncertain_writes();
    for (std::size_t i = 0; i < run.writes(); ++i) {
      if ((completed >> i & 1U) != 0) continue;
      uncertain.push_back({all[i].position, {all[i].bytes.begin(), all[i].bytes.end()}});
    }
    run.complete(completed);
    const Image before = run.disk().stable();
    Bench bench(run.disk().size_bytes(), supplies_);

    std::vector<std::uint32_t> fates(uncertain.size(), 0);
    std::uint64_t states = 0;
    Image image;
    do {
      image = before;
      for (std::size_t i = 0; i < fates.size(); ++i) {
        leave(image, uncertain[i], fates[i], shared_.options.fates);
      }
      states += examine(bench, image, run.facts(), shape, completed, fates);
    } while (next(fates));
    shared_.states.fetch_add(states, std::memory_order_relaxed);
  }

  // The odometer.
  [[nodiscard]] bool next(std::vector<std::uint32_t>& fates) const {
    for (std::uint32_t& fate : fates) {
      if (++fate < shared_.options.fates) return true;
      fate = 0;
    }
    return false;
  }

  std::uint64_t examine(Bench& bench, const Image& image, const Facts& facts, const Shape& shape,
                        std::uint32_t completed, const std::vector<std::uint32_t>& fates) {
    const auto where = [&](const std::string& more) {
      std::string text = fmt::format("{}: completed {:#b}, fates", shape.name, completed);
      for (const std::uint32_t fate : fates) text += fmt::format(" {}", fate);
      return text + more;
    };
    note(bench.check(image, facts, -1), [&] { return where(""); });
    if (!shared_.options.twice) return 1;
    return 1 + crash_in_reset(bench, image, facts, where) +
           crash_in_resume(bench, image, facts, where);
  }

  template <typename Where>
  std::uint64_t crash_in_reset(Bench& bench, const Image& image, const Facts& facts,
                               const Where& where) {
    const auto [headers, start] = bench.reset(image);
    std::uint64_t states = 0;
    Image done = image;
    for (std::size_t i = 0; i < headers.size(); ++i) {
      for (std::uint32_t fate = 0; fate < kFewFates; ++fate) {
        Image again = done;
        leave(again, headers[i], fate, kFewFates);
        note(bench.check(again, facts, start),
             [&] { return where(fmt::format("; reset, header write {} fate {}", i, fate)); });
        ++states;
      }
      leave(done, headers[i], 1, kFewFates);
    }
    return states;
  }

  // What a resume keeps is as good as acknowledged from its first write on; what it gives up is
  // gone after its last.
  template <typename Where>
  std::uint64_t crash_in_resume(Bench& bench, const Image& image, Facts facts, const Where& where) {
    const auto resumed = bench.resume(image);
    if (!resumed) {
      note(resumed.error(), [&] { return where("; resume"); });
      return 0;
    }
    const auto is_kept = [&](const Facts::Record& record) {
      return std::ranges::binary_search(resumed->kept, record.offset);
    };
    for (Facts::Record& record : facts.records) record.acknowledged |= is_kept(record);
    std::uint64_t states = 0;
    Image done = image;
    for (std::size_t i = 0; i < resumed->writes.size(); ++i) {
      // A lost one leaves what the one before left.
      for (std::uint32_t fate = 1; fate < kFewFates; ++fate) {
        Image again = done;
        leave(again, resumed->writes[i], fate, kFewFates);
        note(bench.check(again, facts, -1),
             [&] { return where(fmt::format("; resume, write {} fate {}", i, fate)); });
        ++states;
      }
      leave(done, resumed->writes[i], 1, kFewFates);
    }
    std::erase_if(facts.records, [&](const Facts::Record& record) { return !is_kept(record); });
    note(bench.check(done, facts, -1), [&] { return where("; resumed"); });
    return states + 1;
  }

  template <typename Where>
  void note(const std::optional<Violation>& violation, Where&& where) {
    if (!violation) return;
    const std::lock_guard lock(shared_.mutex);
    if (shared_.report.violations++ > 0) return;
    shared_.report.violation = violation;
    shared_.report.where = where();
  }

  Shared& shared_;
  WorldSupplies supplies_;
};

std::vector<Shape> chosen_shapes(const ExhaustiveOptions& options) {
  std::vector<Shape> shapes = all_shapes();
  if (options.shapes != 0 && options.shapes < shapes.size()) shapes.resize(options.shapes);
  return shapes;
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : all_shapes()) names.push_back(shape.name);
  return names;
}

ExhaustiveReport run_exhaustive(const ExhaustiveOptions& options) {
  SEQWAL_REQUIRE(options.blocks >= 1 && options.blocks <= 8);
  SEQWAL_REQUIRE(options.fates == kFewFates || options.fates == kManyFates);
  const auto begin = std::chrono::steady_clock::now();
  Shared shared{.options = options, .shapes = chosen_shapes(options)};
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(options.threads, 1U); ++i) {
    threads.emplace_back([&shared] { Worker(shared).run(); });
  }
  Worker(shared).run();
  for (std::thread& thread : threads) thread.join();
  shared.report.states = shared.states.load();
  shared.report.shapes = static_cast<std::uint32_t>(shared.shapes.size());
  shared.report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return shared.report;
}

}  // namespace seqwal::sim
