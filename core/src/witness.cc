#include "witness.h"

#include <algorithm>

namespace seqwal {
namespace {

constexpr std::int64_t kPieceBytes = kSoftLimitBytes;

}  // namespace

Witness::Witness(Scanner& scanner, const Geometry& geometry, const HeaderState& headers, Offset end)
    : scanner_(scanner),
      geometry_(geometry),
      header_(headers.evidence()),
      end_(end),
      window_bytes_(headers.greatest_window()) {
  if (header_) watermark_ = durable_end_ = header_->watermark;
}

std::optional<BlockEvidence> Witness::at_end(std::span<const std::byte> block, Offset end) {
  const auto evidence = decode_block_evidence(block.last<kBlockEvidenceBytes>());
  if (!header_ || !evidence || evidence->lineage.log_id != header_->lineage.log_id ||
      evidence->lineage.incarnation > header_->lineage.incarnation) {
    return std::nullopt;
  }
  watermark_ = std::max(watermark_, evidence->watermark);
  durable_end_ = std::max(durable_end_, evidence->watermark);
  if (evidence->end() != end) return std::nullopt;
  return evidence;
}

Result<void> Witness::look(Offset from, Offset to) {
  from = std::max(from, looked_at_.end);
  to = round_up_to_block(std::min(to, end_));
  if (from >= to) return {};
  if (auto ok = examine_range(from, to); !ok) return ok;
  if (from > looked_at_.end) looked_at_.begin = from;
  looked_at_.end = to;
  return {};
}

Result<void> Witness::examine_range(Offset from, Offset to) {
  if (buffer_.size() == 0) buffer_ = AlignedBuffer(kPieceBytes);
  for (Offset at = round_down_to_block(from); at < to;) {
    const std::int64_t length =
        std::min({kPieceBytes, geometry_.left_in_cycle(at), round_up_to_block(to) - at});
    const auto bytes = buffer_.span().first(static_cast<std::size_t>(length));
    const auto bad = scanner_.peek(at, bytes);
    if (!bad) return std::unexpected(bad.error());
    for (std::int64_t done = 0; done < length; done += kBlockBytes) {
      if (std::ranges::find(*bad, at + done) != bad->end()) continue;
      examine(bytes.subspan(static_cast<std::size_t>(done), kBlockBytes), at + done);
    }
    at = at + length;
  }
  return {};
}

void Witness::examine(std::span<const std::byte> block, Offset begin) {
  const Offset end = begin + kBlockBytes;
  if (const auto evidence = at_end(block, end))
    block_writes_.insert_or_assign(end.value, *evidence);
  // What lies a window and more before a block write was durable before that was submitted.
  if (header_ && decode_record_header(block.first<kRecordHeaderBytes>(), begin)) {
    watermark_ = std::max(watermark_, begin - window_bytes_);
  }
}

Result<std::optional<BlockEvidence>> Witness::beginning_at(Offset begin) {
  if (begin >= end_) return std::nullopt;
  if (auto ok = examine_block_write(begin); !ok) return std::unexpected(ok.error());
  const auto after = block_writes_.upper_bound(begin.value);
  if (after == block_writes_.end() || after->second.begin != begin) return std::nullopt;
  return after->second;
}

// As far as it may reach behind what was looked at.
Result<void> Witness::examine_block_write(Offset begin) {
  const Offset furthest = std::min(end_, saturating_add(begin, geometry_.left_in_cycle(begin)));
  if (begin >= looked_at_.begin && furthest <= looked_at_.end) return {};
  if (auto ok = examine_range(begin, begin + kBlockBytes); !ok) return ok;
  Offset from = begin + kBlockBytes;
  Offset to = saturating_add(begin, kSoftLimitBytes);
  // A longer one holds one record, whose header says where it ends.
  const auto header = decode_record_header(
      std::span<const std::byte>(buffer_.span()).first<kRecordHeaderBytes>(), begin);
  const std::int64_t length =
      header ? std::int64_t{kRecordHeaderBytes} + header->body_length_bytes : 0;
  if (length > kSoftLimitBytes) {
    to = saturating_add(begin, round_up_to_block(length));
    from = to - kBlockBytes;
  }
  to = std::min(to, furthest);
  // Block writes one after the other are asked about: most of this was seen for the one before.
  for (const OffsetRange& seen : {looked_at_, seen_aside_, looked_at_}) {
    if (from >= seen.begin && from < seen.end) from = seen.end;
  }
  if (from >= to) return {};
  if (auto ok = examine_range(from, to); !ok) return ok;
  seen_aside_ = {from == seen_aside_.end ? seen_aside_.begin : from, to};
  return {};
}

Result<bool> Witness::record_begins_in(Offset from, Offset to) {
  if (buffer_.size() == 0) buffer_ = AlignedBuffer(kPieceBytes);
  to = round_up_to_block(std::min(to, end_));
  for (Offset at = from; at < to;) {
    const std::int64_t length = std::min(kPieceBytes, to - at);
    const auto bytes = buffer_.span().first(static_cast<std::size_t>(length));
    const auto bad = scanner_.peek(at, bytes);
    if (!bad) return std::unexpected(bad.error());
    for (std::int64_t done = 0; done < length; done += kBlockBytes) {
      if (std::ranges::find(*bad, at + done) != bad->end()) continue;
      const std::span<const std::byte> block = bytes.subspan(static_cast<std::size_t>(done));
      if (decode_record_header(block.first<kRecordHeaderBytes>(), at + done)) return true;
    }
    at = at + length;
  }
  return false;
}

Result<bool> Witness::is_zero(Offset from, Offset to) {
  if (buffer_.size() == 0) buffer_ = AlignedBuffer(kPieceBytes);
  const Offset begin = round_down_to_block(from);
  const auto block = buffer_.span().first(kBlockBytes);
  const auto bad = scanner_.peek(begin, block);
  if (!bad) return std::unexpected(bad.error());
  const auto asked =
      block.subspan(static_cast<std::size_t>(from - begin), static_cast<std::size_t>(to - from));
  return bad->empty() && std::ranges::all_of(asked, [](std::byte b) { return b == std::byte{0}; });
}

std::optional<BlockEvidence> Witness::holding(Offset offset) const {
  const auto entry = block_writes_.upper_bound(offset.value);
  if (entry == block_writes_.end() || entry->second.begin > offset) return std::nullopt;
  return entry->second;
}

std::uint64_t Witness::older_than(std::uint32_t incarnation, Offset offset) const {
  return static_cast<std::uint64_t>(std::count_if(
      block_writes_.upper_bound(offset.value), block_writes_.end(), [&](const auto& entry) {
        return entry.second.begin >= offset && entry.second.lineage.incarnation < incarnation;
      }));
}

}  // namespace seqwal
