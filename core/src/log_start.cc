// From an open log to a running one: recover, then resume or reset.
#include <algorithm>

#include "cut_tail.h"
#include "log_impl.h"
#include "sync_io.h"

namespace seqwal {

Result<RecoveryReport> Log::Impl::recover(const std::function<bool(const RecoveredRecord&)>& visit,
                                          const RecoveryOptions& options) {
  if (state() > State::recovered) return fail(ErrorCode::wrong_state, "recover before reset");
  auto recovery = Recovery::open(device_, host_, options, events_);
  if (!recovery) return std::unexpected(recovery.error());
  // One reading of the headers for all that follows: a slot that could not be read at open, or only
  // then, would else be judged twice, and the newer one taken for the older.
  if ((*recovery)->headers().header().capacity_bytes != geometry_.capacity_bytes()) {
    return fail(ErrorCode::headers_damaged, "the two headers tell different capacities");
  }
  headers_.adopt((*recovery)->headers());
  tail_.reset();
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) return std::unexpected(record.error());
    if (!*record) break;
    if (!visit(**record)) return (*recovery)->report();
  }
  set_state(State::recovered);
  const RecoveryReport& report = (*recovery)->report();
  const bool is_prefix =
      options.mode == RecoveryMode::prefix || headers_.wanted().version == FormatVersion::v1;
  if (is_prefix && report.damage.empty()) tail_ = report.tail;
  watermark_ = report.watermark;
  return report;
}

Lineage Log::Impl::next_lineage() const {
  const auto& found = headers_.wanted_evidence();
  if (!found) return {.log_id = options_.log_id, .incarnation = 1};
  return {.log_id = found->lineage.log_id, .incarnation = found->lineage.incarnation + 1};
}

std::int64_t Log::Impl::wanted_window() const {
  const std::int64_t window = options_.window_bytes > 0
                                  ? options_.window_bytes
                                  // and the gap of a jump among them
                                  : std::int64_t{options_.blocks + 1} * kSoftLimitBytes;
  return round_up_to_block(std::min(window, geometry_.section_bytes()));
}

Result<void> Log::Impl::write_headers(const char* detail) {
  SyncIo io(device_);
  if (const int os_error = headers_.write_all(io, options_.durability != Durability::none);
      os_error != 0) {
    return fail(ErrorCode::io_error, detail, os_error);
  }
  return {};
}

void Log::Impl::run_from(Offset end, bool is_new) {
  buffer_.start(end, geometry_.space_end(headers_.durable_keep()));
  writer_.start(end, is_new);
  trimmer_.note_durable(end, end, end);
  end_ = quiet_end_ = end;
  durable_.store(end.value, std::memory_order_relaxed);
  trimmed_.store(headers_.durable_trim().value, std::memory_order_relaxed);
  set_state(State::running);
}

Result<Offset> Log::Impl::resume(const ResumeOptions& options) {
  if (state() != State::recovered || !tail_) {
    return fail(ErrorCode::wrong_state, "recover the prefix first, undamaged, then resume");
  }
  WalHeader header = headers_.wanted();
  const bool had_evidence = headers_.wanted_evidence().has_value();
  const Lineage lineage = next_lineage();
  if (tail_->end > kMaxOffset - 4 * geometry_.section_bytes() || header.stamp > kMaxStamp ||
      lineage.incarnation == 0) {
    return fail(ErrorCode::offset_exhausted, "no offsets are left: create a new log");
  }
  if (tail_->first == kNoOffset && header.trim != kNoOffset) {
    // Nothing is kept: the trimmed record is not needed either, if it is there, nor its block.
    tail_->end = round_up_to_block(tail_->end);
    tail_->trim_is_record = false;
    headers_.want_trim(TrimTarget::before(tail_->end));
  } else if (!tail_->trim_is_record && !had_evidence) {
    // A writer without evidence may have trimmed by any offset.
    headers_.want_trim(TrimTarget::before(tail_->first));
  }
  header = headers_.wanted();
  const bool at_record = tail_->trim_is_record || !is_block_aligned(header.trim + 1);
  const Offset keep = at_record ? round_down_to_block(header.trim) : header.trim + 1;
  const TailCut cut{.tail = *tail_,
                    .lineage = lineage,
                    .watermark = watermark_,
                    .version = header.version,
                    .trim = header.trim,
                    .window_bytes = headers_.state().greatest_window(),
                    .space_end = geometry_.space_end(keep),
                    .had_evidence = had_evidence,
                    .flushes = options_.durability != Durability::none};
  if (auto ok = check_tail(device_, geometry_, cut); !ok) return std::unexpected(ok.error());
  // Space counts by the trim offset that both slots hold, on the media.
  header.shutdown = ShutdownType::ungraceful;
  headers_.want(header);
  headers_.note_keep(keep);
  SyncIo io(device_);
  if (const int os_error = headers_.write_both(io, options_.durability != Durability::none);
      os_error != 0) {
    return fail(ErrorCode::io_error, "cannot write both headers: the log is not resumed", os_error);
  }
  if (auto ok = cut_tail(device_, host_, geometry_, cut); !ok) return std::unexpected(ok.error());
  header.node_id = options.node_id.value_or(header.node_id);
  header.epoch = options.epoch.value_or(header.epoch);
  header.window_bytes = std::clamp(header.window_bytes, wanted_window(), geometry_.section_bytes());
  headers_.want(header);
  headers_.want_evidence(
      {.lineage = lineage, .flags = HeaderEvidence::kResumed, .watermark = tail_->end});
  if (auto ok = write_headers("cannot write both headers: the log may or may not be resumed"); !ok)
    return std::unexpected(ok.error());
  run_from(tail_->end, false);
  emit({.kind = EventKind::resumed, .offset = end_});
  return end_;
}

Result<Offset> Log::Impl::reset(const ResetOptions& options) {
  if (state() != State::recovered) return fail(ErrorCode::wrong_state, "recover first, then reset");
  WalHeader header = headers_.wanted();
  const Offset start = geometry_.reset_start(header.trim);
  if (start > kMaxOffset - 4 * geometry_.section_bytes() || header.stamp > kMaxStamp) {
    return fail(ErrorCode::offset_exhausted,
                "no offsets are left behind the trim offset: create a new log");
  }
  header.version = options.version.value_or(header.version);
  header.node_id = options.node_id.value_or(header.node_id);
  header.epoch = options.epoch.value_or(header.epoch);
  header.window_bytes = wanted_window();
  header.shutdown = ShutdownType::ungraceful;
  headers_.want(header);
  headers_.want_trim(TrimTarget::before(start));
  headers_.want_evidence({.lineage = next_lineage(), .flags = 0, .watermark = start});
  if (auto ok = write_headers("cannot write both headers: the log may or may not be reset"); !ok) {
    return std::unexpected(ok.error());
  }
  run_from(start, true);
  emit({.kind = EventKind::reset, .offset = start});
  return start;
}

}  // namespace seqwal
