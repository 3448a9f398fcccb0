// One measurement of appends on a real device.
#pragma once

#include "bench/figures.h"
#include "bench/write_options.h"
#include "seqwal/backends/open.h"

namespace seqwal::bench {

struct RunResult {
  Figures figures;
  ErrorCode refused =
      ErrorCode::over_capacity;  // why appends failed at once; this one: they did not
};

// Opens the target on `opened` and appends to it, first for the warm-up, then counted.
[[nodiscard]] Result<RunResult> run_write(const WriteOptions& options, OpenedDevice& opened);

// The processor time that this process has used, all threads, user and system.
[[nodiscard]] double cpu_seconds();

// 0, or what to exit with because of what went wrong while it was measured; says so.
[[nodiscard]] tool::Exit judge(const RunResult& result, const std::string& path);

}  // namespace seqwal::bench
