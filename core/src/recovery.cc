#include "seqwal/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "recovery_rules.h"
#include "scanner.h"
#include "sync_io.h"
#include "witness.h"

namespace seqwal {
namespace {

// Read-ahead beyond what the rules need stays within a window and 4 MiB.
std::uint32_t bounded_read_ahead(const RecoveryOptions& options, const WalHeader& header,
                                 const Geometry& geometry) {
  const std::int64_t window =
      std::clamp<std::int64_t>(header.window_bytes, 0, geometry.section_bytes());
  return static_cast<std::uint32_t>(
      std::min<std::int64_t>(options.read_ahead_bytes, window + kDefaultScanBytes));
}

}  // namespace

class Recovery::Impl {
 public:
  Impl(Device& device, const HeaderState& headers, const RecoveryOptions& options,
       EventSink* events)
      : headers_(headers),
        geometry_(headers.header().capacity_bytes),
        salvage_(options.salvage),
        rules_(geometry_, headers.header(), options.mode),
        scanner_(device, geometry_, rules_.next(), rules_.bound(),
                 bounded_read_ahead(options, headers.header(), geometry_), options.reads_in_flight),
        end_(rules_.bound()),
        begin_(round_down_to_block(rules_.next())),
        begin_before_(begin_),
        witness_(scanner_, geometry_, headers, end_),
        events_(events) {
    rules_.raise_watermark(witness_.watermark());
    report_.end = saturating_add(headers.header().trim, 1);
    report_.read_bytes = kHeaderAreaBytes;
    report_.evidence = witness_.header();
  }

  [[nodiscard]] const HeaderState& headers() const { return headers_; }
  [[nodiscard]] const RecoveryReport& report() const { return report_; }
  void settle() { scanner_.settle(); }

  [[nodiscard]] Result<std::optional<RecoveredRecord>> next() {
    while (!rules_.done()) {
      scanner_.bound_read_ahead(rules_.bound());
      RecoveredRecord record;
      const Result<Parsed> parsed = parse(rules_.next(), record);
      if (!parsed) return std::unexpected(parsed.error());
      const Result<Proof> proof = prove(*parsed);
      if (!proof) return std::unexpected(proof.error());
      rules_.raise_watermark(witness_.watermark());
      note_block_write_begins(*parsed);
      const bool deliver = rules_.advance(*parsed, *proof);
      if (deliver && (salvage_ || !rules_.damaged())) {
        note_delivered(record, parsed->end);
        return record;
      }
    }
    note_end();
    if (rules_.damaged() && !salvage_ && !std::exchange(refused_, true)) return refuse();
    return std::nullopt;
  }

 private:
  // What stands at `offset`; `record` is filled where it is valid data.
  Result<Parsed> parse(Offset offset, RecoveredRecord& record) {
    head_bytes_ = 0;
    head_is_unreadable_ = false;
    Parsed parsed{.found = Found::invalid_header, .offset = offset, .end = offset};
    if (geometry_.left_in_cycle(offset) < kRecordHeaderBytes ||
        offset > end_ - kRecordHeaderBytes) {
      return parsed;
    }
    const auto header_bytes = scanner_.view(offset, kRecordHeaderBytes);
    if (!header_bytes) return std::unexpected(header_bytes.error());
    head_is_unreadable_ = !*header_bytes;
    if (!*header_bytes) return parsed;
    std::ranges::copy(**header_bytes, head_.begin());
    head_bytes_ = kRecordHeaderBytes;
    const auto header = decode_record_header(head_, offset);
    if (!header) return parsed;

    const std::int64_t length = std::int64_t{kRecordHeaderBytes} + header->body_length_bytes;
    parsed.end = saturating_add(offset, length);
    if (header->kind == RecordKind::padding) {
      // Exactly the rest of the cycle; version 0 knows no padding.
      if (headers_.header().version == FormatVersion::v1 &&
          length == geometry_.left_in_cycle(offset)) {
        parsed.found = Found::padding;
      }
      return parsed;
    }
    parsed.found = Found::invalid_body;
    if (length > geometry_.left_in_cycle(offset) || parsed.end > end_) return parsed;
    const auto body = scanner_.view(offset + kRecordHeaderBytes, header->body_length_bytes);
    if (!body) return std::unexpected(body.error());
    if (!*body || checksum(**body) != header->body_checksum) return parsed;
    parsed.found = Found::data;
    record = {.offset = offset, .body = **body, .checksum = header->body_checksum};
    return parsed;
  }

  // --- what evidence says of it

