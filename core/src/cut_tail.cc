#include "cut_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "aligned_buffer.h"
#include "seqwal/format.h"
#include "sync_io.h"

namespace seqwal {
namespace {

constexpr std::int64_t kPieceBytes = kSoftLimitBytes;

std::unexpected<Error> cannot(const char* what, Offset offset, int os_error) {
  return std::unexpected(Error{.code = ErrorCode::io_error,
                               .os_error = os_error,
                               .offset = offset,
                               .detail = fmt::format("cannot {} at the end of the log", what)});
}

class Cut {
 public:
  Cut(Device& device, const Geometry& geometry, const TailCut& cut)
      : device_(device),
        io_(device),
        geometry_(geometry),
        cut_(cut),
        unit_bytes_(std::clamp(device.limits().atomic_write_bytes, device.limits().block_bytes,
                               kBlockBytes)),
        forgets_(cut.flushes && device.limits().volatile_cache),
        begin_(round_up_to_block(cut.tail.end)),
        end_(std::min(saturating_add(begin_, cut.window_bytes), cut.space_end)),
        buffer_(kPieceBytes),
        staging_(kBlockBytes) {}

  Result<void> run(Host& host) {
    if (auto ok = write_again(); !ok) return ok;
    if (!cut_.had_evidence) {
      if (auto ok = adopt(host); !ok) return ok;
      return zero_behind();
    }
    if (auto ok = vouch_for_jump(); !ok) return ok;
    for (const RecoveredTail::BrokenFill& fill : cut_.tail.broken_fills) {
      if (auto ok = mend_fill(fill.begin, fill.incarnation); !ok) return ok;
      if (auto ok = flush(); !ok) return ok;
    }
    if (cut_.tail.torn) {
      if (auto ok = mend_fill(cut_.tail.end, cut_.lineage.incarnation); !ok) return ok;
      if (auto ok = flush(); !ok) return ok;
    }
    return zero_behind();
  }

  // A writer without evidence acknowledges in any order: what it left there may be acknowledged.
  Result<void> refuse_records() {
    if (cut_.tail.is_followed) return may_be_acknowledged(cut_.tail.end);
    return for_each_block([&](std::span<const std::byte> block, Offset at, bool readable) {
      if (!readable) {
        return Result<void>(std::unexpected(
            Error{.code = ErrorCode::unknown_tail,
                  .os_error = 0,
                  .offset = at,
                  .detail = "a block that may hold records cannot be read: check the device, or "
                            "give it up with a reset"}));
      }
      const auto header = decode_record_header(block.first<kRecordHeaderBytes>(), at);
      if (!header || header->kind != RecordKind::data) return Result<void>();
      const auto whole = is_whole(*header);
      if (!whole) return Result<void>(std::unexpected(whole.error()));
      return *whole ? may_be_acknowledged(at) : Result<void>();
    });
  }

 private:
  static Result<void> may_be_acknowledged(Offset offset) {
    return std::unexpected(
        Error{.code = ErrorCode::unknown_tail,
              .os_error = 0,
              .offset = offset,
              .detail = "a record lies there or behind, beyond a hole, and may have been "
                        "acknowledged by a writer that leaves no evidence: recover the log, then "
                        "reset it"});
  }

  Result<bool> is_whole(const RecordHeader& header) {
    const std::int64_t length = std::int64_t{kRecordHeaderBytes} + header.body_length_bytes;
    if (length > geometry_.left_in_cycle(header.offset)) return false;
    const AlignedBuffer record(static_cast<std::size_t>(round_up_to_block(length)));
    const int os_error = io_.read(geometry_.position(header.offset), record.span());
    if (os_error != 0) return false;
    return checksum(record.span().subspan(kRecordHeaderBytes, header.body_length_bytes)) ==
           header.body_checksum;
  }

  Result<void> write_again() {
    const Offset tail = cut_.tail.end;
    Offset begin = std::max({cut_.watermark, cut_.trim + 1, tail - cut_.window_bytes, Offset{0}});
    begin = {begin.value / unit_bytes_ * unit_bytes_};
    if (!forgets_ || begin >= tail) return {};
    for (Offset at = begin; at < begin_; at = at + unit_bytes_) {
      const auto unit = buffer_.span().first(unit_bytes_);
      if (const int os_error = io_.read(geometry_.position(at), unit); os_error != 0) {
        if (is_gap(at)) continue;
        return cannot("read again", at, os_error);
      }
      if (const int os_error = io_.write(geometry_.position(at), unit, false); os_error != 0) {
        return cannot("write again", at, os_error);
      }
    }
    return flush();
  }

