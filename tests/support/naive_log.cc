#include "tests/support/naive_log.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace seqwal::naive {
namespace {

constexpr std::uint64_t kLastOffset = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kScanOn = std::uint64_t{4} * 1024 * 1024;

constexpr std::uint64_t kMagicVersion0 = 0x12345678;
constexpr std::uint64_t kMagicVersion1 = 0x01234567;
constexpr std::uint64_t kMagicRecord = 0x87654321;
constexpr std::uint64_t kMagicPadding = 0x76543210;

void put(Bytes& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>((value >> static_cast<unsigned>(shift)) & 0xFFU));
  }
}

std::uint64_t get(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value * 256 + bytes[at + i];
  return value;
}

std::int64_t get_signed(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::int64_t>(get(bytes, at, 8));
}

std::uint64_t boundary_after(std::uint64_t offset) { return (offset / kBlock + 1) * kBlock; }

}  // namespace

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t remainder = 0xFFFFFFFFU;
  for (const std::uint8_t byte : bytes) {
    remainder ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      const bool odd = (remainder & 1U) != 0;
      remainder >>= 1U;
      if (odd) remainder ^= 0xEDB88320U;
    }
  }
  return ~remainder;
}

std::uint32_t checksum(std::span<const std::uint8_t> bytes) { return crc32(bytes) & 0x7FFFFFFFU; }

// --- writing ----------------------------------------------------------------------------------

Bytes arbitrary_bytes(std::uint64_t length, std::uint64_t seed) {
  Bytes bytes;
  std::uint64_t state = seed * 2 + 1;
  for (std::uint64_t i = 0; i < length; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    bytes.push_back(static_cast<std::uint8_t>(state >> 56U));
  }
  if (!bytes.empty()) bytes.front() |= 1U;
  return bytes;
}

Bytes encode_slot(const Slot& slot, std::uint64_t image_capacity) {
  if (slot.content == SlotContent::foreign) return arbitrary_bytes(kBlock, 99);
  Bytes bytes;
  if (slot.content == SlotContent::blank) {
    bytes.resize(kBlock, 0);
    return bytes;
  }
  put(bytes, slot.version == 1 ? kMagicVersion1 : kMagicVersion0, 4);
  put(bytes, slot.capacity == 0 ? image_capacity : slot.capacity, 8);
  put(bytes, static_cast<std::uint64_t>(slot.trim), 8);
  put(bytes, static_cast<std::uint64_t>(slot.stamp), 8);
  put(bytes, static_cast<std::uint64_t>(slot.window), 8);
  put(bytes, slot.shutdown, 4);
  put(bytes, static_cast<std::uint64_t>(slot.node), 4);
  put(bytes, static_cast<std::uint64_t>(slot.epoch), 8);
  put(bytes, checksum(bytes) ^ (slot.content == SlotContent::damaged ? 1U : 0U), 4);
  bytes.resize(kBlock, 0);
  return bytes;
}

Bytes encode_record(const Record& record, std::uint64_t section) {
  std::uint64_t magic = record.padding ? kMagicPadding : kMagicRecord;
  if (record.damage == Damage::magic) magic ^= 0x100U;
  std::uint64_t length = record.body.size();
  if (record.damage == Damage::zero_length) length = 0;
  if (record.damage == Damage::long_body) length = record.declared_length;
  std::uint64_t body_offset = static_cast<std::uint64_t>(record.offset) + kRecordHeader;
  if (record.damage == Damage::offset) body_offset -= section;

  Bytes bytes;
  put(bytes, magic, 4);
  put(bytes, length, 4);
  put(bytes, body_offset, 8);
  put(bytes, record.padding ? 0 : checksum(record.body), 4);
  put(bytes, checksum(bytes) ^ (record.damage == Damage::header_checksum ? 1U : 0U), 4);
  bytes.insert(bytes.end(), record.body.begin(), record.body.end());
  if (record.damage == Damage::body) bytes.back() ^= 1U;
  if (record.damage == Damage::torn && bytes.size() > record.torn_after) {
    bytes.resize(record.torn_after);
  }
  return bytes;
}

Bytes write_image(const Image& image) {
  Bytes out(image.capacity, 0);
  for (std::size_t i = 0; i < 2; ++i) {
    const Bytes slot = encode_slot(image.slots.at(i), image.capacity);
    std::copy_n(slot.begin(), std::min<std::uint64_t>(kBlock, out.size() - i * kBlock),
                out.begin() + static_cast<std::ptrdiff_t>(i * kBlock));
  }
  const std::uint64_t section = image.capacity - kHeaders;
  const auto lay = [&](std::int64_t offset, const Bytes& bytes, bool wraps) {
    const std::uint64_t first = static_cast<std::uint64_t>(offset) % section;
    for (std::uint64_t i = 0; i < bytes.size(); ++i) {
      if (first + i >= section && !wraps) break;
      out[kHeaders + (first + i) % section] = bytes[i];
    }
  };
  for (const Fill& fill : image.fills) lay(fill.offset, fill.bytes, true);
  for (const Record& record : image.records) {
    lay(record.offset, encode_record(record, section), record.wraps);
  }
  return out;
}