  Result<Proof> prove(const Parsed& parsed) {
    if (!witness_.exists()) return Proof::unknown;
    if (parsed.found == Found::padding) return prove_padding(parsed.offset);
    if (parsed.found == Found::data) return prove_record(parsed);
    const Offset trim = headers_.header().trim;
    if (parsed.offset == trim && is_block_aligned(saturating_add(trim, 1))) return Proof::unknown;

    // A record header is neither fill nor a gap.
    Result<bool> proven = false;
    if (parsed.found == Found::invalid_header) {
      proven = is_block_aligned(parsed.offset) ? is_jump(parsed.offset) : is_fill(parsed.offset);
    }
    if (!proven) return std::unexpected(proven.error());
    if (*proven) return Proof::proven;
    if (auto ok = call_witnesses(parsed.offset); !ok) return std::unexpected(ok.error());
    if (parsed.found == Found::invalid_header && !is_block_aligned(parsed.offset)) {
      const auto followed = is_followed(parsed.offset);
      if (!followed) return std::unexpected(followed.error());
      if (*followed) return Proof::proven;
    }
    return Proof::refuted;
  }

  // A durable record never ends strictly inside another one: the medium brought back what once
  // stood there.
  Result<Proof> prove_record(const Parsed& parsed) {
    const Offset durable = witness_.durable_end();
    if (parsed.offset < durable && durable < parsed.end) return Proof::refuted;
    return prove_timeline(parsed.offset);
  }

  // Whether a record belongs to the newest timeline. Older block writes can only lie behind the
  // tail that a resume went on from, by a window at most.
  Result<Proof> prove_timeline(Offset offset) {
    if (!newest_incarnation_ || !is_block_aligned(offset) || offset >= guarded_until_ ||
        !witness_.header()->has(HeaderEvidence::kResumed)) {
      return Proof::unknown;
    }
    if (auto ok = witness_.look(offset, guarded_until_); !ok) return std::unexpected(ok.error());
    const auto block_write = witness_.holding(offset);
    if (!block_write) return Proof::unknown;
    if (!is_older(*block_write)) return Proof::proven;
    // Either it was cut off, or the medium brought it back where something newer was durable.
    if (auto ok = call_witnesses(offset); !ok) return std::unexpected(ok.error());
    return Proof::refuted;
  }

  [[nodiscard]] bool is_older(const BlockEvidence& evidence) const {
    return newest_incarnation_ && evidence.lineage.incarnation < *newest_incarnation_;
  }

  // From `offset` on, inside a block, stands the end of a block write.
  Result<bool> is_fill(Offset offset) {
    const Offset end = next_block(offset);
    if (head_is_unreadable_) {
      // A header that begins here may reach into the next block, and that be what cannot be read.
      if (offset + kRecordHeaderBytes <= end || contradicts_fill(offset, end)) return false;
      return witness_.is_zero(offset, end);
    }
    const auto length = static_cast<std::uint32_t>(end - offset);
    std::span<const std::byte> rest =
        std::span<const std::byte>(head_).first(std::min(length, head_bytes_));
    if (length > head_bytes_) {
      const auto bytes = scanner_.view(offset, length);
      if (!bytes) return std::unexpected(bytes.error());
      if (!*bytes) return false;
      rest = **bytes;
    }
    std::optional<BlockEvidence> evidence;
    if (length >= kBlockEvidenceBytes) {
      evidence = witness_.at_end(rest, end);
      if (!evidence || evidence->records_end() != offset) return false;
    } else if (std::ranges::any_of(rest, [](std::byte b) { return b != std::byte{0}; })) {
      return false;
    }
    if (contradicts_fill(offset, end)) return false;
    if (evidence) note_block_write(*evidence);
    return true;
  }

  // A durable record ended behind `offset`, up to `end`.
  [[nodiscard]] bool contradicts_fill(Offset offset, Offset end) const {
    const Offset durable = witness_.durable_end();
    return offset < durable && durable <= end;
  }

  // Or the block write that begins at the next boundary says that the one before ended at `offset`.
  Result<bool> is_followed(Offset offset) {
    const auto next = witness_.beginning_at(next_block(offset));
    if (!next) return std::unexpected(next.error());
    if (!*next || (*next)->previous_end != offset || is_older(**next)) return false;
    broken_fills_.push_back({.begin = offset, .incarnation = incarnation_before(**next)});
    return true;
  }

  [[nodiscard]] std::uint32_t incarnation_before(const BlockEvidence& evidence) const {
    return newest_incarnation_.value_or(evidence.lineage.incarnation);
  }

