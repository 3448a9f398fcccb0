// Target: what clients append to, the log or the baseline. Driven by its loop "poll, wait", as a
// Log is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "seqwal/callback.h"
#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/executor.h"
#include "seqwal/host.h"
#include "seqwal/log.h"
#include "seqwal/metrics.h"
#include "seqwal/types.h"

namespace seqwal::bench {

enum class Acks : std::uint8_t {
  ordered,   // the log
  parallel,  // the baseline: callbacks as block writes complete
};

struct TargetOptions {
  Acks acks = Acks::ordered;
  Durability durability = Durability::automatic;
  std::uint64_t iops = 0;                // writes a second to stay below, 0 = no limit
  std::uint64_t bandwidth = 0;           // bytes a second, 0 = no limit
  std::uint32_t depth = 0;               // block writes in flight, 0 = as the log decides
  std::optional<Nanoseconds> plug = {};  // for clients that come back; nothing = as it comes
  Executor* executor = nullptr;          // of the log's callbacks; not owned
};

// The one place where options of the command line become the log's.
[[nodiscard]] LogOptions log_options(const TargetOptions& options);

class Target {
 public:
  virtual ~Target() = default;

  // As Log::append, but the body stays the caller's, unchanged, until its callback. `key`:
  // AppendOptions::key.
  [[nodiscard]] virtual Result<Offset> append(std::span<const std::byte> body,
                                              AppendCallback callback, std::uint64_t key) = 0;
  // As Log::trim.
  [[nodiscard]] virtual Result<void> trim(Offset offset) = 0;
  // Every record that begins below it is durable.
  [[nodiscard]] virtual Offset durable() const = 0;

  // As those of Log.
  [[nodiscard]] virtual Nanoseconds poll(Nanoseconds now) = 0;
  [[nodiscard]] virtual bool finished() const = 0;
  virtual void close() = 0;

  // Of the log; nothing for the baseline.
  [[nodiscard]] virtual std::optional<LogMetrics> metrics() const = 0;
};

// Opens the log on `device`, discards what it holds and starts anew. `device` and `host` must
// outlive the target.
[[nodiscard]] Result<std::unique_ptr<Target>> open_target(Device& device, Host& host,
                                                          const TargetOptions& options);

}  // namespace seqwal::bench
