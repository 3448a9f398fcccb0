// What losing power leaves.
#include <algorithm>
#include <cstring>
#include <utility>

#include "seqwal/sim/disk.h"

namespace seqwal::sim {
namespace {

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

void Disk::lose_power() {
  trace_.note(Happened::power_cut, signed_of(cache_.size() + writes_in_flight()),
              signed_of(writes_in_flight()));
  land_late();
  std::vector<Pending> pending = std::move(pending_);
  pending_.clear();
  for (Pending& request : pending) {
    if (request.kind == IoKind::write) check_buffers(request);
  }
  std::vector<Cached> cache = std::move(cache_);
  cache_.clear();
  for (const Cached& cached : cache) {
    if (!cached.dropped) apply_fate(cached.number, cached.position, cached.bytes);
  }
  for (const Pending& request : pending) {
    if (request.kind == IoKind::write) apply_fate(++number_, request.position, request.bytes);
  }
  if (has_cache_) {
    for (Cached& cached : cache) {
      std::memcpy(visible_.data() + cached.position, stable_.data() + cached.position,
                  cached.bytes.size());
      give_back(std::move(cached.bytes));
    }
    for (const Pending& request : pending) {
      if (request.kind != IoKind::write) continue;
      std::memcpy(visible_.data() + request.position, stable_.data() + request.position,
                  request.length);
    }
  }
  pending_ = std::move(pending);  // die answers them
  die();
}

void Disk::apply_fate(std::uint64_t number, std::uint64_t position,
                      std::span<const std::byte> bytes) {
  const std::uint64_t unit = limits().atomic_write_bytes;
  const std::uint64_t first = position / unit;
  const std::uint64_t units = (position + bytes.size() - 1) / unit - first + 1;
  const std::uint64_t kinds = units > 1 ? kFates : 2;
  auto fate = static_cast<Fate>(choices_.choose(Stream::crash, kinds, "fate"));
  trace_.note(Happened::fate, static_cast<std::int64_t>(fate), signed_of(position),
              signed_of(bytes.size()));
  const auto some = [&](const char* label) {
    return choices_.between(Stream::crash, 1, units - 1, label);
  };
  switch (fate) {
    case Fate::lost:
      return;
    case Fate::kept:
      keep_units(number, position, bytes, [](std::uint64_t) { return true; });
      return;
    case Fate::prefix: {
      const std::uint64_t count = some("prefix");
      keep_units(number, position, bytes, [=](std::uint64_t i) { return i < count; });
      return;
    }
    case Fate::suffix: {
      const std::uint64_t count = some("suffix");
      keep_units(number, position, bytes, [=](std::uint64_t i) { return i >= count; });
      return;
    }
    case Fate::hole: {
      const std::uint64_t begin = choices_.choose(Stream::crash, units, "hole");
      const std::uint64_t length =
          choices_.between(Stream::crash, 1, units - begin, "hole's length");
      keep_units(number, position, bytes,
                 [=](std::uint64_t i) { return i < begin || i >= begin + length; });
      return;
    }
    case Fate::subset:
      keep_units(number, position, bytes, [&](std::uint64_t) {
        return choices_.choose(Stream::crash, 2, "unit kept") == 1;
      });
      return;
    case Fate::garbage:
    case Fate::unreadable: {
      const std::uint64_t torn = choices_.choose(Stream::crash, units, "torn unit");
      keep_units(number, position, bytes, [=](std::uint64_t i) { return i < torn; });
      const std::uint64_t begin = std::max(position, (first + torn) * unit);
      const std::uint64_t end = std::min(position + bytes.size(), (first + torn + 1) * unit);
      spoil_unit(number, begin, end - begin, fate == Fate::unreadable);
      return;
    }
  }
}

// Unit by unit.
void Disk::keep_units(std::uint64_t number, std::uint64_t position,
                      std::span<const std::byte> bytes,
                      const std::function<bool(std::uint64_t)>& kept) {
  const std::uint64_t unit = limits().atomic_write_bytes;
  const std::uint64_t first = position / unit;
  for (std::uint64_t at = position; at < position + bytes.size();) {
    const std::uint64_t end = std::min(position + bytes.size(), (at / unit + 1) * unit);
    if (kept(at / unit - first)) {
      mark_readable(at, end - at);
      overwrite(number, at, bytes.subspan(at - position, end - at));
    }
    at = end;
  }
}

void Disk::spoil_unit(std::uint64_t number, std::uint64_t position, std::uint64_t length,
                      bool unreadable) {
  const std::uint64_t noise = choices_.choose(Stream::crash, 1000, "noise");
  std::vector<std::byte> spoilt(length);
  for (std::uint64_t at = 0; at < length; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = mix((position + at) * 1000 + noise + 1);
    std::memcpy(spoilt.data() + at, &word, sizeof word);
  }
  overwrite(number, position, spoilt);
  if (unreadable) spoil(position, length);
}

// On the media; where a later write is durable already, the old one stays away.
void Disk::overwrite(std::uint64_t number, std::uint64_t position,
                     std::span<const std::byte> bytes) {
  if (has_cache_) {
    make_durable(position, bytes, number);
  } else {
    std::memcpy(stable_.data() + position, bytes.data(), bytes.size());
  }
}

void Disk::spoil(std::uint64_t position, std::uint64_t length) {
  for (std::uint64_t at = position; at < position + length; at += kSectorBytes) {
    if (!is_unreadable(at, kSectorBytes)) unreadable_.push_back(at / kSectorBytes);
  }
}

bool Disk::is_unreadable(std::uint64_t position, std::uint64_t length) const {
  return std::ranges::any_of(unreadable_, [=](std::uint64_t sector) {
    return sector * kSectorBytes < position + length && position < (sector + 1) * kSectorBytes;
  });
}

void Disk::mark_readable(std::uint64_t position, std::uint64_t length) {
  if (unreadable_.empty()) return;
  std::erase_if(unreadable_, [=](std::uint64_t sector) {
    return sector * kSectorBytes >= position && (sector + 1) * kSectorBytes <= position + length;
  });
}

}  // namespace seqwal::sim
