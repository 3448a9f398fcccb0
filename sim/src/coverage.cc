#include "seqwal/sim/coverage.h"

#include "seqwal/check.h"

namespace seqwal::sim {

std::string_view coverage_row_name(std::size_t row) {
  SEQWAL_REQUIRE(row < kCoverageRows);
  if (row == kPowerCutRow) return "power-cut";
  if (row == kKillRow) return "kill";
  return kFaultTable.at(row).name;
}

std::string_view why_impossible(std::size_t row, State state) {
  if (row >= kFaults) return {};
  const FaultInfo& fault = kFaultTable.at(row);
  if (fault.fault == Fault::none) return "it is no fault";
  if (fault.fault == Fault::forged) {
    const bool before = state == State::creating || state == State::opening;
    return before ? "" : "it stands there before the log is opened";
  }
  if (state == State::opening && fault.target == FaultTarget::write) {
    return "opening writes nothing";
  }
  if (state == State::opening && fault.target == FaultTarget::flush) {
    return "opening flushes nothing";
  }
  if (state == State::creating && fault.target == FaultTarget::read) {
    return "creating reads nothing when it is forced to";
  }
  if (state == State::failing && fault.fault == Fault::hang) {
    return "a request hangs from its submission on, and a failed log submits nothing";
  }
  return {};
}

}  // namespace seqwal::sim
