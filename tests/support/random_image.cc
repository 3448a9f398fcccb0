#include "tests/support/random_image.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace seqwal::naive {
namespace {

constexpr auto kSignedBlock = static_cast<std::int64_t>(kBlock);
constexpr auto kSignedHeader = static_cast<std::int64_t>(kRecordHeader);

class Generator {
 public:
  explicit Generator(const Choose& choose) : choose_(choose) {}

  Image image() {
    const std::uint64_t blocks = chance(6) ? 1 + choose_(3) : 4 + choose_(21);
    section_ = to_signed(blocks) * kSignedBlock;
    version_ = chance(2) ? 1 : 0;
    image_.capacity = kHeaders + static_cast<std::uint64_t>(section_);
    start_ = base() +
             to_signed(choose_(static_cast<std::uint64_t>(section_ / kSignedBlock))) * kSignedBlock;
    write();
    lay_strays();
    choose_headers();
    return std::move(image_);
  }

 private:
  static std::int64_t to_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
  // True once in n; the simple case is false.
  bool chance(std::uint64_t n) { return choose_(n) == n - 1; }

  // The start of a cycle: mostly the first few, sometimes a great one.
  std::int64_t base() {
    const std::array<std::uint64_t, 4> great{std::uint64_t{1} << 31U, std::uint64_t{1} << 32U,
                                             std::uint64_t{1} << 50U, std::uint64_t{1} << 62U};
    const std::uint64_t choice = choose_(8);
    if (choice < 4) return to_signed(choice / 2) * section_;
    return to_signed(great.at(choice - 4)) / section_ * section_;
  }

  [[nodiscard]] std::int64_t left_in_cycle(std::int64_t offset) const {
    return section_ - offset % section_;
  }

  // Block writes one after the other, as a writer would, with accidents.
  void write() {
    std::int64_t at = start_;
    // Mostly once around the ring at most, as a writer that respects the trim offset would.
    const std::int64_t most = chance(6) ? 2 * section_ : section_;
    const std::int64_t end =
        start_ + section_ / 4 + to_signed(choose_(static_cast<std::uint64_t>(most)));
    while (at < end) {
      if (chance(8)) {
        at += (1 + to_signed(choose_(3))) * kSignedBlock;  // a lost block write
        continue;
      }
      const std::int64_t done = write_block(at);
      at = (done + kSignedBlock - 1) / kSignedBlock * kSignedBlock;
    }
  }

  // Returns where it ends, before rounding up.
  std::int64_t write_block(std::int64_t at) {
    std::uint64_t count = 1 + choose_(4);
    std::int64_t end = at;
    while (count-- > 0) {
      const std::uint64_t length = body_length();
      const std::int64_t size = kSignedHeader + to_signed(length);
      if (size > section_) continue;
      if (size > left_in_cycle(end)) {
        if (end != at) break;  // ends the block write; the next one will jump
        const std::int64_t rest = left_in_cycle(at);
        if (version_ == 1 && !chance(8))
          lay(at, static_cast<std::uint64_t>(rest - kSignedHeader), true);
        return at + rest;
      }
      lay(end, length, false);
      end += size;
    }
    return std::max(end, at + 1);
  }

  std::uint64_t body_length() {
    if (chance(40)) return static_cast<std::uint64_t>(section_) - kRecordHeader - choose_(2);
    switch (choose_(5)) {
      case 0:
      case 1:
        return 1 + choose_(300);
      case 2:
        return 4060 + choose_(30);  // around one block
      case 3:
        return 1 + choose_(2 * kBlock);
      default:
        return (1 + choose_(4)) * kBlock - kRecordHeader;
    }
  }

  void lay(std::int64_t offset, std::uint64_t length, bool padding) {
    Record record;
    record.offset = offset;
    record.padding = padding;
    record.body = padding ? Bytes(length, 0) : arbitrary_bytes(length, ++seed_);
    if (chance(12)) {
      constexpr std::array kDamages{Damage::header_checksum, Damage::body,  Damage::torn,
                                    Damage::offset,          Damage::magic, Damage::zero_length,
                                    Damage::long_body};
      record.damage = kDamages.at(choose_(kDamages.size()));
      if (record.damage == Damage::body && record.body.empty()) record.damage = Damage::magic;
      record.torn_after = choose_(length + kRecordHeader + 1);
      record.declared_length = declared_length();
    }
    image_.records.push_back(std::move(record));
  }

  std::uint32_t declared_length() {
    switch (choose_(4)) {
      case 0:
        return static_cast<std::uint32_t>(1 + choose_(static_cast<std::uint64_t>(section_)));
      case 1:
        return static_cast<std::uint32_t>((1 + choose_(4)) * kBlock - kRecordHeader);
      case 2:
        return static_cast<std::uint32_t>(kLongestBody - 2 + choose_(5));
      default:
        return 0x7FFFFFFFU + static_cast<std::uint32_t>(choose_(3));
    }
  }

  // Sound and unsound records where no writer would lay them, and garbage.
  void lay_strays() {
    for (std::uint64_t count = chance(2) ? 1 + choose_(3) : 0; count > 0; --count) {
      std::int64_t offset = start_ + to_signed(choose_(static_cast<std::uint64_t>(2 * section_)));
      if (!chance(3)) offset = offset / kSignedBlock * kSignedBlock;
      if (chance(3)) {
        image_.fills.push_back(
            {.offset = offset, .bytes = arbitrary_bytes(1 + choose_(5000), ++seed_)});
        continue;
      }
      lay(offset, body_length(), version_ == 1 && chance(4));
      image_.records.back().wraps = chance(2);
    }
  }

  void choose_headers() {
    Slot slot{.version = version_, .trim = trim(), .window = window()};
    image_.slots = {slot, slot};
    image_.slots.back().stamp = 2;
  }

  std::int64_t trim() {
    switch (choose_(9)) {
      case 0:
      case 1:
      case 2:
        return start_ - 1;
      case 3:
      case 4:
        return early_record();
      case 5:
        return early_record() + to_signed(choose_(kBlock));
      case 6:
        return start_ + to_signed(choose_(8)) * kSignedBlock;
      case 7:
        return start_ + to_signed(choose_(8)) * kSignedBlock - 1;
      default:
        return start_ + to_signed(choose_(static_cast<std::uint64_t>(2 * section_)));
    }
  }

  std::int64_t early_record() {
    if (image_.records.empty()) return start_;
    return image_.records.at(choose_(std::min<std::uint64_t>(image_.records.size(), 5))).offset;
  }

  std::int64_t window() {
    switch (choose_(7)) {
      case 0:
      case 1:
        return section_;
      case 2:
        return to_signed(1 + choose_(6)) * kSignedBlock;
      case 3:
        return to_signed(1 + choose_(6)) * kSignedBlock + 1;
      case 4:
        return to_signed(choose_(static_cast<std::uint64_t>(section_)));
      case 5:
        return std::numeric_limits<std::int64_t>::max();
      default:
        return -to_signed(choose_(3));
    }
  }

  const Choose& choose_;
  Image image_;
  std::int64_t section_ = 0;
  std::int64_t start_ = 0;  // where the writer began
  int version_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace

Choose choose_by_seed(std::uint64_t seed) {
  const auto state = std::make_shared<std::uint64_t>(seed);
  return [state](std::uint64_t n) {
    // splitmix64
    *state += 0x9E3779B97F4A7C15U;
    std::uint64_t z = *state;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31U)) % n;
  };
}

Image random_image(const Choose& choose) { return Generator(choose).image(); }

}  // namespace seqwal::naive
