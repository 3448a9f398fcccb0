#include "seqwal/sim/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace seqwal::sim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kFirstLine = "seqwal-sim replay 1";

// What the threads of a campaign share.
struct Shared {
  const CampaignOptions& options;
  Clock::time_point end;
  std::uint64_t worlds = 0;  // of this round and those before
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> cycles{0};  // of the worlds that have ended
  std::atomic<bool> stop{false};
  std::mutex mutex = {};  // of report
  CampaignReport report = {};
};

void run_worlds(Shared& shared, unsigned thread) {
  const CampaignOptions& options = shared.options;
  WorldSupplies supplies;
  CampaignReport mine;
  while (!shared.stop.load(std::memory_order_relaxed)) {
    if (options.seconds > 0 && Clock::now() >= shared.end) break;
    const std::uint64_t index = shared.next.fetch_add(1, std::memory_order_relaxed);
    if (index >= shared.worlds) break;
    const std::uint64_t seed = options.seed + index;
    if (options.on_world) {
      options.on_world(thread, seed, shared.cycles.load(std::memory_order_relaxed));
    }
    SeedChoices choices(seed);
    Trace trace;
    const WorldReport report = run_world({.profile = options.profile, .cycles = kCyclesPerWorld},
                                         choices, trace, supplies);
    add(mine.total, report);
    shared.cycles.fetch_add(report.cycles, std::memory_order_relaxed);
    ++mine.worlds;
    mine.trace_hash += mix(report.trace_hash ^ mix(seed));
    if (report.violation) {
      mine.violation = report.violation;
      mine.violating_seed = seed;
      shared.stop.store(true, std::memory_order_relaxed);
    }
  }
  const std::lock_guard lock(shared.mutex);
  CampaignReport& all = shared.report;
  add(all.total, mine.total);
  all.worlds += mine.worlds;
  all.trace_hash += mine.trace_hash;
  if (mine.violation && (!all.violation || mine.violating_seed < all.violating_seed)) {
    all.violation = mine.violation;
    all.violating_seed = mine.violating_seed;
  }
}

void run_round(Shared& shared) {
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(shared.options.threads, 1U); ++i) {
    threads.emplace_back([&shared, i] { run_worlds(shared, i); });
  }
  run_worlds(shared, 0);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

void add(WorldReport& total, const WorldReport& world) {
  total.cycles += world.cycles;
  total.crashes += world.crashes;
  total.appended += world.appended;
  total.acknowledged += world.acknowledged;
  total.in_flight_at_crash += world.in_flight_at_crash;
  total.wrapped += world.wrapped;
  total.lives += world.lives;
  total.steps += world.steps;
  total.resumes += world.resumes;
  total.foreign_lives += world.foreign_lives;
  total.adopted += world.adopted;
  total.not_adopted += world.not_adopted;
  total.upgraded += world.upgraded;
  total.downgraded += world.downgraded;
  total.injuries.harmless += world.injuries.harmless;
  total.injuries.alarms += world.injuries.alarms;
  total.injuries.detected += world.injuries.detected;
  total.injuries.silent += world.injuries.silent;
  total.injuries.revived += world.injuries.revived;
  total.injuries.after_closes += world.injuries.after_closes;
  total.injuries.after_silence += world.injuries.after_silence;
  total.injuries.after_crashes += world.injuries.after_crashes;
  for (std::size_t i = 0; i < kFaults; ++i) total.faults.at(i) += world.faults.at(i);
  for (std::size_t row = 0; row < kCoverageRows; ++row) {
    for (std::size_t state = 0; state < kStates; ++state) {
      total.coverage.at(row).at(state) += world.coverage.at(row).at(state);
    }
  }
}

