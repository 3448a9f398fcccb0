#include "bench/late_target.h"

#include <utility>

#include "seqwal/sim/choice.h"

namespace seqwal::bench {

Nanoseconds LateTarget::draw_delay() {
  state_ += 0x9e3779b97f4a7c15U;
  return static_cast<Nanoseconds>(sim::mix(state_) %
                                  (2 * static_cast<std::uint64_t>(mean_delay_) + 1));
}

Result<Offset> LateTarget::append(std::span<const std::byte> body, AppendCallback callback,
                                  std::uint64_t key) {
  if (mean_delay_ == 0) return target_.append(body, std::move(callback), key);
  if (free_places_.empty()) {
    free_places_.push_back(callbacks_.size());
    callbacks_.emplace_back();
  }
  const std::size_t place = free_places_.back();
  auto offset = target_.append(
      body,
      [this, place](const AppendResult& result) {
        late_.push({.due = host_.now() + draw_delay(),
                    .number = number_++,
                    .place = place,
                    .result = result});
      },
      key);
  if (!offset) return offset;
  free_places_.pop_back();
  callbacks_[place] = std::move(callback);
  return offset;
}

Nanoseconds LateTarget::next_due() const { return late_.empty() ? kNever : late_.top().due; }

void LateTarget::run_due(Nanoseconds now) {
  while (next_due() <= now) {
    const Late late = late_.top();
    late_.pop();
    AppendCallback callback = std::exchange(callbacks_[late.place], AppendCallback());
    free_places_.push_back(late.place);
    callback(late.result);
  }
}

}  // namespace seqwal::bench
