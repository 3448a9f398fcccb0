#include "durable_frontier.h"

#include "seqwal/check.h"

namespace seqwal {

void DurableFrontier::written(std::uint32_t number) {
  SEQWAL_CHECK(number - frontier_ < kCapacity);
  SEQWAL_CHECK(stage(number) == Stage::unwritten);
  stage(number) = needs_flush_ ? Stage::written : Stage::durable;
  if (needs_flush_) ++waiting_;
}

void DurableFrontier::flush_begins() {
  SEQWAL_CHECK(!flushing_);
  flushing_ = true;
  waiting_ = 0;
  for (Stage& stage : stages_) {
    if (stage == Stage::written) stage = Stage::covered;
  }
}

void DurableFrontier::flush_ends() {
  SEQWAL_CHECK(flushing_);
  flushing_ = false;
  for (Stage& stage : stages_) {
    if (stage == Stage::covered) stage = Stage::durable;
  }
}

bool DurableFrontier::advance() {
  if (stage(frontier_) != Stage::durable) return false;
  stage(frontier_) = Stage::unwritten;
  ++frontier_;
  return true;
}

}  // namespace seqwal
