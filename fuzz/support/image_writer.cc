#include "fuzz/support/image_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/geometry.h"

namespace seqwal::fuzz {
namespace {

constexpr std::int64_t kBlock = kBlockBytes;
constexpr std::int64_t kHeader = kRecordHeaderBytes;
constexpr std::uint8_t kLargeSize = 255;
constexpr std::uint64_t kLargeBlocks = 1536;
// Opcodes from here on are about evidence.
constexpr std::uint8_t kFirstEvidenceOpcode = 224;
constexpr std::uint8_t kSound = 0;  // no field of the evidence is wrong
constexpr std::uint64_t kSlackBytes = 2 * std::uint64_t{kBlockBytes};

// Offsets come close to where they end.
std::int64_t plus(std::int64_t offset, std::int64_t bytes) {
  return bytes < 0 ? offset + bytes : saturating_add({offset}, bytes).value;
}

// Deterministic, never all zero, without a record magic.
void fill_body(std::span<std::byte> body, std::uint8_t seed) {
  for (std::size_t i = 0; i < body.size(); ++i) {
    body[i] = static_cast<std::byte>(seed + i * 7U + 1U);
  }
}

class Writer {
 public:
  Writer(ByteReader& bytes, ImageMemory& memory, HostileImage& image)
      : bytes_(bytes),
        memory_(memory),
        image_(image),
        geometry_(image.limits.size_bytes - (image.limits.size_is_exact ? 0 : kSlackBytes)),
        section_(geometry_.section_bytes()) {}

  void run() {
    read_origin();
    const HeaderSpec spec = read_spec();
    while (!bytes_.empty()) operate();
    write_slots(spec);
  }

 private:
  struct HeaderSpec {
    std::uint8_t slots = 0;
    std::uint8_t trim = 0;
    std::int64_t trim_value = 0;
    std::uint8_t window = 0;
    std::uint16_t window_value = 0;
  };
  // What the header slots say behind their headers.
  struct EvidenceSpec {
    std::uint8_t slots = 0;
    std::uint8_t watermark = 0;
    std::uint16_t watermark_value = 0;
  };
  struct Laid {
    std::int64_t offset = 0;
    std::int64_t length = 0;  // of the body
  };

  void read_origin() {
    const std::array<std::int64_t, 8> origins{
        0,
        section_,
        std::int64_t{1} << 31U,
        std::int64_t{1} << 32U,
        std::int64_t{1} << 50U,
        std::int64_t{1} << 62U,
        kMaxOffset.value - 3 * section_,
        kMaxOffset.value - section_ / 2,
    };
    const std::uint8_t which = bytes_.u8();
    start_ = origins.at(which % 8) / section_ * section_;
    start_ = plus(start_, bytes_.u8() * kBlock % section_);
    version1_ = which / 8 % 2 == 1;
    move(start_);
    if (which / 16 % 2 == 0) return;
    evidence_ = EvidenceSpec{
        .slots = bytes_.u8(), .watermark = bytes_.u8(), .watermark_value = bytes_.u16()};
  }

  HeaderSpec read_spec() {
    HeaderSpec spec;
    spec.slots = bytes_.u8();
    spec.trim = bytes_.u8();
    spec.trim_value = bytes_.i64();
    spec.window = bytes_.u8();
    spec.window_value = bytes_.u16();
    return spec;
  }

  // --- operations

  void operate() {
    const std::uint8_t opcode = bytes_.u8();
    if (opcode >= kFirstEvidenceOpcode) {
      operate_evidence(opcode);
      return;
    }
    switch (opcode % 16) {
      case 0:
        lay(1 + bytes_.u8());
        break;
      case 1:
        lay_padding();
        break;
      case 2:
      case 3:
        lay(1 + bytes_.u16());
        break;
      case 4:
        lay_around_a_block();
        break;
      case 5:
        end_block_write_without_evidence();
        break;
      case 6:  // a lost block write
        move(plus(cursor_ / kBlock * kBlock, (1 + bytes_.u8() % 8) * kBlock));
        break;
      case 7:
        jump();
        break;
      case 8:
        lay_torn();
        break;
      case 9:  // anywhere within two cycles from the start
        move(plus(start_, bytes_.u16() * std::int64_t{64} % (2 * section_)));
        break;
      case 10:  // back
        move(cursor_ - bytes_.u16());
        break;
      case 11:
        flip();
        break;
      case 12:
        put_raw();
        break;
      case 13:
        fail_block();
        break;
      case 14:
        lay_stale();
        break;
      default:
        seal();
        break;
    }
  }

