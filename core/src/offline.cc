// What is done to a log that does not run: create it, trim it.
#include <fmt/format.h>

#include <algorithm>

#include "aligned_buffer.h"
#include "device_check.h"
#include "header_store.h"
#include "seqwal/log.h"
#include "sync_io.h"
#include "trimmer.h"

namespace seqwal {
namespace {

constexpr std::size_t kChunkBytes = 1U << 20U;
constexpr std::int64_t kDefaultWindowBytes = 1 << 20;

using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

// Calls `step` with every piece of [begin, end), and `progress` after each.
template <typename Step>
Result<void> for_each_chunk(std::uint64_t begin, std::uint64_t end, const Progress& progress,
                            Step&& step) {
  for (std::uint64_t at = begin; at < end; at += kChunkBytes) {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, end - at));
    if (auto done = step(DevicePosition{at}, length); !done) return done;
    if (progress) progress(at + length, end);
  }
  return {};
}

Result<void> refuse_unless_zero(SyncIo& io, std::uint64_t capacity, const AlignedBuffer& buffer) {
  return for_each_chunk(0, capacity, nullptr, [&](DevicePosition at, std::size_t length) {
    const auto bytes = buffer.span().first(length);
    if (const int os_error = io.read(at, bytes); os_error != 0) {
      return Result<void>(fail(ErrorCode::io_error, "cannot read what stands there", os_error));
    }
    if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) {
      return Result<void>();
    }
    return Result<void>(fail(ErrorCode::already_exists,
                             "data stands there: nothing was changed; pick another place, or "
                             "force it"));
  });
}

Result<void> zero(SyncIo& io, std::uint64_t begin, std::uint64_t end, const AlignedBuffer& zeroes,
                  const Progress& progress) {
  return for_each_chunk(begin, end, progress, [&](DevicePosition at, std::size_t length) {
    const int os_error = io.write(at, zeroes.span().first(length), false);
    if (os_error == 0) return Result<void>();
    return Result<void>(fail(ErrorCode::io_error, "cannot write", os_error));
  });
}

Result<void> flush(SyncIo& io) {
  if (const int os_error = io.flush(); os_error != 0) {
    return fail(ErrorCode::io_error, "cannot flush", os_error);
  }
  return {};
}

Result<void> check_capacity(const DeviceLimits& limits, std::uint64_t capacity) {
  if (capacity < kMinCapacityBytes || capacity > kMaxCapacityBytes || capacity % kBlockBytes != 0) {
    return fail(ErrorCode::bad_capacity,
                fmt::format("{} bytes: must be a multiple of {} and at least {}", capacity,
                            kBlockBytes, kMinCapacityBytes));
  }
  if (capacity > limits.size_bytes || (limits.size_is_exact && capacity != limits.size_bytes)) {
    return fail(ErrorCode::bad_capacity,
                fmt::format("{} bytes do not fit the {} bytes there", capacity, limits.size_bytes));
  }
  return check_device(limits);
}

}  // namespace

Result<void> create_log(Device& device, Host& /*host*/, const CreateOptions& options,
                        const Progress& progress) {
  if (auto ok = check_capacity(device.limits(), options.capacity_bytes); !ok) return ok;
  SyncIo io(device);
  const AlignedBuffer buffer(std::min<std::uint64_t>(kChunkBytes, options.capacity_bytes));
  if (!options.force) {
    if (auto ok = refuse_unless_zero(io, options.capacity_bytes, buffer); !ok) return ok;
  }
  std::ranges::fill(buffer.span(), std::byte{0});

  // The headers of a former life go first: a crash half way leaves no log at all rather than one
  // with its records zeroed.
  if (auto ok = zero(io, 0, kHeaderAreaBytes, buffer, nullptr); !ok) return ok;
  if (auto ok = flush(io); !ok) return ok;
  if (auto ok = zero(io, kHeaderAreaBytes, options.capacity_bytes, buffer, progress); !ok)
    return ok;
  if (auto ok = flush(io); !ok) return ok;

  const auto section = static_cast<std::int64_t>(options.capacity_bytes - kHeaderAreaBytes);
  const std::int64_t window = options.window_bytes > 0 ? options.window_bytes : kDefaultWindowBytes;
  HeaderState nothing;
  nothing.current = 1;  // so that slot 0 is written first, with stamp 1
  HeaderStore headers(nothing);
  headers.want({.version = options.version,
                .capacity_bytes = options.capacity_bytes,
                .trim = kNoOffset,
                .stamp = 0,
                .window_bytes = round_up_to_block(std::min(window, section)),
                .shutdown = ShutdownType::graceful,
                .node_id = options.node_id,
                .epoch = options.epoch});
  headers.want_evidence({.lineage = {.log_id = options.log_id}});
  if (const int os_error = headers.write_all(io, true); os_error != 0) {
    return fail(ErrorCode::io_error, "cannot write the header", os_error);
  }
  return {};
}

