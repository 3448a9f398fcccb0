// TokenBucket: a rate limit that lets a tenth of a second's worth through at once.
#pragma once

#include <cstdint>

#include "seqwal/types.h"

namespace seqwal::bench {

class TokenBucket {
 public:
  // `per_second` up to 10^9; 0 = no limit. Full at first.
  explicit TokenBucket(std::uint64_t per_second);

  // Takes one token, if there is one. A time before that of an earlier call brings nothing.
  [[nodiscard]] bool take_one(Nanoseconds now);
  // Takes tokens that may not be there yet, and returns when they are: `now` or later.
  [[nodiscard]] Nanoseconds reserve(std::uint64_t tokens, Nanoseconds now);

 private:
  void refill(Nanoseconds now);

  // In billionths of a token, so that a nanosecond brings a whole number of them.
  std::int64_t per_nanosecond_;
  std::int64_t most_;
  std::int64_t there_;
  Nanoseconds filled_at_ = 0;
};

}  // namespace seqwal::bench
