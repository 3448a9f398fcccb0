// A Host for what never waits for time or for another thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "fuzz/support/fuzzer.h"
#include "seqwal/host.h"

namespace seqwal::fuzz {

class IdleHost final : public Host {
 public:
  Nanoseconds now() override { return 0; }
  void park(const std::atomic<std::uint32_t>&, std::uint32_t, Nanoseconds) override {
    broken("waits for somebody who does not exist");
  }
  void unpark_all(const std::atomic<std::uint32_t>&) override {}
  std::uint64_t self() override { return 1; }
};

}  // namespace seqwal::fuzz
