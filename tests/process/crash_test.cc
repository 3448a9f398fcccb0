// Real processes, killed: whatever `append --acks` acknowledged is recovered, byte for byte, in
// order, at its offset; and nothing is recovered that was not appended. Each writer either discards
// what the one before left, or resumes it.
//
// The moments of the kills are not reproducible, the records are: a failure prints the seed, and
// leaves the log as it was found beside its name.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <optional>
#include <random>
#include <utility>

#include "seqwal/format.h"
#include "tests/process/crash_oracle.h"
#include "tests/process/tool_test.h"

namespace seqwal::process {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// One way to write a log, and how much is offered to a writer at most.
struct Setting {
  const char* device;
  const char* format;
  Mix mix;
  const char* capacity;
  std::size_t offered_bytes;
};

constexpr std::array kSettings = {
    Setting{.device = "uring",
            .format = "0",
            .mix = Mix::tiny,
            .capacity = "16MiB",
            .offered_bytes = 2 * kMiB},
    Setting{.device = "threads",
            .format = "1",
            .mix = Mix::small,
            .capacity = "24MiB",
            .offered_bytes = 12 * kMiB},
    Setting{.device = "uring",
            .format = "1",
            .mix = Mix::mixed,
            .capacity = "32MiB",
            .offered_bytes = 24 * kMiB},
    Setting{.device = "threads",
            .format = "0",
            .mix = Mix::long_ones,
            .capacity = "48MiB",
            .offered_bytes = 32 * kMiB},
    Setting{.device = "uring",
            .format = "0",
            .mix = Mix::blocks,
            .capacity = "32MiB",
            .offered_bytes = 20 * kMiB},
};

std::string to_text(const Setting& setting) {
  return fmt::format("{} format {} {} records", setting.device, setting.format,
                     to_text(setting.mix));
}

struct Totals {
  int kills = 0;
  int killed_unacknowledged = 0;  // before the first acknowledgement
  std::uint64_t acknowledged = 0;
  std::uint64_t beyond = 0;  // recovered though not acknowledged
};

// When a writer is killed: after that many acknowledgements or that time, whichever is first.
struct Moment {
  std::uint64_t acknowledgements = 0;
  microseconds time{0};
};

enum class Start { reset, resume };

class CrashTest : public ToolTest {
 protected:
  static int kills_wanted() {
    const char* const is_long = std::getenv("SEQWAL_LONG");
    return is_long != nullptr && std::string(is_long) == "1" ? 250 : 25;
  }

  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    std::random_device entropy;
    seed_ = std::uint64_t{entropy()} << 32U | entropy();
    if (const char* const given = std::getenv("SEQWAL_SEED"))
      seed_ = std::strtoull(given, nullptr, 0);
    random_.seed(seed_);
  }

  void kill_again_and_again(const char* where, Start start) {
    start_ = start;
    const int kills_per_setting = kills_wanted() / static_cast<int>(kSettings.size());
    Totals totals;
    for (const Setting& setting : kSettings) {
      SCOPED_TRACE(fmt::format("SEQWAL_SEED={} {}", seed_, to_text(setting)));
      create(setting.capacity, {"--format", setting.format, "--force"});
      found_.clear();
      const int target = totals.kills + kills_per_setting;
      // A writer that is done before its moment counts as no kill; its log is checked all the same.
      for (int life = 0; totals.kills < target && life < 4 * kills_per_setting; ++life) {
        live_and_die(setting, totals);
        if (HasFatalFailure()) return;
      }
      ASSERT_EQ(totals.kills, target) << "most writers were done before they were killed";
    }
    fmt::print(
        "{}, {}: {} kills ({} of them before the first acknowledgement), {} records "
        "acknowledged, {} recovered beyond them, none lost, none foreign\n",
        where, start == Start::reset ? "reset" : "resumed", totals.kills,
        totals.killed_unacknowledged, totals.acknowledged, totals.beyond);
  }