  void operate_evidence(std::uint8_t opcode) {
    switch (opcode % 8) {
      case 0:  // a resume or a reset; the older timeline too
        lineage_.incarnation = bytes_.u8() % 8;
        newest_incarnation_ = std::max(newest_incarnation_, lineage_.incarnation);
        break;
      case 1:
        block_watermark_ = std::clamp<std::int64_t>(
            cursor_ - bytes_.u8() * std::int64_t{kRecordHeaderBytes}, -1, kMaxOffset.value);
        break;
      case 2:  // what the next block write says of the one before
        previous_end_ = std::clamp<std::int64_t>(cursor_ - bytes_.u16(), -1, kMaxOffset.value);
        break;
      case 3:
        end_block_write(bytes_.u8(), bytes_.u8());
        break;
      case 4:
        lay_gap();
        break;
      default:
        end_block_write(kSound, 0);
        break;
    }
  }

  void seek(std::int64_t offset) {
    cursor_ = std::clamp<std::int64_t>(offset, 0, kMaxOffset.value - 2 * kBlock);
  }

  // To a place where the next block write may begin.
  void move(std::int64_t offset) {
    seek(offset);
    block_write_ = cursor_ / kBlock * kBlock;
  }

  // The part of [offset, offset + length) that lies in the section of its cycle.
  std::span<std::byte> section_bytes(std::int64_t offset, std::int64_t length) {
    const std::int64_t room = geometry_.left_in_cycle({offset});
    return memory_.at(geometry_.position({offset}).value,
                      static_cast<std::size_t>(std::clamp<std::int64_t>(length, 0, room)));
  }

  void put_header(std::int64_t at, const RecordHeader& header) {
    std::array<std::byte, kRecordHeaderBytes> encoded{};
    encode_record_header(header, encoded);
    const auto place = section_bytes(at, kHeader);
    std::memcpy(place.data(), encoded.data(), place.size());
  }

  void lay(std::int64_t length) {
    length = std::clamp<std::int64_t>(length, 1, section_);
    const auto body = section_bytes(cursor_ + kHeader, length);
    // What would cross the end of the section is a record that says more than there is.
    fill_body(body, static_cast<std::uint8_t>(records_.size()));
    put_header(cursor_, {.kind = RecordKind::data,
                         .body_length_bytes = static_cast<std::uint32_t>(length),
                         .offset = {cursor_},
                         .body_checksum = checksum(body)});
    records_.push_back({cursor_, length});
    seek(plus(cursor_, kHeader + length));
  }

  // Ends a little before or behind the end of a block, or of the next one.
  void lay_around_a_block() {
    const std::int64_t blocks = 1 + bytes_.u8() % 2;
    const std::int64_t more = bytes_.u8() % 64;
    lay(kBlock * blocks - cursor_ % kBlock - 2 * kHeader + more);
  }

  // A sound header, and not the body that it promises.
  void lay_torn() {
    const std::int64_t left = geometry_.left_in_cycle({cursor_}) - kHeader;
    const std::uint8_t kind = bytes_.u8();
    const std::uint16_t value = bytes_.u16();
    std::int64_t length = value;
    if (kind % 8 == 1) length = left + value % 5 - 2;  // just fits, or just does not
    if (kind % 8 == 2) length = std::int64_t{kMaxBodyBytes} + value % 5 - 2;
    if (kind % 8 == 3) length = std::numeric_limits<std::uint32_t>::max() - value % 3;
    if (kind % 8 == 4) length = std::int64_t{value} * 256;
    if (kind % 8 == 5) length = kBlock * (1 + value % 16) - kHeader;
    put_header(cursor_, {.kind = kind >= 224 ? RecordKind::padding : RecordKind::data,
                         .body_length_bytes = static_cast<std::uint32_t>(length),
                         .offset = {cursor_},
                         .body_checksum = 0x01020304U});
    if (length > 0 && length <= left) records_.push_back({cursor_, length});
    seek(cursor_ + kHeader);
  }

  // To the next cycle, in version 1 over a padding record.
  void jump() {
    const std::int64_t left = geometry_.left_in_cycle({cursor_});
    if (version1_) put_padding(left - kHeader);
    move(plus(cursor_, left));
  }

  void put_padding(std::int64_t length) {
    if (length < 0) return;
    put_header(cursor_, {.kind = RecordKind::padding,
                         .body_length_bytes = static_cast<std::uint32_t>(length),
                         .offset = {cursor_},
                         .body_checksum = 0});
  }

