// The options of `seqwal-bench write`, which compare takes too.
#pragma once

#include <cstdint>

#include "bench/clients/clients.h"
#include "bench/figures.h"
#include "bench/scratch_log.h"
#include "bench/target.h"

namespace seqwal::bench {

struct WriteOptions {
  ScratchOptions scratch;  // its LogFlags have path, device, durability and json
  ClientOptions clients;
  TargetOptions target;
  bool blocking = false;  // clients are threads that wait
  double seconds = 5;
  double warmup_s = 1;
};

// Adds all of them. The references stay in use until the command runs.
void add_write_options(CLI::App& command, WriteOptions& options);
// Adds --acks.
void add_acks_option(CLI::App& command, Acks& acks);

[[nodiscard]] const char* name_of(Acks acks);
// What was asked for, as the first fields of a line of JSON.
void add_setting(Json& object, const WriteOptions& options);

}  // namespace seqwal::bench