  // At `offset`, a boundary, begins a gap up to the next cycle (version 0): the gap says so, or the
  // block write behind it.
  Result<bool> is_jump(Offset offset) {
    const Offset cycle = geometry_.next_cycle(offset);
    if (rules_.reading() == ReadingKind::contiguous || rules_.in_gap() || cycle >= end_ ||
        cycle - offset >= witness_.window_bytes()) {
      return false;
    }
    const auto bytes =
        scanner_.view(offset + (kBlockBytes - kBlockEvidenceBytes), kBlockEvidenceBytes);
    if (!bytes) return std::unexpected(bytes.error());
    if (*bytes) {
      const auto gap = witness_.at_end(**bytes, offset + kBlockBytes);
      if (gap && gap->records_bytes == 0 && ends_at(*gap, offset)) {
        const auto proof = prove_jump(offset);
        if (!proof) return std::unexpected(proof.error());
        if (*proof == Proof::refuted) return false;
        gap_incarnation_ = incarnation_before(*gap);
        return true;
      }
    }
    const auto first = witness_.beginning_at(cycle);
    if (!first) return std::unexpected(first.error());
    if (!*first || !ends_at(**first, offset)) return false;
    gap_incarnation_ = incarnation_before(**first);
    return true;
  }

  // What stands at `offset` says that the log jumps from there to the next cycle. It may be of an
  // older timeline, which the medium has brought back: the block write behind the jump tells, or
  // that the end of a durable record lies where nothing should be.
  Result<Proof> prove_jump(Offset offset) {
    const Offset cycle = geometry_.next_cycle(offset);
    const auto first = witness_.beginning_at(cycle);
    if (!first) return std::unexpected(first.error());
    if (*first && !is_older(**first) && (*first)->knows_previous()) {
      return ends_at(**first, offset) ? Proof::proven : Proof::refuted;
    }
    if (auto ok = call_witnesses(offset); !ok) return std::unexpected(ok.error());
    const Offset end = witness_.durable_end();
    return offset < end && end <= cycle ? Proof::refuted : Proof::unknown;
  }

  // Padding is zero up to the next cycle. Where a record begins in it, it is an old copy of what
  // stood there before a resume went on.
  Result<Proof> prove_padding(Offset offset) {
    const auto proof = prove_jump(offset);
    if (!proof || *proof != Proof::unknown || offset >= witness_.watermark()) return proof;
    const Offset end =
        std::min(geometry_.next_cycle(offset), saturating_add(offset, witness_.reach_bytes()));
    const auto holds_record = witness_.record_begins_in(next_block(offset), end);
    if (!holds_record) return std::unexpected(holds_record.error());
    return *holds_record ? Proof::refuted : Proof::unknown;
  }

  // The block write before this one ended at the boundary `offset`.
  [[nodiscard]] bool ends_at(const BlockEvidence& evidence, Offset offset) const {
    if (is_older(evidence)) return false;
    if (evidence.previous_end == kNoOffset) return rules_.last_end() == kNoOffset;
    return round_up_to_block(evidence.previous_end) == round_up_to_block(offset);
  }

  // Behind a fill or a jump, with nothing missing before it.
  void note_block_write_begins(const Parsed& parsed) {
    if (parsed.found != Found::data || !is_block_aligned(parsed.offset)) return;
    if (rules_.last_end() == parsed.offset) return;
    end_before_ = rules_.in_gap() ? kNoOffset : rules_.last_end();
    begin_before_ = std::exchange(begin_, parsed.offset);
  }

  void note_block_write(const BlockEvidence& evidence) {
    // The one before it is not the one that it was written behind: the medium brought back what
    // once stood there.
    if (evidence.begin == begin_ && end_before_ != kNoOffset && evidence.knows_previous() &&
        evidence.previous_end != end_before_ && !is_older(evidence)) {
      rules_.note_damage({begin_before_, begin_});
    }
    const std::uint32_t incarnation = evidence.lineage.incarnation;
    if (newest_incarnation_ && incarnation <= *newest_incarnation_) return;
    newest_incarnation_ = incarnation;
    guarded_until_ = saturating_add(evidence.end(), witness_.window_bytes());
  }

  // Something is not there: was it ever? A log that was closed ends where its header says.
  Result<void> call_witnesses(Offset offset) {
    const bool closed = headers_.header().shutdown == ShutdownType::graceful;
    if (closed && offset >= witness_.watermark()) return {};
    return witness_.look(offset, saturating_add(offset, witness_.reach_bytes()));
  }

  // --- what is told