  // Nothing of the log stands there.
  [[nodiscard]] bool is_gap(Offset at) const {
    const Offset gap = cut_.tail.gap_begin;
    return gap != kNoOffset && at >= gap && at < geometry_.next_cycle(gap);
  }

  Result<void> vouch_for_jump() {
    const Offset gap = cut_.tail.gap_begin;
    if (gap == kNoOffset || gap <= cut_.trim) return {};
    if (auto ok = mend_gap(gap, cut_.tail.gap_previous_end, cut_.tail.gap_incarnation); !ok) {
      return ok;
    }
    return flush();
  }

  // The records of a writer without evidence get some: every fill between two of them, the one
  // behind the last, and the gap of a jump. Until the headers have evidence nobody asks for it, so
  // one flush is enough.
  Result<void> adopt(Host& host) {
    const auto recovery = Recovery::open(device_, host, {.mode = RecoveryMode::prefix});
    if (!recovery) return std::unexpected(recovery.error());
    Offset end = kNoOffset;  // of the record before
    if (cut_.tail.trim_is_record) {
      const auto trimmed = header_at(cut_.trim);
      if (!trimmed) return std::unexpected(trimmed.error());
      if (!*trimmed) return cannot("read again", cut_.trim, 0);
      end = end_of(**trimmed);
    }
    while (cut_.tail.first != kNoOffset && end < cut_.tail.end) {
      const auto record = (*recovery)->next();
      if (!record) return std::unexpected(record.error());
      if (!*record) return cannot("read again", end, 0);
      const Offset offset = (*record)->offset;
      const Offset record_end = offset + (kRecordHeaderBytes + std::ssize((*record)->body));
      if (offset != end && end != kNoOffset) {
        (*recovery)->settle();
        if (auto ok = adopt_between(end, offset); !ok) return ok;
      }
      end = record_end;
    }
    (*recovery)->settle();
    if (auto ok = mend_fill(cut_.tail.end, cut_.lineage.incarnation); !ok) return ok;
    return flush();
  }

  // A block write ends at `end`, and the next one begins at `next`.
  Result<void> adopt_between(Offset end, Offset next) {
    if (!is_block_aligned(end)) {
      const auto padding = header_at(end);
      if (!padding) return std::unexpected(padding.error());
      if (*padding) return {};
      if (auto ok = mend_fill(end, cut_.lineage.incarnation); !ok) return ok;
    }
    const Offset gap = round_up_to_block(end);
    if (next == gap || cut_.version == FormatVersion::v1) return {};
    return mend_gap(gap, end, cut_.lineage.incarnation);
  }

  static Offset end_of(const RecordHeader& header) {
    return header.offset + (std::int64_t{kRecordHeaderBytes} + header.body_length_bytes);
  }

  Result<std::optional<RecordHeader>> header_at(Offset offset) {
    if (geometry_.left_in_cycle(offset) < kRecordHeaderBytes) return std::nullopt;
    const Offset begin = round_down_to_block(offset);
    const auto at = static_cast<std::size_t>(offset - begin);
    const auto bytes =
        buffer_.span().first(round_up_to_block(at + std::size_t{kRecordHeaderBytes}));
    if (const int os_error = io_.read(geometry_.position(begin), bytes); os_error != 0) {
      return cannot("read a record", offset, os_error);
    }
    return decode_record_header(
        std::span<const std::byte>(bytes).subspan(at).first<kRecordHeaderBytes>(), offset);
  }

  Result<void> mend_gap(Offset gap, Offset previous_end, std::uint32_t incarnation) {
    const auto block = buffer_.span().first(kBlockBytes);
    std::ranges::fill(block, std::byte{0});
    put_evidence(block, incarnation, {.begin = gap, .previous_end = previous_end});
    return write(gap, block);
  }

  // The records that end at `end`, inside a block, are the last ones of their block write.
  Result<void> mend_fill(Offset end, std::uint32_t incarnation) {
    if (is_block_aligned(end)) return {};
    const Offset begin = round_down_to_block(end);
    const auto block = buffer_.span().first(kBlockBytes);
    if (const int os_error = io_.read(geometry_.position(begin), block); os_error != 0) {
      return cannot("read the last block write", begin, os_error);
    }
    const auto used = static_cast<std::size_t>(end - begin);
    std::ranges::fill(block.subspan(used), std::byte{0});
    if (kBlockBytes - used >= kBlockEvidenceBytes) {
      // It says nothing of what stands before this block.
      put_evidence(
          block, incarnation,
          {.begin = begin, .records_bytes = static_cast<std::uint32_t>(used), .previous_end = end});
    }
    // The unit that holds the end of the last record comes last, and alone.
    const std::size_t from = used / unit_bytes_ * unit_bytes_;
    const std::size_t rest = from + unit_bytes_;
    if (rest < kBlockBytes) {
      if (auto ok = write(begin + static_cast<std::int64_t>(rest), block.subspan(rest)); !ok) {
        return ok;
      }
      if (auto ok = cut_.had_evidence ? flush() : Result<void>(); !ok) return ok;
    }
    return write(begin + static_cast<std::int64_t>(from), block.subspan(from, unit_bytes_));
  }