 private:
  void live_and_die(const Setting& setting, Totals& totals) {
    const RecordSource source(random_(), setting.mix);
    Life life;
    life.contiguous = std::string(setting.format) == "1";
    life.resumes = start_ == Start::resume;
    if (life.resumes) {
      ASSERT_NO_FATAL_FAILURE(make_room(setting));
    }
    life.before = std::exchange(found_, {});
    const bool killed = run_writer(setting, source, life);
    ASSERT_NO_FATAL_FAILURE(read_back());
    const auto wrong = complaint(life, source, found_);
    ASSERT_FALSE(wrong.has_value())
        << *wrong << "\nkill " << totals.kills << ", " << life.acknowledged.size()
        << " acknowledged, " << found_.size() << " recovered; the log is kept in " << keep_log();
    totals.kills += killed ? 1 : 0;
    totals.killed_unacknowledged += killed && life.acknowledged.empty() ? 1 : 0;
    totals.acknowledged += life.acknowledged.size();
    const bool anew = !life.acknowledged.empty() || found_ != life.before;
    if (anew) {
      totals.beyond +=
          found_.size() - life.acknowledged.size() - (life.resumes ? life.before.size() : 0);
    }
  }

  // A log that is resumed fills up: most of it is trimmed before there would be no room for another
  // writer.
  void make_room(const Setting& setting) {
    std::size_t held_bytes = 0;
    for (const Recovered& record : found_) held_bytes += record.body.size();
    if (held_bytes < setting.offered_bytes / 4) return;
    const std::size_t last = found_.size() - 1 - found_.size() / 8;
    const std::vector<Recovered> kept(found_.begin() + static_cast<std::ptrdiff_t>(last) + 1,
                                      found_.end());
    ASSERT_THAT(run("trim", {fmt::format("{}", found_[last].offset)}), Exits(0));
    ASSERT_NO_FATAL_FAILURE(read_back());
    ASSERT_TRUE(found_ == kept) << "a trim changed what is left";
  }

