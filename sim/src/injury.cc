#include "injury.h"

#include <algorithm>

namespace seqwal::sim {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kHeaders = 2 * kBlock;

}  // namespace

Injury::Injury(Disk& disk, Choices& choices, std::pair<std::int64_t, std::int64_t> precious,
               std::uint64_t capacity, bool headers_are_sound, std::span<const std::byte> older)
    : disk_(disk) {
  const auto choose = [&](std::uint64_t n, const char* label) {
    return choices.choose(Stream::fault, n, label);
  };
  kind_ = static_cast<InjuryKind>(choose(older.empty() ? 2 : 5, "injury"));
  const bool whole = kind_ == InjuryKind::misdirected ||
                     (kind_ != InjuryKind::rot && kind_ != InjuryKind::unreadable &&
                      choose(2, "whole block") == 1);
  const std::uint64_t length = whole ? kBlock : kSectorBytes;
  if (headers_are_sound && choose(6, "in a header") == 5) {
    position_ = choose(2, "header") * kBlock;
  } else {
    const std::uint64_t section = capacity - kHeaders;
    const auto begin = static_cast<std::uint64_t>(precious.first) / length * length;
    const auto end = std::max(static_cast<std::uint64_t>(precious.second), begin + 1);
    const std::uint64_t places = (end - begin + length - 1) / length;
    position_ = kHeaders + (begin + choose(places, "place") * length) % section;
  }
  const auto now = disk.visible().subspan(position_, length);
  before_.assign(now.begin(), now.end());
  std::vector<std::byte> after = before_;
  switch (kind_) {
    case InjuryKind::rot:
      for (std::uint64_t bits = 1 + choose(3, "bits"); bits > 0; --bits) {
        const std::uint64_t bit = choose(length * 8, "bit");
        after[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      }
      break;
    case InjuryKind::unreadable:
      hurts_ = true;
      disk.spoil(position_, length);
      return;
    case InjuryKind::stale:
      std::ranges::copy(older.subspan(position_, length), after.begin());
      break;
    case InjuryKind::misdirected: {
      const std::uint64_t from = choose(capacity / kBlock, "instead") * kBlock;
      std::ranges::copy(disk.visible().subspan(from, length), after.begin());
      break;
    }
    case InjuryKind::zeroed:
      std::ranges::fill(after, std::byte{0});
      break;
  }
  hurts_ = after != before_;
  disk.put(position_, after);
}

Injury::~Injury() {
  if (kind_ == InjuryKind::unreadable) {
    disk_.mend(position_, before_.size());
  } else {
    disk_.put(position_, before_);
  }
}

}  // namespace seqwal::sim