  // Sound but for its length: whoever believes it goes on at its end, or far behind it.
  void lay_padding() {
    const std::uint8_t kind = bytes_.u8();
    const std::int64_t left = geometry_.left_in_cycle({cursor_}) - kHeader;
    std::int64_t length = kind;
    if (kind % 4 == 1) length = kBlock * (1 + kind / 4 % 8) - kHeader;
    if (kind % 4 == 2) length = left + section_;
    if (kind % 4 == 3) length = left + kind / 4 % 3 - 1;
    put_padding(length);
    seek(kind % 4 < 2 ? plus(cursor_, kHeader + length) : plus(cursor_, kHeader));
  }

  // Sound, but of the cycle before.
  void lay_stale() {
    const std::int64_t here = cursor_;
    seek(cursor_ - section_);
    if (cursor_ % section_ == here % section_) lay(1 + bytes_.u8());
    seek(plus(here, kHeader));
  }

  void flip() {
    const std::uint8_t which = bytes_.u8();
    const std::int64_t at = std::max<std::int64_t>(cursor_ - 1 - bytes_.u8(), 0);
    section_bytes(at, 1).front() ^= std::byte{1} << (which % 8);
  }

  void put_raw() {
    const auto raw = bytes_.bytes(bytes_.u8());
    const auto place = section_bytes(cursor_, static_cast<std::int64_t>(raw.size()));
    std::ranges::copy(raw.first(place.size()), place.begin());
    seek(plus(cursor_, static_cast<std::int64_t>(raw.size())));
  }

  void fail_block() {
    const std::uint8_t which = bytes_.u8();
    std::uint64_t block = geometry_.position({cursor_}).value / kBlockBytes;
    if (which % 8 == 0) block = which / 8 % kHeaderSlots;
    image_.unreadable.at(block) = true;
  }

  // A record whose body was written over becomes sound again: bodies that look like records.
  void seal() {
    if (records_.empty()) return;
    const Laid& record = records_[records_.size() - 1 - bytes_.u8() % records_.size()];
    const auto body = section_bytes(record.offset + kHeader, record.length);
    put_header(record.offset, {.kind = RecordKind::data,
                               .body_length_bytes = static_cast<std::uint32_t>(record.length),
                               .offset = {record.offset},
                               .body_checksum = checksum(body)});
  }

  // --- evidence

  // Its fill is zero, or what stood there before.
  void end_block_write_without_evidence() {
    previous_end_ = cursor_;
    move(plus(cursor_, kBlock - 1) / kBlock * kBlock);
  }

  void put_evidence(const BlockEvidence& evidence, std::int64_t end) {
    std::array<std::byte, kBlockEvidenceBytes> encoded{};
    encode_block_evidence(evidence, encoded);
    const auto place = section_bytes(end - kBlockEvidenceBytes, kBlockEvidenceBytes);
    std::memcpy(place.data(), encoded.data(), place.size());
  }

  // At the next boundary, with evidence where there is room for it, of which one field may be
  // wrong.
  void end_block_write(std::uint8_t wrong_field, std::uint8_t value) {
    const std::int64_t end = plus(cursor_, kBlock - 1) / kBlock * kBlock;
    if (end - cursor_ >= kBlockEvidenceBytes &&
        end - block_write_ <= geometry_.left_in_cycle({block_write_})) {
      put_evidence(twisted({.lineage = lineage_,
                            .begin = {block_write_},
                            .length_bytes = static_cast<std::uint32_t>(end - block_write_),
                            .records_bytes = static_cast<std::uint32_t>(cursor_ - block_write_),
                            .previous_end = {previous_end_},
                            .watermark = {block_watermark_},
                            .trim = {start_ - 1}},
                           wrong_field, value),
                   end);
    }
    previous_end_ = cursor_;
    move(end);
  }

  [[nodiscard]] BlockEvidence twisted(BlockEvidence evidence, std::uint8_t field,
                                      std::uint8_t value) const {
    switch (field % 8) {
      case 1:
        evidence.lineage.incarnation += value % 2 == 0 ? 1U : ~0U;
        break;
      case 2:
        evidence.lineage.log_id += 1U + value;
        break;
      case 3:
        if (evidence.begin.value % section_ == 0) break;
        evidence.begin = evidence.begin - kBlock;
        evidence.length_bytes += kBlockBytes;
        break;
      case 4:
        evidence.length_bytes += kBlockBytes;
        break;
      case 5:
        evidence.records_bytes -= std::min<std::uint32_t>(value, evidence.records_bytes);
        break;
      case 6:
        evidence.previous_end = {plus(evidence.previous_end.value, value)};
        break;
      case 7:
        evidence.watermark = {plus(evidence.begin.value, value * kBlock)};
        break;
      default:
        break;
    }
    return evidence;
  }

