// The options of `seqwal-bench write`, which compare takes too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/clients/clients.h"
#include "bench/figures.h"
#include "bench/scratch_log.h"
#include "bench/target.h"

namespace seqwal::bench {

struct WriteOptions {
  ScratchOptions scratch;  // its LogFlags have path, device, durability and json
  ClientOptions clients;
  TargetOptions target;
  bool blocking = false;               // clients are threads that wait
  std::uint32_t callback_threads = 0;  // 0: callbacks run on the log's thread
  double seconds = 5;
  double warmup_s = 1;
  std::vector<double> volume;  // --volume: writes a second, bytes a second, microseconds; or none

  [[nodiscard]] bool is_open_loop() const { return clients.arrivals_per_second != 0; }
};

// Adds all of them. The references stay in use until the command runs.
void add_write_options(CLI::App& command, WriteOptions& options);
// Adds those of one client and of the log: --pipeline, --record-size, --iops, --bandwidth, --depth.
void add_load_options(CLI::App& command, ClientOptions& clients, TargetOptions& target);
// Adds --acks.
void add_acks_option(CLI::App& command, Acks& acks);

// A size that a record's body may have, for CLI::Option::check.
[[nodiscard]] std::string is_record_size(const std::string& text);
// After parsing: what one option means for several parts.
void settle(WriteOptions& options);

[[nodiscard]] const char* name_of(Acks acks);
// What was asked for, as the first fields of a line of JSON.
void add_setting(Json& object, const WriteOptions& options);
// Where --volume says what the device can do: adds bound_rec_s, bound_mean_us and efficiency. Open
// loop: arrived_s and late_us, and bound_mean_us and latency_ratio.
void add_efficiency(Json& object, const WriteOptions& options, const Figures& figures);

}  // namespace seqwal::bench
