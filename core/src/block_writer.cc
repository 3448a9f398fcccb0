#include "block_writer.h"

#include <algorithm>
#include <cstring>

#include "doorbell.h"
#include "seqwal/check.h"

namespace seqwal {
namespace {

constexpr std::uint32_t kHalfBytes = kSoftLimitBytes / 2;
constexpr std::uint32_t kPaddingZeroBytes = 128U << 10U;
constexpr std::uint8_t kNoHalf = 2;

// Bytes [from, from + out.size()) of the block write of one long record: header, body, zeroes, and
// evidence at the end, or none.
void compose_long(const SealedBlock& block, std::span<const std::byte> evidence, std::int64_t from,
                  std::span<std::byte> out) {
  const std::int64_t records = block.records_end - block.start;
  const auto copy = [&](const std::byte* source, std::int64_t source_begin,
                        std::int64_t source_end) {
    const std::int64_t begin = std::max(from, source_begin);
    const std::int64_t end = std::min(from + std::ssize(out), source_end);
    if (begin < end) {
      std::memcpy(out.data() + (begin - from), source + (begin - source_begin),
                  static_cast<std::size_t>(end - begin));
    }
  };
  copy(block.long_header.data(), 0, kRecordHeaderBytes);
  std::int64_t at = kRecordHeaderBytes;
  for (const auto piece : block.long_pieces) {
    copy(piece.data(), at, at + std::ssize(piece));
    at += std::ssize(piece);
  }
  const std::int64_t filled = std::clamp<std::int64_t>(records - from, 0, std::ssize(out));
  std::ranges::fill(out.subspan(static_cast<std::size_t>(filled)), std::byte{0});
  const std::int64_t total = block.end() - block.start;
  copy(evidence.data(), total - std::ssize(evidence), total);
}

}  // namespace

BlockWriter::BlockWriter(const Geometry& geometry, LogBuffer& buffer, HeaderStore& headers,
                         IoTable& io, const Options& options)
    : geometry_(geometry),
      buffer_(buffer),
      headers_(headers),
      io_(io),
      options_(options),
      frontier_(options.needs_flush),
      depth_(options.depth, options.iops) {}

void BlockWriter::start(Offset last_end, bool is_new) {
  SEQWAL_CHECK(headers_.wanted_evidence().has_value());
  window_start_ = round_up_to_block(last_end);
  durable_end_ = last_end;
  new_start_ = is_new ? last_end : kNoOffset;
  const bool pads = headers_.wanted().version == FormatVersion::v1;
  padding_ = AlignedBuffer(kBlockBytes + (pads ? kPaddingZeroBytes : 0));
  std::ranges::fill(padding_.span(), std::byte{0});
}

void BlockWriter::submit_full() {
  gated_ = false;
  while (may_submit() && submit_one()) {
  }
}

void BlockWriter::pump() {
  submit_full();
  plugged_ = may_submit() && plug_.holds(buffer_.next_ticket(), now());
  while (may_submit() && may_begin() && !gated_ && !plugged_ && buffer_.seal()) submit_full();
  if (!stopped_ && slices_in_flight_ >= depth_.depth() &&
      (buffer_.has_open_block() || has_ready_block())) {
    depth_.saturated();
  }
}

// One slice of what is sealed. False: nothing may go now.
bool BlockWriter::submit_one() {
  for (std::uint32_t number = frontier_.frontier(); number != buffer_.blocks_end(); ++number) {
    Writing& writing = this->writing(number);
    if (writing.issued()) continue;
    if (!writing.started) {
      const auto block = may_begin() ? buffer_.ready(number) : std::nullopt;
      if (!block) continue;
      if (!may_start(number, *block)) {
        gated_ = true;
        return false;
      }
      begin(writing, *block);
    }
    if (issue_slice(number, writing)) return true;
  }
  return false;
}

bool BlockWriter::has_ready_block() const {
  for (std::uint32_t number = frontier_.frontier(); number != buffer_.blocks_end(); ++number) {
    if (!writing(number).started && buffer_.ready(number)) return true;
  }
  return false;
}

BlockWriter::Waits BlockWriter::waits() const {
  if (stopped_ || !has_free_slot()) return {.what = Waits::For::completion};
  if (!io_.pacer().ready()) return {.what = Waits::For::time, .until = io_.pacer().next()};
  if (gated_ || !may_begin()) return {.what = Waits::For::completion};
  if (!plugged_) return {};
  return {.what = Waits::For::clients, .until = plug_.until(), .ticket = plug_.target()};
}

bool BlockWriter::could_pump(const Waits& waits) const {
  if (waits.what == Waits::For::append && buffer_.has_open_block()) return true;
  if (waits.what == Waits::For::clients &&
      Doorbell::is_reached(buffer_.next_ticket(), waits.ticket)) {
    return true;
  }
  return has_ready_block();
}

bool BlockWriter::may_start(std::uint32_t number, const SealedBlock& block) {
  return space_allows(block) && window_allows(number, block);
}

// The header that stands durably in both slots decides, not what is on its way.
bool BlockWriter::space_allows(const SealedBlock& block) {
  const Offset space_end = geometry_.space_end(headers_.durable_keep());
  if (block.end() <= space_end) return true;
  // Claimed beyond the end only because everything before it is trimmed and it must jump: the trim
  // offset moves up to its cycle first.
  SEQWAL_CHECK(block.gap_begin < block.start);
  SEQWAL_CHECK(block.gap_begin + geometry_.section_bytes() == space_end);
  headers_.want_trim(TrimTarget::before(block.start));
  headers_.want_watermark(durable_end_);
  return false;
}

bool BlockWriter::window_allows(std::uint32_t number, const SealedBlock& block) {
  // Recovery starts behind the trim offset: a gap that is trimmed does not count.
  const Offset start = std::max(window_start_, std::min(headers_.durable_trim() + 1, block.start));
  const std::int64_t needed = block.end() - start;
  const std::int64_t allowed = headers_.durable_window();
  if (needed <= allowed) return true;
  if (needed > kWindowLimitBytes && number != frontier_.frontier()) return false;  // will shrink

  WalHeader wanted = headers_.wanted();
  const std::int64_t step = std::max<std::int64_t>(options_.window_step_bytes, kBlockBytes);
  const std::int64_t grown = std::max(needed, std::min(allowed + step, kWindowLimitBytes));
  wanted.window_bytes = std::max(wanted.window_bytes, std::min(grown, geometry_.section_bytes()));
  headers_.want(wanted);
  return false;
}

void BlockWriter::begin(Writing& writing, const SealedBlock& block) {
  SEQWAL_CHECK(block.end() <= geometry_.space_end(headers_.durable_keep()));
  ++begun_;
  writing = Writing{};
  writing.block = block;
  writing.submitted = now();
  writing.started = true;
  fill(writing);
  // Unless all of a gap is trimmed, it is told: version 1 fills it, version 0 leaves it to the
  // evidence of the block write behind it.
  if (headers_.durable_trim() + 1 >= block.start) return;
  if (headers_.wanted().version == FormatVersion::v1) {
    writing.padding_bytes = block.start - block.gap_begin;
  } else if (block.gap_begin < block.start && !writing.has_room_for_evidence()) {
    writing.padding_bytes = kBlockBytes;
  }
}

// Zeroes, and evidence at the end where it has room.
void BlockWriter::fill(Writing& writing) {
  const SealedBlock& block = writing.block;
  if (writing.has_room_for_evidence()) {
    encode_block_evidence(evidence_of(block), writing.evidence);
  }
  if (block.is_long()) return;
  const auto used = static_cast<std::size_t>(block.records_end - block.start);
  const auto total = static_cast<std::size_t>(block.end() - block.start);
  std::memset(block.memory + used, 0, total - used);
  if (writing.has_room_for_evidence()) {
    std::ranges::copy(writing.evidence, block.memory + total - kBlockEvidenceBytes);
  }
}

BlockEvidence BlockWriter::evidence_of(const SealedBlock& block) const {
  return {.lineage = headers_.wanted_evidence()->lineage,
          .begin = block.start,
          .length_bytes = static_cast<std::uint32_t>(block.end() - block.start),
          .records_bytes = static_cast<std::uint32_t>(block.records_end - block.start),
          .previous_end = block.previous_end == new_start_ ? kNoOffset : block.previous_end,
          .watermark = durable_end_,
          .trim = headers_.durable_trim()};
}

bool BlockWriter::issue_slice(std::uint32_t number, Writing& writing) {
  if (writing.issued_bytes < writing.padding_bytes) {
    issue_padding(number, writing);
    return true;
  }
  const SealedBlock& block = writing.block;
  const std::int64_t from = writing.issued_bytes - writing.padding_bytes;
  const std::int64_t left = writing.total_bytes() - writing.issued_bytes;
  if (!block.is_long()) {
    const auto length =
        static_cast<std::size_t>(std::min<std::int64_t>(left, options_.slice_bytes));
    submit(number, writing, block.start + from, {block.memory + from, length}, kNoHalf);
    return true;
  }
  for (std::uint8_t half = 0; half < kNoHalf; ++half) {
    if (writing.half_busy.at(half)) continue;
    const std::int64_t most = std::min(kHalfBytes, options_.slice_bytes);
    const std::span bytes(block.memory + std::size_t{half} * kHalfBytes,
                          static_cast<std::size_t>(std::min(left, most)));
    const std::span<const std::byte> evidence(writing.evidence);
    compose_long(block, evidence.first(writing.has_room_for_evidence() ? evidence.size() : 0), from,
                 bytes);
    writing.half_busy.at(half) = true;
    submit(number, writing, block.start + from, bytes, half);
    return true;
  }
  return false;
}

// There is never more than one jump in flight: a second one would be a whole section further.
void BlockWriter::issue_padding(std::uint32_t number, Writing& writing) {
  const Offset at = writing.block.gap_begin + writing.issued_bytes;
  if (headers_.wanted().version == FormatVersion::v0) {
    BlockEvidence gap = evidence_of(writing.block);
    gap.begin = at;
    gap.length_bytes = kBlockBytes;
    gap.records_bytes = 0;
    encode_block_evidence(
        gap, padding_.span().subspan<kBlockBytes - kBlockEvidenceBytes, kBlockEvidenceBytes>());
    submit(number, writing, at, {padding_.data(), kBlockBytes}, kNoHalf);
    return;
  }
  if (writing.issued_bytes == 0) {
    encode_record_header(
        {.kind = RecordKind::padding,
         .body_length_bytes =
             static_cast<std::uint32_t>(writing.padding_bytes - kRecordHeaderBytes),
         .offset = at,
         .body_checksum = 0},
        std::span<std::byte, kRecordHeaderBytes>(padding_.data(), kRecordHeaderBytes));
    submit(number, writing, at, {padding_.data(), kBlockBytes}, kNoHalf);
    return;
  }
  const std::int64_t most = std::min(kPaddingZeroBytes, options_.slice_bytes);
  const auto length =
      static_cast<std::size_t>(std::min(writing.padding_bytes - writing.issued_bytes, most));
  submit(number, writing, at, {padding_.data() + kBlockBytes, length}, kNoHalf);
}

void BlockWriter::submit(std::uint32_t number, Writing& writing, Offset at,
                         std::span<std::byte> bytes, std::uint8_t half) {
  const std::array segment{IoSegment{bytes.data(), bytes.size()}};
  io_.submit({.token = {},
              .kind = IoKind::write,
              .durable = options_.durable_writes,
              .position = geometry_.position(at),
              .segments = segment},
             {.kind = IoPurpose::Kind::block, .number = number, .half = half});
  writing.issued_bytes += std::ssize(bytes);
  ++writing.in_flight;
  ++slices_in_flight_;
}

void BlockWriter::complete(const IoTable::Done& done) {
  const IoPurpose& purpose = done.purpose;
  Writing& writing = this->writing(purpose.number);
  SEQWAL_CHECK(writing.started && writing.in_flight > 0);
  --writing.in_flight;
  --slices_in_flight_;
  if (purpose.half != kNoHalf) writing.half_busy.at(purpose.half) = false;
  if (done.os_error != 0) writing.failed = true;
  depth_.completed(now(), done.latency, done.bytes);
  if (!writing.issued() || writing.in_flight > 0 || writing.failed) return;
  writing.written = now();
  writing.overtaken = unwritten_before(purpose.number);
  frontier_.written(purpose.number);
}

std::uint32_t BlockWriter::unwritten_before(std::uint32_t number) const {
  std::uint32_t count = 0;
  for (std::uint32_t before = frontier_.frontier(); before != number; ++before) {
    const Writing& other = writing(before);
    if (!other.issued() || other.in_flight > 0) ++count;
  }
  return count;
}

void BlockWriter::acknowledged(std::uint16_t ticket, std::uint32_t records) {
  plug_.acknowledged(ticket, records, now() + std::min(options_.plug, depth_.latency() / 10));
}

BlockWriter::DurableBlock BlockWriter::take_durable() {
  Writing& writing = this->writing(frontier_.frontier() - 1);
  SEQWAL_CHECK(writing.issued() && writing.in_flight == 0);
  window_start_ = writing.block.end();
  durable_end_ = writing.block.records_end;
  writing.started = false;
  return {.block = writing.block,
          .submitted = writing.submitted,
          .written = writing.written,
          .overtaken = writing.overtaken};
}

}  // namespace seqwal