  Result<void> zero_behind() {
    if (forgets_) return zero_all();
    std::vector<Offset> blocks;
    const auto found = for_each_block([&](std::span<const std::byte> block, Offset at, bool ok) {
      const auto evidence = decode_block_evidence(block.last<kBlockEvidenceBytes>());
      if (!ok || decode_record_header(block.first<kRecordHeaderBytes>(), at) ||
          (evidence && evidence->end() == at + kBlockBytes)) {
        blocks.push_back(at);
      }
      return Result<void>();
    });
    if (!found) return found;
    const auto zeroes = buffer_.span().first(kBlockBytes);
    std::ranges::fill(zeroes, std::byte{0});
    for (const Offset block : blocks) {
      if (const int os_error = io_.write(geometry_.position(block), zeroes, false); os_error != 0) {
        return cannot("write", block, os_error);
      }
    }
    return blocks.empty() ? Result<void>() : flush();
  }

  // Where reads may show zeroes that never reached the media.
  Result<void> zero_all() {
    std::ranges::fill(buffer_.span(), std::byte{0});
    for (Offset at = begin_; at < end_;) {
      const std::int64_t length =
          std::min({kPieceBytes, geometry_.left_in_cycle(at), round_up_to_block(end_) - at});
      const auto zeroes = buffer_.span().first(static_cast<std::size_t>(length));
      if (const int os_error = io_.write(geometry_.position(at), zeroes, false); os_error != 0) {
        return cannot("write", at, os_error);
      }
      at = at + length;
    }
    return flush();
  }

  // With what stands there, where, and whether it could be read.
  template <typename Step>
  Result<void> for_each_block(Step&& step) {
    for (Offset at = begin_; at < end_;) {
      const std::int64_t length =
          std::min({kPieceBytes, geometry_.left_in_cycle(at), round_up_to_block(end_) - at});
      const auto bytes = buffer_.span().first(static_cast<std::size_t>(length));
      const bool readable = io_.read(geometry_.position(at), bytes) == 0;
      for (std::int64_t done = 0; done < length; done += kBlockBytes) {
        const auto block = bytes.subspan(static_cast<std::size_t>(done), kBlockBytes);
        const bool ok = readable || io_.read(geometry_.position(at + done), block) == 0;
        if (auto result = step(std::span<const std::byte>(block), at + done, ok); !result) {
          return result;
        }
      }
      at = at + length;
    }
    return {};
  }

  void put_evidence(std::span<std::byte> block, std::uint32_t incarnation,
                    BlockEvidence evidence) const {
    evidence.lineage = {.log_id = cut_.lineage.log_id, .incarnation = incarnation};
    evidence.length_bytes = kBlockBytes;
    evidence.watermark = cut_.watermark;
    evidence.trim = cut_.trim;
    encode_block_evidence(evidence, block.last<kBlockEvidenceBytes>());
  }

  // At most a block, copied to where the device takes it from.
  Result<void> write(Offset at, std::span<const std::byte> bytes) {
    std::ranges::copy(bytes, staging_.data());
    const auto staged = staging_.span().first(bytes.size());
    if (const int os_error = io_.write(geometry_.position(at), staged, false); os_error != 0) {
      return cannot("write", at, os_error);
    }
    return {};
  }

  Result<void> flush() {
    const int os_error = cut_.flushes ? io_.flush() : 0;
    if (os_error != 0) return cannot("flush", begin_, os_error);
    return {};
  }

  Device& device_;
  SyncIo io_;
  const Geometry geometry_;
  const TailCut& cut_;
  const std::uint32_t unit_bytes_;  // written at once
  const bool forgets_;              // what was read need not be on the media
  const Offset begin_;
  const Offset end_;
  AlignedBuffer buffer_;
  AlignedBuffer staging_;
};

}  // namespace

Result<void> check_tail(Device& device, const Geometry& geometry, const TailCut& cut) {
  return cut.had_evidence ? Result<void>() : Cut(device, geometry, cut).refuse_records();
}

Result<void> cut_tail(Device& device, Host& host, const Geometry& geometry, const TailCut& cut) {
  return Cut(device, geometry, cut).run(host);
}

}  // namespace seqwal