// --- reading ----------------------------------------------------------------------------------

namespace {

// One offset that a reader comes to, and what stands there.
struct Step {
  std::uint64_t offset = 0;
  std::uint64_t next = 0;  // where the reader comes to after it
  bool valid = false;      // a data record, whole
  bool padding = false;    // a padding record that version 1 trusts
  Bytes body;

  [[nodiscard]] bool invalid() const { return !valid && !padding; }
  [[nodiscard]] bool aligned() const { return offset % kBlock == 0; }
};

class Reader {
 public:
  Reader(const Bytes& image, const Slot& header, Mode mode)
      : image_(image), header_(header), mode_(mode), section_(image.size() - kHeaders) {
    start_ = header.trim < 0 ? 0 : static_cast<std::uint64_t>(header.trim);
    // A block whose end is beyond what can be counted is no part of any log.
    limit_ = std::min(boundary_after(start_) + section_, kLastOffset / kBlock * kBlock);
    window_ = header.window <= 0
                  ? 0
                  : std::min<std::uint64_t>(section_, static_cast<std::uint64_t>(header.window));
  }

  void read(Reading& reading) const {
    const std::vector<Step> steps = all_steps();
    const std::size_t count = steps_before_end(steps);
    reading.end =
        header_.trim < 0 ? 0 : static_cast<std::int64_t>(std::min(start_ + 1, kLastOffset));
    std::size_t behind_last = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!steps[i].valid || is_trim(steps[i])) continue;
      note_hole(reading, steps, behind_last, i);
      behind_last = i + 1;
      reading.records.push_back({static_cast<std::int64_t>(steps[i].offset), steps[i].body});
      reading.end = static_cast<std::int64_t>(steps[i].next);
    }
  }

 private:
  [[nodiscard]] bool is_trim(const Step& step) const {
    return header_.trim >= 0 && step.offset == start_;
  }
  // Counts as the first invalid offset: 4096-aligned, and not the trim offset itself.
  [[nodiscard]] bool is_gap(const Step& step) const {
    return step.invalid() && step.aligned() && !is_trim(step);
  }
  [[nodiscard]] std::uint64_t cycle(const Step& step) const { return step.offset / section_; }

  // Everything that a reader who never stops would come to, in order.
  [[nodiscard]] std::vector<Step> all_steps() const {
    std::vector<Step> steps;
    for (std::uint64_t at = start_; at < limit_ && at <= kLastOffset; at = steps.back().next) {
      steps.push_back(step_at(at));
    }
    return steps;
  }

  [[nodiscard]] Step step_at(std::uint64_t offset) const {
    Step step{.offset = offset, .next = boundary_after(offset), .body = {}};
    const std::uint64_t at = offset % section_;  // position in the record section
    if (at + kRecordHeader > section_ || offset + kRecordHeader > kLastOffset) return step;
    const auto bytes = std::span(image_).subspan(kHeaders + at);
    const std::uint64_t magic = get(bytes, 0, 4);
    const std::uint64_t length = get(bytes, 4, 4);
    const bool sound = get(bytes, 20, 4) == checksum(bytes.first(20)) &&
                       get(bytes, 8, 8) == offset + kRecordHeader;
    if (!sound) return step;

    if (magic == kMagicPadding) {
      // Version 1 writes exactly the rest of the cycle, with a checksum of 0; version 0 writes
      // none.
      if (header_.version != 1 || get(bytes, 16, 4) != 0) return step;
      if (at + kRecordHeader + length != section_) return step;
      step.padding = true;
      step.next = offset + kRecordHeader + length;
      return step;
    }
    if (magic != kMagicRecord || length == 0 || length > kLongestBody) return step;

    const std::uint64_t end = offset + kRecordHeader + length;
    step.next = boundary_after(end);
    if (at + kRecordHeader + length > section_ || end > limit_ || end > kLastOffset) return step;
    const auto body = bytes.subspan(kRecordHeader, length);
    if (checksum(body) != get(bytes, 16, 4)) return step;
    step.valid = true;
    step.next = end;
    step.body.assign(body.begin(), body.end());
    return step;
  }

  // How many steps are taken before recovery stops.
  [[nodiscard]] std::size_t steps_before_end(const std::vector<Step>& steps) const {
    if (header_.version == 1) return steps_before_end_version1(steps);
    return mode_ == Mode::prefix ? steps_before_end_prefix(steps)
                                 : steps_before_end_version0(steps);
  }

  [[nodiscard]] std::size_t steps_before_end_version0(const std::vector<Step>& steps) const {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Step* first_invalid = remembered_before(steps, i);
      if (first_invalid == nullptr) continue;
      if (steps[i].offset < first_invalid->offset + window_) continue;
      if (mode_ == Mode::strict) return i;
      // next < last valid + m, where "last valid" starts at -1: one is added on both sides.
      if (steps[i].offset + 1 >= after_last_valid(steps, i) + std::min(window_, kScanOn)) return i;
    }
    return steps.size();
  }

  // The first invalid offset as it stands when the reader comes to step `end`.
  [[nodiscard]] const Step* remembered_before(const std::vector<Step>& steps,
                                              std::size_t end) const {
    const Step* first = nullptr;
    for (std::size_t i = 0; i < end; ++i) {
      if (first == nullptr && is_gap(steps[i])) first = &steps[i];
      if (first != nullptr && steps[i].valid && cycle(steps[i]) > cycle(*first)) first = nullptr;
    }
    return first;
  }

  [[nodiscard]] static std::uint64_t after_last_valid(const std::vector<Step>& steps,
                                                      std::size_t end) {
    for (std::size_t i = end; i-- > 0;) {
      if (steps[i].valid) return steps[i].offset + 1;
    }
    return 0;
  }

  [[nodiscard]] static std::size_t steps_before_end_version1(const std::vector<Step>& steps) {
    const auto end = std::ranges::find_if(
        steps, [](const Step& step) { return step.invalid() && step.aligned(); });
    return static_cast<std::size_t>(end - steps.begin());
  }

  [[nodiscard]] std::size_t steps_before_end_prefix(const std::vector<Step>& steps) const {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (!is_gap(steps[i])) continue;
      const std::size_t next = next_valid(steps, i);
      if (next == steps.size() || !is_jump(steps[i], steps[next])) return i;
      i = next;
    }
    return steps.size();
  }

  // The record stands at the start of the next cycle, within the window, and would not have fitted
  // into what was left of this one.
  [[nodiscard]] bool is_jump(const Step& gap, const Step& record) const {
    const std::uint64_t next_cycle = (cycle(gap) + 1) * section_;
    return record.offset == next_cycle && next_cycle < gap.offset + window_ &&
           kRecordHeader + record.body.size() > next_cycle - gap.offset;
  }

  [[nodiscard]] static std::size_t next_valid(const std::vector<Step>& steps, std::size_t from) {
    while (from < steps.size() && !steps[from].valid) ++from;
    return from;
  }

  // What is missing before a delivered record, back to the one before it: from the first invalid
  // aligned offset, but of the record's own cycle only (what is missing at the end of a cycle is
  // the jump to the next).
  void note_hole(Reading& reading, const std::vector<Step>& steps, std::size_t from,
                 std::size_t after) const {
    if (header_.version == 1) return;
    for (std::size_t i = from; i < after; ++i) {
      if (!is_gap(steps[i])) continue;
      const Step& record = steps[after];
      const std::uint64_t begin = std::max(steps[i].offset, cycle(record) * section_);
      if (begin < record.offset) {
        reading.holes.push_back(
            {static_cast<std::int64_t>(begin), static_cast<std::int64_t>(record.offset)});
      }
      return;
    }
  }

  const Bytes& image_;
  const Slot& header_;
  Mode mode_;
  std::uint64_t section_;
  std::uint64_t start_ = 0;
  std::uint64_t limit_ = 0;
  std::uint64_t window_ = 0;
};

}  // namespace

