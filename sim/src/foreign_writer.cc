#include "foreign_writer.h"

#include <algorithm>
#include <array>

#include "seqwal/sim/naive_reader.h"

namespace seqwal::sim {

bool ForeignWriter::take() {
  const NaiveHeaders found = naive_headers(disk_.visible());
  if (oracle_.tainted() || oracle_.between_timelines() || disk_.writes_cached() > 0 ||
      !found.slots[0] || !found.slots[1] || disk_.is_unreadable(0, kHeaderAreaBytes)) {
    return false;
  }
  if (choose(2, "goes on with it") == 1) {
    live();
    return true;
  }
  for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
    const std::uint64_t at = std::uint64_t{slot} * kBlockBytes;
    WalHeader header = decode_wal_header(disk_.visible().subspan(at, kBlockBytes)).header;
    header.stamp += 1'000'000;
    std::array<std::byte, kBlockBytes> bytes{};
    encode_wal_header(header, bytes);
    disk_.put(at, std::span(bytes).first(kWalHeaderBytes));
  }
  oracle_.evidence_is_gone();
  return true;
}

void ForeignWriter::live() {
  WalHeader header;
  for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
    const auto found =
        decode_wal_header(disk_.visible().subspan(std::uint64_t{slot} * kBlockBytes, kBlockBytes));
    if (slot == 0 || found.header.stamp > header.stamp) header = found.header;
  }
  version_ = header.version;
  geometry_ = Geometry(header.capacity_bytes);
  start_ = geometry_.reset_start(header.trim);
  header.trim = start_ - 1;
  header.stamp += 1'000'000;
  const std::array<std::int64_t, 3> windows = {geometry_.section_bytes(), std::int64_t{16} * 4096,
                                               std::int64_t{6} * 4096};
  header.window_bytes = std::min(geometry_.section_bytes(), windows.at(choose(3, "its window")));

  Offset end = start_;
  for (std::uint64_t left = 1 + choose(12, "its block writes"); left > 0; --left) {
    append(end);
    if (block_writes_.empty()) break;
    const Offset next = Offset{block_writes_.back().begin} + std::ssize(block_writes_.back().bytes);
    if (next == end) break;
    end = next;
  }
  const bool closes = choose(3, "it is closed") == 0;
  header.shutdown = closes ? ShutdownType::graceful : ShutdownType::ungraceful;
  settle(closes ? block_writes_.size() : in_flight(header));
  if (choose(4, "it trims") == 3) {
    const auto told = std::ranges::find(records_, false, &Oracle::ForeignRecord::acknowledged);
    const auto count = static_cast<std::uint64_t>(told - records_.begin());
    if (count > 0) header.trim = Offset{records_[choose(count, "its trim")].offset};
  }
  write_headers(header);
  oracle_.foreign_life(start_.value, header.trim.value, records_);
}

// One block write of up to three records at `end`, or at the next cycle's start where the first one
// does not fit; none where the section is full.
void ForeignWriter::append(Offset end) {
  const Offset limit = start_ + geometry_.section_bytes();
  Offset begin = end;
  std::int64_t left = geometry_.left_in_cycle(begin);
  const std::int64_t gap = left;
  std::vector<std::uint64_t> lengths;
  std::int64_t total = 0;
  for (std::uint64_t count = 1 + choose(3, "its records"); count > 0; --count) {
    const std::uint64_t length = std::min<std::uint64_t>(draw_length(), geometry_.max_body_bytes());
    const auto bytes = static_cast<std::int64_t>(kRecordHeaderBytes + length);
    if (lengths.empty() && bytes > left) {
      begin = geometry_.next_cycle(begin);
      left = geometry_.section_bytes();
    }
    if (total + bytes > left) break;
    lengths.push_back(length);
    total += bytes;
  }
  if (begin + round_up_to_block(total) > limit) return;
  if (begin != end && version_ == FormatVersion::v1) {
    std::vector<std::byte> padding(static_cast<std::size_t>(gap));
    encode_record_header({.kind = RecordKind::padding,
                          .body_length_bytes = static_cast<std::uint32_t>(gap) - kRecordHeaderBytes,
                          .offset = end,
                          .body_checksum = 0},
                         std::span(padding).first<kRecordHeaderBytes>());
    block_writes_.push_back(
        {.begin = end.value, .bytes = std::move(padding), .records_end = records_.size()});
  }
  // What the buffer held before.
  std::vector<std::byte> bytes(static_cast<std::size_t>(round_up_to_block(total)));
  switch (choose(3, "what is left in its buffer")) {
    case 1:
      std::ranges::copy(noise_.first(bytes.size()), bytes.begin());
      break;
    case 2:
      if (!block_writes_.empty()) {
        const auto& before = block_writes_.back().bytes;
        std::copy_n(before.begin(), std::min(before.size(), bytes.size()), bytes.begin());
      }
      break;
    default:
      break;
  }
  std::size_t at = 0;
  for (const std::uint64_t length : lengths) {
    const auto body = noise_.subspan(choose(noise_.size() - length, "body"), length);
    const Offset offset = begin + static_cast<std::int64_t>(at);
    encode_record_header({.kind = RecordKind::data,
                          .body_length_bytes = static_cast<std::uint32_t>(length),
                          .offset = offset,
                          .body_checksum = naive_checksum(body)},
                         std::span(bytes).subspan(at).first<kRecordHeaderBytes>());
    std::ranges::copy(body, bytes.begin() + static_cast<std::ptrdiff_t>(at + kRecordHeaderBytes));
    at += kRecordHeaderBytes + length;
    records_.push_back({.offset = offset.value, .body = body, .acknowledged = true});
  }
  block_writes_.push_back(
      {.begin = begin.value, .bytes = std::move(bytes), .records_end = records_.size()});
}