  // The first block of a gap says that the log goes on in the next cycle.
  void lay_gap() {
    end_block_write_without_evidence();
    put_evidence({.lineage = lineage_,
                  .begin = {cursor_},
                  .length_bytes = kBlockBytes,
                  .records_bytes = 0,
                  .previous_end = {previous_end_},
                  .watermark = {block_watermark_},
                  .trim = {start_ - 1}},
                 plus(cursor_, kBlock));
    move(plus(cursor_, geometry_.left_in_cycle({cursor_})));
  }

  // --- headers

  [[nodiscard]] std::int64_t trim(const HeaderSpec& spec) const {
    const std::int64_t value = spec.trim_value;
    const std::int64_t record = records_.empty()
                                    ? start_
                                    : records_[static_cast<std::uint64_t>(value) %
                                               std::min<std::size_t>(records_.size(), 8)]
                                          .offset;
    switch (spec.trim % 8) {
      case 0:
        return start_ - 1;
      case 1:
        return start_;
      case 2:
        return record;
      case 3:
        return plus(record, spec.trim / 8);
      case 4:
        return plus(start_, spec.trim / 8 * kBlock);
      case 5:
        return plus(start_, spec.trim / 8 * kBlock - 1);
      case 6:
        return cursor_ - spec.trim / 8;
      default:
        return value;
    }
  }

  [[nodiscard]] std::int64_t window(const HeaderSpec& spec) const {
    switch (spec.window % 8) {
      case 0:
      case 1:
        return section_;
      case 2:
        return spec.window_value % 9 * kBlock;
      case 3:
        return spec.window_value % 9 * kBlock + 1;
      case 4:
        return spec.window_value;
      case 5:
        return std::int64_t{spec.window_value} * 256;
      case 6:
        return std::numeric_limits<std::int64_t>::max();
      default:
        return -std::int64_t{spec.window_value};
    }
  }

  [[nodiscard]] std::int64_t watermark(const EvidenceSpec& spec) const {
    const std::int64_t more = spec.watermark_value;
    switch (spec.watermark % 8) {
      case 0:
      case 1:
        return cursor_;
      case 2:
        return previous_end_;
      case 3:
        return std::max<std::int64_t>(-1, cursor_ - more);
      case 4:
        return plus(cursor_, more);
      case 5:
        return plus(start_, more);
      case 6:
        return records_.empty() ? -1 : records_[spec.watermark_value % records_.size()].offset;
      default:
        return -1;
    }
  }

  // Bits: 0-1 which slots have it, 2 a resume has cut off something, 3 the other slot is of the
  // timeline before, 4 all block writes are of a later one, 5 the other slot is of another log.
  [[nodiscard]] std::optional<HeaderEvidence> evidence_of(std::uint32_t slot) const {
    if (!evidence_) return std::nullopt;
    const std::uint8_t bits = evidence_->slots;
    if (bits % 4 == slot + 1) return std::nullopt;
    HeaderEvidence mine{.lineage = {lineage_.log_id, newest_incarnation_},
                        .flags = bits / 4 % 2 == 1 ? HeaderEvidence::kResumed : 0U,
                        .watermark = {watermark(*evidence_)}};
    if (bits / 16 % 2 == 1) mine.lineage.incarnation -= std::min(newest_incarnation_, 1U);
    if (slot == 0) return mine;
    if (bits / 8 % 2 == 1) mine.lineage.incarnation -= std::min(mine.lineage.incarnation, 1U);
    if (bits / 8 % 2 == 1) mine.watermark = kNoOffset;
    if (bits / 32 % 2 == 1) ++mine.lineage.log_id;
    return mine;
  }