std::optional<Slot> decode_slot(std::span<const std::uint8_t> bytes) {
  const std::uint64_t magic = get(bytes, 0, 4);
  if (magic != kMagicVersion0 && magic != kMagicVersion1) return std::nullopt;
  if (get(bytes, 52, 4) != checksum(bytes.first(52))) return std::nullopt;
  Slot slot;
  slot.version = magic == kMagicVersion1 ? 1 : 0;
  slot.capacity = get(bytes, 4, 8);
  if (slot.capacity < kHeaders + kBlock || slot.capacity % kBlock != 0) return std::nullopt;
  if (slot.capacity > kLargestCapacity) return std::nullopt;
  slot.trim = std::max<std::int64_t>(get_signed(bytes, 12), -1);
  slot.stamp = get_signed(bytes, 20);
  slot.window = get_signed(bytes, 28);
  slot.shutdown = get(bytes, 36, 4) == 0 ? 0 : 1;
  slot.node = static_cast<std::int32_t>(get(bytes, 40, 4));
  slot.epoch = get_signed(bytes, 44);
  return slot;
}

std::optional<Reading> read_image(const Bytes& image, Mode mode) {
  if (image.size() < kHeaders) return std::nullopt;
  std::optional<Reading> reading;
  for (std::uint32_t i = 0; i < 2; ++i) {
    const auto slot = decode_slot(std::span(image).subspan(i * kBlock, kBlock));
    if (!slot || (reading && slot->stamp <= reading->header.stamp)) continue;
    reading.emplace();
    reading->current_slot = i;
    reading->header = *slot;
  }
  if (!reading || reading->header.capacity != image.size()) return std::nullopt;
  Reader(image, reading->header, mode).read(*reading);
  return reading;
}

}  // namespace seqwal::naive