CampaignReport run_campaign(const CampaignOptions& options) {
  const auto begin = Clock::now();
  Shared shared{.options = options,
                .end = begin + std::chrono::duration_cast<Clock::duration>(
                                   std::chrono::duration<double>(options.seconds))};
  if (options.seconds > 0) {
    shared.worlds = std::numeric_limits<std::uint64_t>::max();
    run_round(shared);
  }
  const std::uint64_t most_worlds = std::max(options.cycles, kFewestWorlds);
  // How many worlds there are depends on nothing but the cycles that those before had.
  while (options.seconds <= 0 && !shared.report.violation && !shared.report.barren &&
         shared.report.total.cycles < options.cycles) {
    const std::uint64_t missing = options.cycles - shared.report.total.cycles;
    shared.worlds =
        std::min(shared.worlds + (missing + kCyclesPerWorld - 1) / kCyclesPerWorld, most_worlds);
    shared.next.store(shared.report.worlds);
    run_round(shared);
    shared.report.barren =
        shared.worlds == most_worlds && shared.report.total.cycles < options.cycles;
  }
  shared.report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return shared.report;
}

// --- recordings -------------------------------------------------------------------------------

std::string Recording::to_text() const {
  std::string text = fmt::format("{}\nwhy {}\n", kFirstLine, why);
  if (!bug.empty()) text += fmt::format("bug {}\n", bug);
  text += fmt::format("profile {}\n", kProfileNames.at(static_cast<std::size_t>(profile)));
  return text + (seed ? fmt::format("seed {}\n", *seed) : list.to_text());
}

std::expected<Recording, std::string> Recording::from_text(std::string_view text) {
  Recording recording;
  std::string streams;
  bool first = true;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (std::exchange(first, false)) {
      if (line != kFirstLine) {
        return std::unexpected(fmt::format("the first line is not '{}'", kFirstLine));
      }
      continue;
    }
    const std::string_view word = line.substr(0, line.find(' '));
    const std::string_view rest = line.substr(std::min(line.size(), word.size() + 1));
    if (word == "why") {
      recording.why = rest;
    } else if (word == "bug") {
      recording.bug = rest;
    } else if (word == "profile") {
      const auto name = std::ranges::find(kProfileNames, rest);
      if (name == kProfileNames.end()) {
        return std::unexpected(fmt::format("there is no profile '{}'", rest));
      }
      recording.profile = static_cast<Profile>(name - kProfileNames.begin());
    } else if (word == "seed") {
      std::uint64_t seed = 0;
      const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), seed);
      if (parsed.ec != std::errc{} || parsed.ptr != rest.data() + rest.size()) {
        return std::unexpected(fmt::format("'{}' is no seed", rest));
      }
      recording.seed = seed;
    } else {
      streams += line;
      streams += '\n';
    }
  }
  if (first) return std::unexpected("it is empty");
  auto list = ChoiceList::from_text(streams);
  if (!list) return std::unexpected(list.error());
  recording.list = std::move(*list);
  if (!recording.seed && streams.empty()) {
    return std::unexpected("it holds neither a seed nor choices");
  }
  return recording;
}

WorldReport replay(const Recording& recording, WorldSupplies& supplies, const Trace::Sink& sink) {
  Trace trace(sink);
  const WorldOptions options{.profile = recording.profile, .cycles = kCyclesPerWorld};
  if (recording.seed) {
    SeedChoices choices(*recording.seed);
    return run_world(options, choices, trace, supplies);
  }
  ListChoices choices(recording.list);
  return run_world(options, choices, trace, supplies);
}

ChoiceList record_seed(std::uint64_t seed, Profile profile, WorldSupplies& supplies) {
  SeedChoices choices(seed);
  RecordingChoices recording(choices);
  Trace trace;
  (void)run_world({.profile = profile, .cycles = kCyclesPerWorld}, recording, trace, supplies);
  return recording.list();
}

// --- shrinking --------------------------------------------------------------------------------

namespace {

// Every step keeps what fails. A list fails like a longer one with zeroes behind it.
class Shrinker {
 public:
  Shrinker(ChoiceList list, std::uint64_t attempts,
           const std::function<bool(const ChoiceList&)>& fails)
      : best_(std::move(list)), attempts_left_(attempts), fails_(fails) {}

  ChoiceList run() {
    bool better = true;
    while (better && attempts_left_ > 0) {
      better = drop_parts();
      for (std::size_t part = 0; part < best_.parts.size(); ++part) {
        for (std::size_t stream = 0; stream < kStreams; ++stream) {
          better = empty(part, stream) || better;
          better = drop_groups(part, stream) || better;
          better = zero_chunks(part, stream) || better;
        }
      }
      for (std::size_t part = 0; part < best_.parts.size(); ++part) {
        for (std::size_t stream = 0; stream < kStreams; ++stream) {
          better = lower_values(part, stream) || better;
        }
      }
    }
    cut_zeroes();
    return best_;
  }

