// World: one disk, the processes that open a log on it one after the other, their clients, and the
// crashes between them. A function of its choices alone.
//
// A life: attach, open, recover, check, reset, clients append, trim and wait, until the power goes,
// the process is killed, or the log is closed. Then the next life, on what is left.
//
// Threads: a world belongs to one; any number of worlds run side by side.
#ifndef SEQWAL_SIM_WORLD_H
#define SEQWAL_SIM_WORLD_H

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "seqwal/sim/choice.h"
#include "seqwal/sim/fault.h"
#include "seqwal/sim/oracle.h"
#include "seqwal/sim/scheduler.h"
#include "seqwal/sim/trace.h"

namespace seqwal::sim {

// Which faults there are, and what is demanded.
enum class Profile : std::uint8_t {
  swarm,     // each world one of the others, by choice
  crash,     // power cuts and kills, and what every disk does
  faults,    // also requests that fail
  media,     // also a disk that lies: nothing foreign, no crash
  rot,       // a disk that is well, but what it holds at rest is damaged: told, below the watermark
  liveness,  // faults, then healing: everything pending resolves, and a full log drains
  canary,    // a disk that lies, and an oracle that was not told: it must see a broken promise
};
inline constexpr std::array<std::string_view, 7> kProfileNames = {
    "swarm", "crash", "faults", "media", "rot", "liveness", "canary"};

// What a process was doing when something happened.
enum class State : std::uint8_t {
  creating,
  opening,
  recovering,
  resetting,       // or resuming
  running,         // nothing special
  header_writing,  // a header write in flight: trim, window growth
  full,            // the ring had no room for an append
  failing,         // the log has failed, callbacks are still to run
  closing,
};
inline constexpr std::size_t kStates = 9;
inline constexpr std::array<std::string_view, kStates> kStateNames = {
    "creating", "opening", "recovering", "resetting", "running",
    "header",   "full",    "failing",    "closing"};

// Rows of the coverage: every Fault, then these.
inline constexpr std::size_t kPowerCutRow = kFaults;
inline constexpr std::size_t kKillRow = kFaults + 1;
inline constexpr std::size_t kCoverageRows = kFaults + 2;
using Coverage = std::array<std::array<std::uint64_t, kStates>, kCoverageRows>;

// Damage at rest, by what recovery made of it.
struct Injuries {
  std::uint64_t harmless = 0;  // nothing acknowledged was lost, nothing said
  std::uint64_t alarms = 0;    // nothing acknowledged was lost, damage reported all the same
  std::uint64_t detected = 0;  // acknowledged records were lost, and this was said
  std::uint64_t silent = 0;    // and was not: all of it above the greatest watermark on the disk
  // An old copy of the block write in whose place a resume went on came back, and was taken for it.
  std::uint64_t revived = 0;
  // The same ones, by how the life before had ended.
  std::uint64_t after_closes = 0;
  std::uint64_t after_silence = 0;  // a crash that nobody had appended before for long
  std::uint64_t after_crashes = 0;  // other ones, and lives that ended early
};

struct WorldReport {
  std::uint64_t cycles = 0;  // crash (or a disk that was healed) → recover → verify
  std::uint64_t crashes = 0;
  std::uint64_t appended = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t in_flight_at_crash = 0;  // writes, summed over crashes
  std::uint64_t wrapped = 0;             // crashes of a log that had gone round since its reset
  std::uint64_t lives = 0;
  std::uint64_t resumes = 0;
  // Roads between formats and writers.
  std::uint64_t foreign_lives = 0;  // a writer that knows no evidence had the log
  std::uint64_t adopted = 0;        // resumes of a log without evidence that holds records
  std::uint64_t not_adopted = 0;    // and those that were refused
  std::uint64_t upgraded = 0;       // resets from version 0 to 1
  std::uint64_t downgraded = 0;     // and back
  Injuries injuries;
  std::uint64_t steps = 0;
  std::uint64_t events = 0;  // rows of the trace
  std::array<std::uint64_t, kFaults> faults{};
  Coverage coverage{};
  std::uint64_t trace_hash = 0;
  std::optional<Violation> violation;
};

struct WorldOptions {
  Profile profile = Profile::swarm;
  std::uint64_t cycles = 16;
};

// What worlds of one thread share, so that none of them starts from nothing: fibers, and the bytes
// that bodies are cut from.
class WorldSupplies {
 public:
  WorldSupplies();
  ~WorldSupplies();
  WorldSupplies(const WorldSupplies&) = delete;
  WorldSupplies& operator=(const WorldSupplies&) = delete;

  [[nodiscard]] FiberPool& fibers() { return fibers_; }
  [[nodiscard]] std::span<const std::byte> noise() const { return noise_; }

 private:
  FiberPool fibers_;
  std::vector<std::byte> noise_;
};

[[nodiscard]] WorldReport run_world(const WorldOptions& options, Choices& choices, Trace& trace,
                                    WorldSupplies& supplies);

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_WORLD_H
