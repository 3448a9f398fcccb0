// The whole log on the simulated disk, against a model that knows only what a client was told.
//
// RapidCheck draws what the log is like, its lives, what is done in each, and every answer of the
// choice point: which request completes, which is short or interrupted, what a power cut leaves.
// So all of it shrinks. A command says by number which of several things it means, and does nothing
// where there is none; answers that are missing are 0, the simplest: every list of commands is one.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/log.h"
#include "seqwal/sim/disk.h"
#include "seqwal/sim/scheduler.h"
#include "tests/support/log_world.h"

namespace seqwal {
namespace {

using testing_support::make_body;
using testing_support::Recovered;

// --- what is drawn ----------------------------------------------------------------------------

using Answers = std::vector<std::uint32_t>;

struct Setting {
  std::uint32_t section_blocks = 8;
  bool version_1 = false;
  DurableWrite durable_write = DurableWrite::free;
  std::uint32_t blocks = 2;
  std::uint32_t depth = 4;
  std::uint32_t window_blocks = 0;
  bool hiccups = false;  // short transfers, EAGAIN, EINTR
};

struct Command {
  enum class Kind : std::uint8_t { append, poll, complete, trim, settle };
  Kind kind{};
  std::uint32_t value = 0;  // bytes to append; which request completes; which record is trimmed
  Answers answers;
};

enum class Ending : std::uint8_t { power_cut, kill, close, close_and_power_cut };

struct Life {
  std::uint32_t cut_after =
      0;  // of the completions of open, recover and reset; 0 = it gets through
  Answers opening = {};
  std::vector<Command> commands = {};
  Ending ending{};
  Answers fates = {};
};

std::string text_of(const Answers& answers) { return fmt::format("[{}]", fmt::join(answers, " ")); }

std::ostream& operator<<(std::ostream& out, const Setting& setting) {
  return out << fmt::format(
             "{} blocks, version {}, durable write {}, memory {}, depth {}, window {}{}",
             setting.section_blocks, setting.version_1 ? 1 : 0,
             static_cast<int>(setting.durable_write), setting.blocks, setting.depth,
             setting.window_blocks, setting.hiccups ? ", hiccups" : "");
}

std::ostream& operator<<(std::ostream& out, const Command& command) {
  static constexpr std::array<std::string_view, 5> kNames = {"append", "poll", "complete", "trim",
                                                             "settle"};
  return out << fmt::format("{} {} {}", kNames.at(static_cast<std::size_t>(command.kind)),
                            command.value, text_of(command.answers));
}

std::ostream& operator<<(std::ostream& out, const Life& life) {
  static constexpr std::array<std::string_view, 4> kNames = {"power cut", "kill", "close",
                                                             "close and power cut"};
  out << fmt::format("\n  open (cut after {}) {}", life.cut_after, text_of(life.opening));
  for (const Command& command : life.commands) out << "\n    " << command;
  return out << fmt::format("\n  {} {}", kNames.at(static_cast<std::size_t>(life.ending)),
                            text_of(life.fates));
}

// Up to so many; what they hold is as large as it gets, however far the run of tests has come.
template <typename T>
rc::Gen<std::vector<T>> list_of(int most, rc::Gen<T> element) {
  return rc::gen::resize(
      most, rc::gen::container<std::vector<T>>(rc::gen::resize(100, std::move(element))));
}

rc::Gen<Answers> arbitrary_answers(int most) {
  return list_of(most, rc::gen::inRange<std::uint32_t>(0, 1U << 16U));
}

// One of these; shrinks to the first.
template <typename T>
rc::Gen<T> one_of(std::vector<T> values) {
  const std::size_t count = values.size();
  return rc::gen::map(rc::gen::inRange<std::size_t>(0, count),
                      [values = std::move(values)](std::size_t index) { return values[index]; });
}

rc::Gen<Setting> arbitrary_setting() {
  return rc::gen::resize(
      100, rc::gen::build<Setting>(
               rc::gen::set(&Setting::section_blocks,
                            one_of<std::uint32_t>({8, 1, 2, 3, 5, 8, 12, 14, 16, 20, 24, 130})),
               rc::gen::set(&Setting::version_1),
               rc::gen::set(&Setting::durable_write,
                            one_of<DurableWrite>(
                                {DurableWrite::free, DurableWrite::fua, DurableWrite::flush})),
               rc::gen::set(&Setting::blocks, one_of<std::uint32_t>({16, 16, 2, 4})),
               rc::gen::set(&Setting::depth, rc::gen::inRange(1U, 13U)),
               rc::gen::set(&Setting::window_blocks, one_of<std::uint32_t>({0, 0, 0, 1, 4})),
               rc::gen::set(&Setting::hiccups)));
}

rc::Gen<Command> arbitrary_command() {
  using Kind = Command::Kind;
  return rc::gen::build<Command>(
      rc::gen::set(&Command::kind, rc::gen::weightedElement<Kind>({{10, Kind::append},
                                                                   {8, Kind::poll},
                                                                   {4, Kind::complete},
                                                                   {3, Kind::trim},
                                                                   {1, Kind::settle}})),
      rc::gen::set(&Command::value,
                   rc::gen::weightedOneOf<std::uint32_t>({{10, rc::gen::inRange(0U, 300U)},
                                                          {3, rc::gen::inRange(4000U, 4200U)},
                                                          {4, rc::gen::inRange(0U, 13'000U)},
                                                          {1, rc::gen::inRange(0U, 600'000U)}})),
      rc::gen::set(&Command::answers, arbitrary_answers(6)));
}

rc::Gen<Life> arbitrary_life() {
  return rc::gen::build<Life>(
      rc::gen::set(&Life::cut_after, rc::gen::weightedOneOf<std::uint32_t>(
                                         {{4, rc::gen::just(0U)}, {1, rc::gen::inRange(1U, 24U)}})),
      rc::gen::set(&Life::opening, arbitrary_answers(20)),
      rc::gen::set(&Life::commands, list_of(80, arbitrary_command())),
      rc::gen::set(&Life::ending, one_of<Ending>({Ending::power_cut, Ending::power_cut,
                                                  Ending::power_cut, Ending::kill, Ending::kill,
                                                  Ending::close, Ending::close_and_power_cut})),
      rc::gen::set(&Life::fates, arbitrary_answers(40)));
}

// --- the model --------------------------------------------------------------------------------

// What clients know: what they appended, what they were told, what they trimmed. No offset is
// computed here, no space, no window.
class LogModel {
 public:
  // The first thing that was not as it must be.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  void complain(std::string what) {
    if (complaint_.empty()) complaint_ = std::move(what);
  }

  void appended(Offset offset, std::vector<std::byte> body) {
    if (offset <= highest_) complain(fmt::format("{} was given again", offset.value));
    highest_ = offset;
    records_.push_back({.offset = offset, .body = std::move(body)});
  }
  void called(const AppendResult& result) {
    if (called_ == records_.size() || records_[called_].offset != result.offset) {
      complain(fmt::format("a callback for {} out of order", result.offset.value));
    } else if (result.status != AppendStatus::durable) {
      complain(fmt::format("{} failed on a sound disk", result.offset.value));
    } else {
      ++called_;
    }
  }
  void trim_asked(Offset offset) {
    ++trims_pending_;
    trim_asked_ = std::max(trim_asked_, offset);
  }
  // `covered`: one that was asked for before it goes as far.
  void trim_answered(Offset asked, bool covered, const Result<Offset>& result) {
    --trims_pending_;
    if (covered && !result && result.error().code == ErrorCode::below_trim) return;
    if (!result || *result < asked) {
      complain(fmt::format("the trim of {} was not done", asked.value));
    } else {
      trim_durable_ = std::max(trim_durable_, asked);
    }
  }
  void closed() {
    if (called_ != records_.size()) complain("closed, and a callback never ran");
    if (trims_pending_ != 0) complain("closed, and a trim was never answered");
  }
  void crashed() { trims_pending_ = 0; }

  // A reset that a crash interrupts is done or not: everything is gone, or nothing is.
  void reset_begins() { resetting_ = true; }
  void reset_done() {
    records_.clear();
    called_ = 0;
    resetting_ = false;
    trim_asked_ = trim_durable_ = kNoOffset;
  }

  // What recovery must give.
  void recovered(const std::vector<Recovered>& found) {
    if (resetting_ && found.empty()) return;
    Offset last = trim_durable_;
    for (const Recovered& record : found) {
      if (record.offset <= last) complain(fmt::format("{} is back", record.offset.value));
      last = record.offset;
      const auto at = std::ranges::find(records_, record.offset, &Record::offset);
      if (at == records_.end() || at->body != record.body) {
        complain(fmt::format("{} was never appended like that", record.offset.value));
      }
    }
    for (std::size_t i = 0; i < called_; ++i) {
      const Offset offset = records_[i].offset;
      if (offset > trim_asked_ &&
          std::ranges::find(found, offset, &Recovered::offset) == found.end()) {
        complain(fmt::format("{} was acknowledged and is lost", offset.value));
      }
    }
  }

  [[nodiscard]] std::size_t acknowledged() const { return called_; }
  // Of those, the last so many: nobody asked to trim them.
  [[nodiscard]] std::size_t must_keep() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(called_),
        [this](const Record& record) { return record.offset > trim_asked_; }));
  }
  [[nodiscard]] Offset trim_asked() const { return trim_asked_; }
  [[nodiscard]] Offset offset(std::size_t index) const { return records_[index].offset; }

 private:
  struct Record {
    Offset offset;
    std::vector<std::byte> body;
  };

  std::string complaint_;
  std::vector<Record> records_;  // since the last reset
  std::size_t called_ = 0;       // of them, from the first on
  bool resetting_ = false;
  Offset highest_ = kNoOffset;
  Offset trim_asked_ = kNoOffset;
  Offset trim_durable_ = kNoOffset;
  int trims_pending_ = 0;
};

// How much was at stake, over all cases.
struct Seen {
  std::uint64_t crashes = 0;
  std::uint64_t crashes_in_doubt = 0;
  std::uint64_t crashes_while_opening = 0;
  std::uint64_t kept = 0;
  std::uint64_t trimmed = 0;
};

// --- the log ----------------------------------------------------------------------------------

// The answers of the command that is being run; 0 behind the last.
class CommandChoices final : public sim::Choices {
 public:
  void use(const Answers& answers) {
    answers_ = &answers;
    next_ = 0;
  }
  std::uint64_t choose(sim::Stream, std::uint64_t n, const char*) override {
    return answers_ != nullptr && next_ < answers_->size() ? (*answers_)[next_++] % n : 0;
  }

 private:
  const Answers* answers_ = nullptr;
  std::size_t next_ = 0;
};

sim::DiskOptions disk_options(const Setting& setting) {
  sim::DiskOptions options;
  options.limits.size_bytes =
      kHeaderAreaBytes + std::uint64_t{setting.section_blocks} * kBlockBytes;
  options.limits.size_is_exact = true;
  options.limits.depth = 16;
  options.limits.max_transfer_bytes = 65536;
  options.limits.durable_write = setting.durable_write;
  options.limits.volatile_cache = setting.durable_write != DurableWrite::free;
  options.timing = sim::Timing({.model = sim::TimingModel::any_order});
  if (setting.hiccups) {
    options.faults = {sim::Fault::again, sim::Fault::interrupted, sim::Fault::short_transfer};
    options.fault_period = 3;
  }
  return options;
}

class LogRun final : public sim::DiskObserver {
 public:
  LogRun(const Setting& setting, Seen& seen)
      : setting_(setting),
        seen_(seen),
        scheduler_(choices_, trace_, fibers_),
        disk_(disk_options(setting), scheduler_, choices_, trace_) {
    disk_.set_observer(this);
    device_ = disk_.attach();
    const auto created =
        create_log(*device_, scheduler_,
                   {.capacity_bytes = disk_.size_bytes(),
                    .version = setting.version_1 ? FormatVersion::v1 : FormatVersion::v0,
                    .force = true});
    if (!created) model_.complain("create: " + created.error().message());
    device_.reset();
  }
  ~LogRun() override {
    disk_.kill();
    log_.reset();
    device_.reset();
  }

  void live(const Life& life);
  [[nodiscard]] const LogModel& model() const { return model_; }

  void on_misuse(const char* what, std::uint64_t position) override {
    model_.complain(fmt::format("{} (position {})", what, position));
  }

 private:
  void open(const Life& life);
  void process();
  void run(const Command& command);
  void append(std::uint32_t length);
  void trim(std::uint32_t which);
  void settle();
  void end(const Life& life);
  void crash(bool kill);

  const Setting setting_;
  Seen& seen_;
  CommandChoices choices_;
  sim::Trace trace_;
  sim::FiberPool fibers_;
  sim::Scheduler scheduler_;
  sim::Disk disk_;
  std::unique_ptr<sim::SimDevice> device_;
  std::unique_ptr<Log> log_;
  LogModel model_;
  std::uint64_t appends_ = 0;
};

void LogRun::live(const Life& life) {
  open(life);
  if (log_ == nullptr) return;
  for (const Command& command : life.commands) {
    choices_.use(command.answers);
    run(command);
    if (!model_.complaint().empty()) return;
  }
  choices_.use(life.fates);
  end(life);
}

// On a fiber, so that the power can go in the middle of a call that waits.
void LogRun::open(const Life& life) {
  choices_.use(life.opening);
  device_ = disk_.attach();
  disk_.arm();
  scheduler_.spawn([this] { process(); });
  std::uint32_t completions = 0;
  while (scheduler_.alive() > 0) {
    if (scheduler_.runnable() > 0) {
      scheduler_.run_one();
    } else if (!disk_.has_event()) {
      model_.complain("opening waits for nothing");
      disk_.kill();
    } else if (++completions == life.cut_after) {
      disk_.lose_power();
    } else {
      disk_.run_event();
    }
  }
  if (!device_->dead()) return;
  ++seen_.crashes_while_opening;
  log_.reset();
  device_.reset();
}

void LogRun::process() {
  auto log = Log::open(*device_, scheduler_,
                       {.blocks = setting_.blocks,
                        .slots = 64,
                        .depth = setting_.depth,
                        .window_bytes = std::int64_t{setting_.window_blocks} * kBlockBytes,
                        .window_step_bytes = kBlockBytes});
  if (device_->dead()) return;
  if (!log) {
    model_.complain("open: " + log.error().message());
    return;
  }
  log_ = std::move(*log);
  std::vector<Recovered> found;
  const auto report = log_->recover([&](const RecoveredRecord& record) {
    found.push_back({record.offset, {record.body.begin(), record.body.end()}});
    return true;
  });
  if (device_->dead()) return;
  if (!report) {
    model_.complain("recover: " + report.error().message());
    return;
  }
  model_.recovered(found);
  seen_.kept += model_.must_keep();
  model_.reset_begins();
  const auto start = log_->reset();
  if (device_->dead()) return;
  if (!start) {
    model_.complain("reset: " + start.error().message());
    return;
  }
  model_.reset_done();
}

void LogRun::run(const Command& command) {
  switch (command.kind) {
    case Command::Kind::append:
      append(1 + command.value % log_->max_body_bytes());
      return;
    case Command::Kind::poll:
      (void)log_->poll(scheduler_.now());
      return;
    case Command::Kind::complete:
      if (disk_.in_flight() > 0) disk_.complete(command.value % disk_.in_flight());
      return;
    case Command::Kind::trim:
      trim(command.value);
      return;
    case Command::Kind::settle:
      settle();
      return;
  }
}

void LogRun::append(std::uint32_t length) {
  std::vector<std::byte> body = make_body(++appends_, length);
  const auto offset =
      log_->append(body, [this](const AppendResult& result) { model_.called(result); });
  if (offset) {
    model_.appended(*offset, std::move(body));  // moving keeps the memory of a long body in place
  } else if (offset.error().code != ErrorCode::over_capacity &&
             offset.error().code != ErrorCode::would_block) {
    model_.complain("append: " + offset.error().message());
  }
}

void LogRun::trim(std::uint32_t which) {
  if (model_.acknowledged() == 0) return;
  const Offset offset = model_.offset(which % model_.acknowledged());
  const bool covered = offset <= model_.trim_asked();
  const auto accepted = log_->trim(offset, [this, offset, covered](const Result<Offset>& result) {
    model_.trim_answered(offset, covered, result);
    if (result) ++seen_.trimmed;
  });
  if (accepted) {
    model_.trim_asked(offset);
  } else if (accepted.error().code != ErrorCode::below_trim &&
             accepted.error().code != ErrorCode::would_block) {
    model_.complain("trim: " + accepted.error().message());
  }
}

void LogRun::settle() {
  const auto poll = [this] {
    while (!log_->finished() && log_->poll(scheduler_.now()) <= scheduler_.now()) {
    }
  };
  poll();
  while (disk_.in_flight() > 0) {
    disk_.complete(0);
    poll();
  }
}

void LogRun::end(const Life& life) {
  if (life.ending == Ending::power_cut || life.ending == Ending::kill) {
    crash(life.ending == Ending::kill);
    return;
  }
  log_->close();
  settle();
  if (!log_->finished()) {
    model_.complain("it does not close");
    return;
  }
  model_.closed();
  log_.reset();
  device_.reset();
  if (life.ending == Ending::close_and_power_cut) disk_.lose_power();
}

void LogRun::crash(bool kill) {
  ++seen_.crashes;
  if (disk_.writes_in_flight() + disk_.writes_cached() >= 2) ++seen_.crashes_in_doubt;
  if (kill) {
    disk_.kill();
  } else {
    disk_.lose_power();
  }
  log_.reset();
  device_.reset();
  model_.crashed();
}

// As RC_GTEST_PROP does it, but more often than a hundred times.
TEST(LogModel, KeepsWhatItToldThroughCrashesOfEveryKind) {
  Seen seen;
  const auto property = [&seen] {
    const Setting setting = *arbitrary_setting();
    const std::vector<Life> lives = *list_of(5, arbitrary_life());
    LogRun run(setting, seen);
    for (const Life& life : lives) {
      run.live(life);
      RC_ASSERT(run.model().complaint() == "");
    }
    run.live({.ending = Ending::close});
    RC_ASSERT(run.model().complaint() == "");
  };
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  const int cases = std::getenv("SEQWAL_LONG") != nullptr ? 30'000 : 1'000;
  params.maxSuccess = std::max(params.maxSuccess, cases);
  rc::detail::TestMetadata metadata;
  metadata.id = metadata.description = "LogModel";
  const auto result = rc::detail::checkTestable(property, metadata, params);
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  ASSERT_TRUE(result.is<rc::detail::SuccessResult>()) << text.str();

  // A campaign in which little is at stake would prove little.
  const auto at_least = [&](std::uint64_t count, int per_hundred_cases, const char* what) {
    RecordProperty(what, static_cast<int>(count));
    EXPECT_GE(count * 100, static_cast<std::uint64_t>(cases * per_hundred_cases)) << what;
  };
  at_least(seen.crashes, 100, "crashes");
  at_least(seen.crashes_in_doubt, 25, "crashes with several writes in doubt");
  at_least(seen.crashes_while_opening, 10, "crashes while opening");
  at_least(seen.kept, 300, "records that had to be recovered");
  at_least(seen.trimmed, 80, "trims that were done");
}

}  // namespace
}  // namespace seqwal
