#include "plug.h"

#include <algorithm>

namespace seqwal {
namespace {

constexpr std::uint32_t kMostMisses = 7;
// Tickets wrap around: beyond that many nobody is waited for.
constexpr std::uint32_t kMostExpected = 1U << 14U;

}  // namespace

void Plug::acknowledged(std::uint16_t ticket, std::uint32_t records, Nanoseconds until) {
  if (active_) {
    expected_ = std::min(expected_ + records, kMostExpected);
    return;
  }
  if (skips_ > 0) {
    --skips_;
    return;
  }
  active_ = true;
  begin_ = ticket;
  expected_ = std::min(records, kMostExpected);
  until_ = until;
}

bool Plug::holds(std::uint16_t ticket, Nanoseconds now) {
  if (!active_) return false;
  const auto returned = static_cast<std::uint16_t>(ticket - begin_);
  if (returned < expected_ && now < until_) return true;
  end(returned * 2U >= expected_);
  return false;
}

void Plug::end(bool returned) {
  active_ = false;
  if (returned) {
    misses_ = 0;
    return;
  }
  skips_ = 1U << misses_;
  misses_ = std::min(misses_ + 1, kMostMisses);
}

}  // namespace seqwal