 private:
  using Answers = ChoiceList::Answers;

  [[nodiscard]] const Answers& answers(std::size_t part, std::size_t stream) const {
    return best_.parts[part].at(stream);
  }

  bool attempt(ChoiceList&& candidate) {
    if (attempts_left_ == 0) return false;
    --attempts_left_;
    if (!fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  bool replace(std::size_t part, std::size_t stream, Answers&& by) {
    if (by == answers(part, stream)) return false;
    ChoiceList candidate = best_;
    candidate.parts[part].at(stream) = std::move(by);
    return attempt(std::move(candidate));
  }

  // Whole lives, many at once, then fewer. What is before them all stays.
  bool drop_parts() {
    bool better = false;
    for (std::size_t count = best_.parts.size() - 1; count > 0; count /= 2) {
      for (std::size_t first = 1; first < best_.parts.size();) {
        ChoiceList candidate = best_;
        const std::size_t end = std::min(first + count, candidate.parts.size());
        candidate.parts.erase(candidate.parts.begin() + static_cast<std::ptrdiff_t>(first),
                              candidate.parts.begin() + static_cast<std::ptrdiff_t>(end));
        if (attempt(std::move(candidate))) {
          better = true;
        } else {
          first += count;
        }
        if (attempts_left_ == 0) return better;
      }
    }
    return better;
  }

  bool empty(std::size_t part, std::size_t stream) { return replace(part, stream, {}); }

  // Whole operations, many at once, then fewer.
  bool drop_groups(std::size_t part, std::size_t stream) {
    bool better = false;
    for (std::size_t count = group_starts(part, stream).size(); count > 0; count /= 2) {
      for (std::size_t first = 0; first < group_starts(part, stream).size();) {
        const auto starts = group_starts(part, stream);
        Answers shorter = answers(part, stream);
        const std::size_t end =
            first + count < starts.size() ? starts[first + count] : shorter.size();
        shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(starts[first]),
                      shorter.begin() + static_cast<std::ptrdiff_t>(end));
        if (replace(part, stream, std::move(shorter))) {
          better = true;
        } else {
          first += count;
        }
        if (attempts_left_ == 0) return better;
      }
    }
    return better;
  }

  [[nodiscard]] std::vector<std::size_t> group_starts(std::size_t part, std::size_t stream) const {
    std::vector<std::size_t> starts;
    const Answers& all = answers(part, stream);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].begins_group) starts.push_back(i);
    }
    return starts;
  }

  bool zero_chunks(std::size_t part, std::size_t stream) {
    bool better = false;
    for (std::size_t length = answers(part, stream).size(); length > 0; length /= 2) {
      for (std::size_t at = 0; at < answers(part, stream).size(); at += length) {
        Answers simpler = answers(part, stream);
        const std::size_t end = std::min(at + length, simpler.size());
        for (std::size_t i = at; i < end; ++i) simpler[i].value = 0;
        better = replace(part, stream, std::move(simpler)) || better;
        if (attempts_left_ == 0) return better;
      }
    }
    return better;
  }

  bool lower_values(std::size_t part, std::size_t stream) {
    bool better = false;
    for (std::size_t i = 0; i < answers(part, stream).size(); ++i) {
      while (answers(part, stream)[i].value > 1 && attempts_left_ > 0) {
        Answers lower = answers(part, stream);
        lower[i].value /= 2;
        if (!replace(part, stream, std::move(lower))) break;
        better = true;
      }
    }
    return better;
  }

  void cut_zeroes() {
    for (ChoiceList::Part& part : best_.parts) {
      for (Answers& answers : part) {
        while (!answers.empty() && answers.back().value == 0) answers.pop_back();
      }
    }
  }

  ChoiceList best_;
  std::uint64_t attempts_left_;
  const std::function<bool(const ChoiceList&)>& fails_;
};

}  // namespace

ChoiceList shrink(ChoiceList list, std::uint64_t attempts,
                  const std::function<bool(const ChoiceList&)>& fails) {
  return Shrinker(std::move(list), attempts, fails).run();
}

}  // namespace seqwal::sim