std::uint64_t ForeignWriter::draw_length() {
  const std::array<std::uint64_t, 4> most = {200, 200, 4096, 12'288};
  return 1 + choose(most.at(choose(most.size(), "its size")), "length");
}

// How many block writes, from the beginning, were durable when it died: the others fit the window,
// which counts the gap of a jump.
std::size_t ForeignWriter::in_flight(const WalHeader& header) const {
  std::size_t first = block_writes_.size();
  while (first > 0 && block_writes_.size() - first < 5) {
    const Offset begin = first == 1 ? start_
                                    : Offset{block_writes_[first - 2].begin} +
                                          std::ssize(block_writes_[first - 2].bytes);
    const BlockWrite& last = block_writes_.back();
    if (Offset{last.begin} + std::ssize(last.bytes) - begin > header.window_bytes) break;
    --first;
  }
  return first;
}

// What reached the disk, and what was acknowledged of it: in version 1 nothing behind a hole.
void ForeignWriter::settle(std::size_t first_in_flight) {
  bool contiguous = true;
  std::size_t record = 0;
  for (std::size_t i = 0; i < block_writes_.size(); ++i) {
    const BlockWrite& block_write = block_writes_[i];
    const std::uint64_t fate = i < first_in_flight ? 0 : choose(5, "fate of its block write");
    const std::uint64_t sectors = block_write.bytes.size() / kSectorBytes;
    const std::span<const std::byte> bytes(block_write.bytes);
    const Offset begin{block_write.begin};
    switch (fate) {
      case 0:
      case 1:
        write(begin, bytes);
        break;
      case 2: {
        const std::uint64_t kept = 1 + choose(sectors - 1, "its sectors");
        write(begin, bytes.first(kept * kSectorBytes));
        break;
      }
      case 3: {
        const std::uint64_t lost = (1 + choose(sectors - 1, "its sectors")) * kSectorBytes;
        write(begin + static_cast<std::int64_t>(lost), bytes.subspan(lost));
        break;
      }
      default:
        break;
    }
    contiguous = contiguous && fate == 0;
    const bool told = version_ == FormatVersion::v1 ? contiguous : fate == 0;
    for (; record < block_write.records_end; ++record) records_[record].acknowledged = told;
  }
}

void ForeignWriter::write_headers(const WalHeader& header) {
  for (std::uint32_t slot = 0; slot < kHeaderSlots; ++slot) {
    WalHeader written = header;
    written.stamp += slot;
    std::array<std::byte, kBlockBytes> bytes{};
    encode_wal_header(written, bytes);
    disk_.put(std::uint64_t{slot} * kBlockBytes, std::span(bytes).first(kWalHeaderBytes));
  }
}

// In one cycle.
void ForeignWriter::write(Offset offset, std::span<const std::byte> bytes) {
  const std::uint64_t position = geometry_.position(offset).value;
  disk_.mend(position, bytes.size());
  disk_.put(position, bytes);
}

}  // namespace seqwal::sim
