#include "trimmer.h"

#include <algorithm>
#include <utility>

#include "seqwal/format.h"

namespace seqwal {

TrimTarget trim_target(Offset offset, Offset end, bool next_is_record) {
  return next_is_record ? TrimTarget::at_record(offset)
                        : TrimTarget::before(round_up_to_block(end));
}

bool is_fill(std::span<const std::byte> bytes, Offset at) {
  const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
  const auto rest = bytes.first(static_cast<std::size_t>(round_up_to_block(at) - at));
  if (std::ranges::all_of(rest.first(std::min<std::size_t>(rest.size(), kRecordHeaderBytes)),
                          is_zero)) {
    return true;
  }
  if (rest.size() < kBlockEvidenceBytes) return false;
  const auto evidence = decode_block_evidence(rest.last<kBlockEvidenceBytes>());
  return evidence && evidence->records_end() == at;
}

Trimmer::Trimmer(const Geometry& geometry, HeaderStore& headers, IoTable& io, EventSink* events)
    : geometry_(geometry),
      headers_(headers),
      io_(io),
      events_(events),
      buffer_(std::size_t{2} * kBlockBytes) {}

void Trimmer::note_durable(Offset gap_begin, Offset start, Offset records_end) {
  if (gap_begin < start) {
    jumps_[0] = jumps_[1];
    jumps_[1] = {gap_begin, start};
  }
  durable_end_ = records_end;
}

void Trimmer::pump() {
  if (read_ == Read::done) judge();
  if (!current_) start_next();
  if (read_ == Read::wanted && !io_.full()) {
    read_around(looking_ == Looking::at_record ? current_->offset : record_end_);
  }
}

void Trimmer::start_next() {
  while (!current_ && awaiting_.size() < kPending) {
    auto request = queue_.pop();
    if (!request) return;
    if (request->offset <= headers_.wanted().trim) {
      answer(*request, fail(ErrorCode::below_trim));
      continue;
    }
    // No record is that short, and the block behind may be in flight.
    if (durable_end_ - request->offset <= kRecordHeaderBytes) {
      answer(*request, fail(ErrorCode::not_a_record));
      continue;
    }
    current_ = std::move(request);
    looking_ = Looking::at_record;
    read_ = Read::wanted;
  }
}

// Reads the blocks that hold the record header at `offset`, which may lie across two of them.
void Trimmer::read_around(Offset offset) {
  const std::int64_t header =
      std::min<std::int64_t>(kRecordHeaderBytes, geometry_.left_in_cycle(offset));
  read_begin_ = round_down_to_block(offset);
  const Offset read_end = round_up_to_block(offset + header);
  const std::array segment{
      IoSegment{buffer_.data(), static_cast<std::size_t>(read_end - read_begin_)}};
  io_.submit({.token = {},
              .kind = IoKind::read,
              .durable = false,
              .position = geometry_.position(read_begin_),
              .segments = segment},
             {.kind = IoPurpose::Kind::trim_read});
  read_ = Read::in_flight;
}

void Trimmer::read_done(int os_error) {
  read_ = Read::done;
  read_error_ = os_error;
}

void Trimmer::judge() {
  read_ = Read::none;
  if (read_error_ != 0) {
    Error error{.code = ErrorCode::io_error,
                .os_error = read_error_,
                .offset = current_->offset,
                .detail = "cannot read the record to trim at: nothing was trimmed"};
    answer(*current_, std::unexpected(std::move(error)));
    current_.reset();
    return;
  }
  if (looking_ == Looking::at_record) {
    looked_at_record();
  } else {
    looked_behind_record();
  }
}

void Trimmer::looked_at_record() {
  const Offset offset = current_->offset;
  if (geometry_.left_in_cycle(offset) >= kRecordHeaderBytes) {
    const auto header =
        decode_record_header(bytes_from(offset).first<kRecordHeaderBytes>(), offset);
    if (header && header->kind == RecordKind::data) {
      record_end_ = offset + kRecordHeaderBytes + header->body_length_bytes;
      if (record_end_ == durable_end_ || is_block_aligned(record_end_)) {
        accept(false);
        return;
      }
      if (record_end_ < durable_end_) {
        looking_ = Looking::behind_record;
        read_ = Read::wanted;
        return;
      }
    }
  }
  answer(*current_, fail(ErrorCode::not_a_record));
  current_.reset();
}

void Trimmer::looked_behind_record() { accept(!is_fill(bytes_from(record_end_), record_end_)); }

void Trimmer::accept(bool next_is_record) {
  TrimTarget target = trim_target(current_->offset, record_end_, next_is_record);
  for (const Jump& jump : jumps_) {
    if (!next_is_record && jump.gap_begin == target.keep) target = TrimTarget::before(jump.start);
  }
  headers_.want_trim(target);
  headers_.want_watermark(durable_end_);
  awaiting_.push_back({.target = target.trim, .callback = std::move(current_->callback)});
  current_.reset();
}

void Trimmer::answer_durable() {
  while (!awaiting_.empty() && awaiting_.front().target <= headers_.durable_trim()) {
    TrimCallback callback = std::move(awaiting_.front().callback);
    awaiting_.pop_front();
    if (callback) callback(headers_.durable_trim());
  }
}

void Trimmer::refuse_all(ErrorCode code) {
  while (!awaiting_.empty()) {
    TrimRequest request{.offset = awaiting_.front().target,
                        .callback = std::move(awaiting_.front().callback)};
    awaiting_.pop_front();
    answer(request, fail(code));
  }
  if (current_) answer(*current_, fail(code));
  current_.reset();
  read_ = Read::none;
  while (auto request = queue_.pop()) answer(*request, fail(code));
}

void Trimmer::answer(TrimRequest& request, const Result<Offset>& result) {
  if (request.callback) {
    request.callback(result);
  } else if (events_ != nullptr) {
    events_->on_event({.kind = EventKind::trim_refused,
                       .offset = request.offset,
                       .value = static_cast<std::int64_t>(result.error().code)});
  }
}

bool Trimmer::idle() {
  pump();
  return !current_ && awaiting_.empty();
}

}  // namespace seqwal