  void note_delivered(const RecoveredRecord& record, Offset end) {
    if (report_.records == 0) report_.first = record.offset;
    report_.last = record.offset;
    report_.end = end;
    ++report_.records;
    report_.body_bytes += record.body.size();
    const auto hole = rules_.hole();
    if (hole && hole->begin >= rules_.watermark()) {
      emit({.kind = EventKind::hole, .offset = hole->begin, .value = hole->length_bytes()});
    }
  }

  void note_end() {
    if (std::exchange(ended_, true)) return;
    report_.read_bytes = kHeaderAreaBytes + scanner_.read_bytes();
    report_.unreadable = scanner_.unreadable();
    report_.watermark = rules_.watermark();
    report_.tail = rules_.tail();
    report_.tail.gap_incarnation = gap_incarnation_;
    std::erase_if(broken_fills_, [&](const auto& fill) { return fill.begin > report_.tail.end; });
    report_.tail.broken_fills = std::move(broken_fills_);
    for (const OffsetRange& range : rules_.missing()) {
      (range.begin < rules_.watermark() ? report_.damage : report_.holes).push_back(range);
    }
    for (const OffsetRange& range : report_.unreadable) {
      if (!witness_.exists() && range.begin < report_.last) report_.damage.push_back(range);
      emit({.kind = EventKind::unreadable, .offset = range.begin, .value = range.length_bytes()});
    }
    for (const OffsetRange& range : report_.damage) {
      emit({.kind = EventKind::damage, .offset = range.begin, .value = range.length_bytes()});
    }
    report_.newest_incarnation = newest_incarnation_.value_or(0);
    report_.orphans = witness_.older_than(report_.newest_incarnation, report_.tail.end);
    emit({.kind = EventKind::recovered,
          .offset = report_.end,
          .value = static_cast<std::int64_t>(report_.records)});
  }

  [[nodiscard]] std::unexpected<Error> refuse() const {
    const OffsetRange& first = report_.damage.front();
    return std::unexpected(
        Error{.code = ErrorCode::damaged,
              .os_error = 0,
              .offset = first.begin,
              .detail = fmt::format("{} bytes that were durable are lost, nothing behind them was "
                                    "delivered: restore them from a replica, or salvage the rest",
                                    first.length_bytes())});
  }

  void emit(const Event& event) const {
    if (events_ != nullptr) events_->on_event(event);
  }

  const HeaderState headers_;
  const Geometry geometry_;
  const bool salvage_;
  RecoveryRules rules_;
  Scanner scanner_;
  const Offset end_;
  Offset begin_;                   // of the block write that is being read
  Offset begin_before_;            // of the one before
  Offset end_before_ = kNoOffset;  // of its last record
  Witness witness_;
  EventSink* events_;
  RecoveryReport report_;
  // The first bytes at the offset that was parsed last, if they could be read.
  std::array<std::byte, kRecordHeaderBytes> head_{};
  std::uint32_t head_bytes_ = 0;
  bool head_is_unreadable_ = false;
  std::optional<std::uint32_t> newest_incarnation_;  // of the block writes met
  Offset guarded_until_;                             // older ones may stand below
  std::vector<RecoveredTail::BrokenFill> broken_fills_;
  std::uint32_t gap_incarnation_ = 0;  // before the last jump
  bool ended_ = false;
  bool refused_ = false;
};

Result<std::unique_ptr<Recovery>> Recovery::open(Device& device, Host& host,
                                                 const RecoveryOptions& options,
                                                 EventSink* events) {
  // What a writer that died left in the device's hands is settled before anything is believed.
  if (const int os_error = SyncIo(device).flush(); os_error != 0) {
    return fail(ErrorCode::io_error, "cannot flush the device before reading it", os_error);
  }
  const auto headers = read_headers(device, host);
  if (!headers) return std::unexpected(headers.error());
  if (events != nullptr) {
    for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
      if (headers->slots.at(i).state == SlotState::valid) continue;
      events->on_event({.kind = EventKind::header_slot_invalid, .offset = kNoOffset, .value = i});
    }
  }
  return std::unique_ptr<Recovery>(
      new Recovery(std::make_unique<Impl>(device, *headers, options, events)));
}

Recovery::Recovery(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Recovery::~Recovery() = default;

const HeaderState& Recovery::headers() const { return impl_->headers(); }
Result<std::optional<RecoveredRecord>> Recovery::next() { return impl_->next(); }
void Recovery::settle() { impl_->settle(); }
const RecoveryReport& Recovery::report() const { return impl_->report(); }

}  // namespace seqwal