  // Half of the moments lie anywhere in the life of a writer, half in its first milliseconds, where
  // it recovers and resets.
  Moment draw_moment(const Setting& setting) {
    const auto below = [this](std::uint64_t limit) {
      return std::uniform_int_distribution<std::uint64_t>(0, limit)(random_);
    };
    std::uint64_t average = 0;
    for (std::uint64_t i = 0; i < 16; ++i) {
      average += RecordSource(seed_, setting.mix).record(i).size() / 16 + 1;
    }
    const std::uint64_t expected = setting.offered_bytes / average;
    if (below(1) == 0)
      return {.acknowledgements = below(expected * 3 / 4), .time = microseconds(3'000'000)};
    return {.acknowledgements = expected, .time = microseconds(below(80'000))};
  }

  // Feeds a writer and listens to it until its moment has come. False: it was done before.
  bool run_writer(const Setting& setting, const RecordSource& source, Life& life) {
    const Moment moment = draw_moment(setting);
    const auto deadline = Clock::now() + moment.time;
    Arguments arguments = {"append", log(), "--frames", "--acks", "--device", setting.device};
    if (start_ == Start::reset) arguments.emplace_back("--reset");
    RunningTool tool(arguments, {});
    std::string pending;
    std::size_t pending_sent = 0;
    std::size_t offered_bytes = 0;
    std::string said;
    std::string errors;
    bool ended = false;
    // Stdin stays open when everything was offered: the writer then waits to be killed.
    while (!ended && Clock::now() < deadline &&
           life.acknowledged.size() <= moment.acknowledgements) {
      while (pending.size() - pending_sent < kPendingBytes &&
             offered_bytes < setting.offered_bytes) {
        const std::string body = source.record(life.offered++);
        offered_bytes += body.size();
        pending.erase(0, pending_sent);
        pending_sent = 0;
        pending += frame(body);
      }
      const bool more = pending_sent < pending.size();
      if (more) {
        const ssize_t sent =
            ::write(tool.in(), pending.data() + pending_sent, pending.size() - pending_sent);
        if (sent > 0) pending_sent += static_cast<std::size_t>(sent);
      }
      std::array<pollfd, 2> fds{pollfd{.fd = pending_sent < pending.size() ? tool.in() : -1,
                                       .events = POLLOUT,
                                       .revents = 0},
                                {.fd = tool.out(), .events = POLLIN, .revents = 0}};
      static_cast<void>(::poll(fds.data(), fds.size(), 1));
      ended = drain(tool.out(), said) == ReadState::ended;
      take_acknowledgements(said, life);
    }
    tool.kill();
    const Outcome outcome = tool.reap();
    // What is in the pipe was acknowledged, too.
    while (drain(tool.out(), said) == ReadState::more_later) {
    }
    take_acknowledgements(said, life);
    static_cast<void>(drain(tool.err(), errors));
    EXPECT_TRUE(outcome.signal == SIGKILL || outcome.exit_code == 4) << outcome.exit_code << errors;
    return outcome.signal == SIGKILL;
  }

  // Whole lines only: the last one may have been cut.
  static void take_acknowledgements(std::string& said, Life& life) {
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = said.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      std::int64_t offset = -1;
      const auto [rest, error] = std::from_chars(said.data() + begin, said.data() + end, offset);
      ASSERT_TRUE(error == std::errc{} && rest == said.data() + end)
          << "not an acknowledgement: " << said.substr(begin, end - begin);
      life.acknowledged.push_back(offset);
    }
    said.erase(0, begin);
  }

  // Fills found_: offsets from one run of recover, bodies from another.
  void read_back() {
    found_.clear();
    Arguments how = {"--frames"};
    // What a resume keeps is the prefix.
    if (start_ == Start::resume) how.emplace_back("--prefix");
    const Outcome framed = run("recover", how);
    ASSERT_THAT(framed, Exits(0));
    how.front() = "--json";
    const Outcome listed = run("recover", how);
    ASSERT_THAT(listed, Exits(0));
    const std::vector<std::string> lines = lines_of(listed.out);
    std::vector<std::string> bodies = unframe(framed.out);
    ASSERT_EQ(lines.size(), bodies.size() + 1);
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const Json object = Json::parse(lines[i]);
      ASSERT_EQ(object["length"], bodies[i].size());
      ASSERT_EQ(object["checksum"], checksum(std::as_bytes(std::span(bodies[i]))));
      found_.push_back({.offset = object["offset"], .body = std::move(bodies[i])});
    }
    const Json summary = Json::parse(lines.back())["summary"];
    ASSERT_EQ(summary["records"], found_.size());
    ASSERT_EQ(summary["damage"], Json::array());
  }

  [[nodiscard]] std::string keep_log() const {
    const std::string kept = fmt::format("/var/tmp/seqwal-crash-{}.log", seed_);
    write_file(kept, read_whole_file(log()));
    return kept;
  }

  static constexpr std::size_t kPendingBytes = std::size_t{1} << 18U;
  Start start_ = Start::reset;
  std::uint64_t seed_ = 0;
  std::mt19937_64 random_;
  std::vector<Recovered> found_;  // what the log held when it was last read
};

class CrashTestStarting : public CrashTest, public testing::WithParamInterface<Start> {};

INSTANTIATE_TEST_SUITE_P(By, CrashTestStarting, testing::Values(Start::reset, Start::resume),
                         [](const auto& test) {
                           return test.param == Start::reset ? "Reset" : "Resume";
                         });

TEST_P(CrashTestStarting, EverythingAcknowledgedSurvivesAKillOnAFile) {
  kill_again_and_again("file", GetParam());
}

TEST_P(CrashTestStarting, EverythingAcknowledgedSurvivesAKillOnALoopDevice) {
  write_file(dir() / "backing", 64 * kMiB);
  auto attached = LoopDevice::attach(dir() / "backing");
  if (!attached) GTEST_SKIP() << "no loop device: " << attached.error();
  use(attached->path());
  kill_again_and_again("loop device", GetParam());
}

}  // namespace
}  // namespace seqwal::process
