// The log that measurements write to. What they find on it is lost, so they only take one of their
// own, one that holds nothing, or a place where nothing stands.
#pragma once

#include <cstdint>

#include "cli.h"
#include "seqwal/backends/open.h"
#include "seqwal/error.h"

namespace seqwal::bench {

struct ScratchOptions {
  tool::LogFlags log;
  std::uint64_t capacity_bytes = 0;  // 0 = as it stands there
  bool force = false;                // overwrite whatever stands there
  bool reads_only = false;           // any log that stands there will do, and stays as it is
  std::uint32_t depth = 0;           // requests in flight that the device must take
};

// Opens it, and makes it where it is missing or has another capacity. Errors: already_exists where
// something else stands, and those of opening and creating.
[[nodiscard]] Result<OpenedDevice> open_scratch_log(const ScratchOptions& options);

}  // namespace seqwal::bench