  void write_slots(const HeaderSpec& spec) {
    WalHeader header;
    header.version = version1_ ? FormatVersion::v1 : FormatVersion::v0;
    header.capacity_bytes = geometry_.capacity_bytes();
    header.trim = {trim(spec)};
    header.stamp = 7;
    header.window_bytes = window(spec);
    if (evidence_ && evidence_->slots / 64 % 2 == 1) header.shutdown = ShutdownType::graceful;
    // Bits: 0-1 which slots, 2-3 their stamps, 4 the other slot is of another state.
    const std::uint8_t bits = spec.slots;
    for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
      WalHeader mine = header;
      if (slot == 1) {
        if (bits / 4 % 4 == 1) ++mine.stamp;
        if (bits / 4 % 4 == 2) --mine.stamp;
        if (bits / 16 % 2 == 1) mine.trim = {start_ - 1};
        if (bits / 32 % 8 == 7) mine.version = FormatVersion::v1;
      }
      const auto place = memory_.at(std::uint64_t{slot} * kBlockBytes, kBlockBytes);
      if (bits % 4 == slot + 1) {
        std::memset(place.data(), bits / 64, kBlockBytes);  // blank, or something else
        continue;
      }
      encode_wal_header(mine, std::span<std::byte, kBlockBytes>(place), evidence_of(slot));
      if (bits % 4 == 3) place[20] ^= std::byte{static_cast<std::uint8_t>(slot)};
    }
  }

  ByteReader& bytes_;
  ImageMemory& memory_;
  HostileImage& image_;
  const Geometry geometry_;
  const std::int64_t section_;
  bool version1_ = false;
  std::int64_t start_ = 0;
  std::int64_t cursor_ = 0;
  std::vector<Laid> records_;
  std::optional<EvidenceSpec> evidence_;  // of the headers; none: they have none
  Lineage lineage_{.log_id = 0x5EED, .incarnation = 0};
  std::uint32_t newest_incarnation_ = 0;
  std::int64_t block_write_ = 0;  // where the one that is being laid begins
  std::int64_t previous_end_ = -1;
  std::int64_t block_watermark_ = -1;
};

}  // namespace

HostileImage read_shape(ByteReader& bytes, const ImageMemory& memory) {
  const std::uint8_t size = bytes.u8();
  const std::uint8_t device = bytes.u8();
  const std::uint8_t reading = bytes.u8();
  const std::uint64_t blocks = size == kLargeSize ? kLargeBlocks : 1 + size % 32U;

  HostileImage image;
  image.limits.size_is_exact = device % 2 == 0;
  image.limits.size_bytes =
      kHeaderAreaBytes + blocks * kBlockBytes + (image.limits.size_is_exact ? 0 : kSlackBytes);
  image.limits.max_transfer_bytes =
      std::array<std::uint32_t, 4>{1U << 20U, 65536, 16384, 8192}.at(device / 2 % 4);
  image.limits.depth = std::array<std::uint32_t, 4>{32, 4, 2, 1}.at(device / 8 % 4);
  image.limits.block_bytes = device / 32 % 2 == 0 ? 512 : 4096;
  image.limits.buffer_alignment_bytes = image.limits.block_bytes;
  image.last_first = device / 64 % 2 == 1;
  image.errors_keep_bytes = device / 128 == 1;
  image.options.read_ahead_bytes =
      std::array<std::uint32_t, 8>{65536, 16384, 4096, 8192, 131072, 1, 65536, 4U << 20U}.at(
          reading % 8);
  image.options.reads_in_flight = reading / 8 % 8;
  image.frugal_mode = reading / 64;
  image.bytes = memory.first(image.limits.size_bytes);
  image.unreadable.assign(image.limits.size_bytes / kBlockBytes, false);
  return image;
}

void write_program(ByteReader& bytes, ImageMemory& memory, HostileImage& image) {
  Writer(bytes, memory, image).run();
}

std::vector<Patch> parse_patches(std::span<const std::byte> input, std::uint64_t image_bytes) {
  std::vector<Patch> patches;
  std::size_t at = 0;
  while (input.size() - at > kPatchHeaderBytes) {
    ByteReader header(input.subspan(at, kPatchHeaderBytes));
    at += kPatchHeaderBytes;
    Patch patch{.where = header.number(3), .begin = at, .length = header.u8()};
    if (patch.where != kUnreadablePatch) {
      patch.position = patch.where * kPatchUnit % image_bytes;
      patch.bytes = std::min({patch.length, input.size() - at, image_bytes - patch.position});
      at += patch.bytes;
    }
    patches.push_back(patch);
  }
  return patches;
}

void write_patches(ByteReader& bytes, ImageMemory& memory, HostileImage& image) {
  const auto input = bytes.rest();
  for (const Patch& patch : parse_patches(input, image.bytes.size())) {
    if (patch.where == kUnreadablePatch) {
      image.unreadable[patch.length % image.unreadable.size()] = true;
      continue;
    }
    std::ranges::copy(input.subspan(patch.begin, patch.bytes),
                      memory.at(patch.position, patch.bytes).begin());
  }
}

}  // namespace seqwal::fuzz
