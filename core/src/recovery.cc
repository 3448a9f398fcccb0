#include "seqwal/recovery.h"

#include <algorithm>
#include <utility>

#include "recovery_rules.h"
#include "scanner.h"
#include "sync_io.h"

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
        rules_(geometry_, headers.header(), options.mode),
        scanner_(device, geometry_, rules_.next(), rules_.bound(),
                 bounded_read_ahead(options, headers.header(), geometry_), options.reads_in_flight),
        end_(rules_.bound()),
        events_(events) {
    report_.end = saturating_add(headers.header().trim, 1);
    report_.read_bytes = kHeaderAreaBytes;
  }

  [[nodiscard]] const HeaderState& headers() const { return headers_; }
  [[nodiscard]] const RecoveryReport& report() const { return report_; }

  [[nodiscard]] Result<std::optional<RecoveredRecord>> next() {
    while (!rules_.done()) {
      scanner_.bound_read_ahead(rules_.bound());
      RecoveredRecord record;
      const Result<Parsed> parsed = parse(rules_.next(), record);
      if (!parsed) return std::unexpected(parsed.error());
      const bool deliver = rules_.advance(*parsed);
      if (deliver) {
        note_delivered(record, parsed->end);
        return record;
      }
    }
    note_end();
    return std::nullopt;
  }

 private:
  // What stands at `offset`; `record` is filled where it is valid data.
  Result<Parsed> parse(Offset offset, RecoveredRecord& record) {
    Parsed parsed{.found = Found::invalid_header, .offset = offset, .end = offset};
    if (geometry_.left_in_cycle(offset) < kRecordHeaderBytes ||
        offset > end_ - kRecordHeaderBytes) {
      return parsed;
    }
    const auto header_bytes = scanner_.view(offset, kRecordHeaderBytes);
    if (!header_bytes) return std::unexpected(header_bytes.error());
    if (!*header_bytes) return parsed;
    const auto header = decode_record_header(
        std::span<const std::byte, kRecordHeaderBytes>(**header_bytes), offset);
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

  void note_delivered(const RecoveredRecord& record, Offset end) {
    if (report_.records == 0) report_.first = record.offset;
    report_.last = record.offset;
    report_.end = end;
    ++report_.records;
    report_.body_bytes += record.body.size();
    if (const auto hole = rules_.hole()) {
      report_.holes.push_back(*hole);
      emit({.kind = EventKind::hole, .offset = hole->begin, .value = hole->length_bytes()});
    }
  }

  void note_end() {
    if (std::exchange(ended_, true)) return;
    report_.read_bytes = kHeaderAreaBytes + scanner_.read_bytes();
    report_.unreadable = scanner_.unreadable();
    for (const OffsetRange& range : report_.unreadable) {
      if (range.begin < report_.last) report_.damage.push_back(range);
      emit({.kind = EventKind::unreadable, .offset = range.begin, .value = range.length_bytes()});
    }
    emit({.kind = EventKind::recovered,
          .offset = report_.end,
          .value = static_cast<std::int64_t>(report_.records)});
  }

  void emit(const Event& event) const {
    if (events_ != nullptr) events_->on_event(event);
  }

  const HeaderState headers_;
  const Geometry geometry_;
  RecoveryRules rules_;
  Scanner scanner_;
  const Offset end_;
  EventSink* events_;
  RecoveryReport report_;
  bool ended_ = false;
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
const RecoveryReport& Recovery::report() const { return impl_->report(); }

}  // namespace seqwal