namespace {

// What recovery says of the record that a trim names, and of what follows it.
struct TrimSearch {
  HeaderState headers;
  RecoveryReport report;
  Offset record_end = kNoOffset;  // kNoOffset: no record starts there
  Offset next = kNoOffset;        // the delivered record behind it
};

// The Recovery, and with it every read in flight, is gone when this returns.
Result<TrimSearch> search(Device& device, Host& host, Offset offset, EventSink* events) {
  auto recovery = Recovery::open(device, host, {}, events);
  if (!recovery) return std::unexpected(recovery.error());
  TrimSearch found{.headers = (*recovery)->headers(), .report = {}};
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) return std::unexpected(record.error());
    if (!*record) break;
    if (found.record_end != kNoOffset && found.next == kNoOffset) found.next = (*record)->offset;
    if ((*record)->offset == offset) {
      found.record_end = offset + kRecordHeaderBytes + std::ssize((*record)->body);
    }
  }
  found.report = (*recovery)->report();
  return found;
}

// The block write may be given up as a whole only where its end is certain: nothing was delivered
// behind the record, or the next one stands at the next boundary, or zeroes do.
bool ends_block_write(SyncIo& io, const Geometry& geometry, const TrimSearch& found) {
  const Offset end = found.record_end;
  if (is_block_aligned(end) || found.next == kNoOffset) return true;
  if (found.next == round_up_to_block(end)) return true;
  const AlignedBuffer buffer(kBlockBytes);
  const Offset block = round_down_to_block(end);
  if (io.read(geometry.position(block), buffer.span()) != 0) return false;
  return is_fill(
      std::span<const std::byte>(buffer.span()).subspan(static_cast<std::size_t>(end - block)),
      end);
}

}  // namespace

Result<Offset> trim_log(Device& device, Host& host, Offset offset, EventSink* events) {
  const auto found = search(device, host, offset, events);
  if (!found) return std::unexpected(found.error());
  const auto refuse = [&](ErrorCode code, std::string detail) {
    return std::unexpected(
        Error{.code = code, .os_error = 0, .offset = offset, .detail = std::move(detail)});
  };
  HeaderStore headers(found->headers);
  const WalHeader header = headers.wanted();
  const RecoveryReport& report = found->report;
  if (offset <= header.trim) {
    return refuse(ErrorCode::below_trim,
                  fmt::format("everything up to {} is trimmed already", header.trim.value));
  }
  if (!report.unreadable.empty()) {
    return refuse(
        ErrorCode::io_error,
        fmt::format("{} bytes at {} cannot be read: nothing was trimmed; check the device",
                    report.unreadable[0].length_bytes(), report.unreadable[0].begin.value));
  }
  if (offset >= report.end) {
    return refuse(ErrorCode::not_durable,
                  fmt::format("the log ends at {}: nothing was trimmed", report.end.value));
  }
  if (found->record_end == kNoOffset) {
    return refuse(ErrorCode::not_a_record, "no record starts there: nothing was trimmed");
  }
  if (header.stamp > kMaxStamp) {
    return refuse(ErrorCode::offset_exhausted, "the header's stamp cannot be passed");
  }
  SyncIo io(device);
  const bool last = ends_block_write(io, Geometry(header.capacity_bytes), *found);
  headers.want_trim(trim_target(offset, found->record_end, !last));
  if (const int os_error = headers.write_all(io, true); os_error != 0) {
    return fail(ErrorCode::io_error, "cannot write the header", os_error);
  }
  return headers.wanted().trim;
}

}  // namespace seqwal
