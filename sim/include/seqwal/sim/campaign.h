// Campaign: many worlds, on all cores; and what is done about one that broke a promise.
#ifndef SEQWAL_SIM_CAMPAIGN_H
#define SEQWAL_SIM_CAMPAIGN_H

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "seqwal/sim/choice.h"
#include "seqwal/sim/world.h"

namespace seqwal::sim {

// Crash → recover → verify cycles of one world.
inline constexpr std::uint64_t kCyclesPerWorld = 16;
// So many worlds a campaign may always have.
inline constexpr std::uint64_t kFewestWorlds = 100;

struct CampaignOptions {
  Profile profile = Profile::swarm;
  std::uint64_t seed = 1;  // of the first world; the next ones count up
  // As many worlds as it takes for so many; not all worlds have 16. At most a world a cycle, and
  // kFewestWorlds.
  std::uint64_t cycles = 1;
  double seconds = 0;  // or as many as there is time for, when this is not 0
  unsigned threads = 1;
  // Before each world, on the thread that runs it: which seed, and how many cycles there were.
  std::function<void(unsigned thread, std::uint64_t seed, std::uint64_t cycles)> on_world = {};
};

struct CampaignReport {
  WorldReport total;  // sums; the hash and the violation mean nothing here
  std::uint64_t worlds = 0;
  double seconds = 0;
  // Of all traces, in whatever order the worlds ran.
  std::uint64_t trace_hash = 0;
  // The worlds were used up before there were as many cycles as asked for: hardly any log gets as
  // far as a crash and the recovery after it.
  bool barren = false;
  // The violation of the lowest seed that broke a promise.
  std::optional<Violation> violation;
  std::uint64_t violating_seed = 0;
};

// Ends early at the first violation.
[[nodiscard]] CampaignReport run_campaign(const CampaignOptions& options);

// Adds up everything that can be added.
void add(WorldReport& total, const WorldReport& world);

// --- one run, kept

// A run as a file: what is needed to do it again, and why somebody kept it.
struct Recording {
  std::string why;  // one line
  std::string bug;  // the planted one, of tests/mutants, that breaks this run; may be empty
  Profile profile = Profile::swarm;
  std::optional<std::uint64_t> seed;  // or else
  ChoiceList list;

  [[nodiscard]] std::string to_text() const;
  // The error says which line is wrong, and how.
  [[nodiscard]] static std::expected<Recording, std::string> from_text(std::string_view text);
};

// Runs it once more. `sink` sees the events, may be empty.
[[nodiscard]] WorldReport replay(const Recording& recording, WorldSupplies& supplies,
                                 const Trace::Sink& sink = {});

// The choices that a seed makes.
[[nodiscard]] ChoiceList record_seed(std::uint64_t seed, Profile profile, WorldSupplies& supplies);

// Fewer and smaller choices that still fail: `fails` runs a list and says whether it shows the same
// violation. At most `attempts` runs.
[[nodiscard]] ChoiceList shrink(ChoiceList list, std::uint64_t attempts,
                                const std::function<bool(const ChoiceList&)>& fails);

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_CAMPAIGN_H
