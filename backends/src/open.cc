#include "seqwal/backends/open.h"

#include <fmt/format.h>

#include "create_file.h"
#include "file.h"
#include "seqwal/check.h"
#include "threads_device.h"
#include "uring_device.h"

namespace seqwal {
namespace {

void add_reason(std::string& reasons, std::string_view reason) {
  if (reason.empty()) return;
  if (!reasons.empty()) reasons += "; ";
  reasons += reason;
}

Result<void> start_threads(OpenedFile& file, OpenedDevice& opened) {
  auto device = ThreadsDevice::open(file.file, file.limits);
  if (!device) return std::unexpected(std::move(device.error()));
  opened.device = std::move(*device);
  opened.kind = DeviceKind::threads;
  return {};
}

Result<void> start_uring(OpenedFile& file, OpenedDevice& opened) {
  auto device = UringDevice::open(file.file, file.limits);
  if (!device) return std::unexpected(std::move(device.error()));
  opened.device = std::move(device->device);
  opened.kind = DeviceKind::uring;
  add_reason(opened.kind_reason, device->notes);
  return {};
}

// Takes the file over when it succeeds.
Result<OpenedDevice> start_device(OpenedFile& file, const OpenOptions& options) {
  file.limits.depth = options.depth;
  OpenedDevice opened;
  opened.block_device = file.block_device;
  opened.direct = file.direct;
  if (!file.direct) {
    add_reason(opened.kind_reason, "the file system refused O_DIRECT: every write is buffered");
  }
  Result<void> started;
  if (options.kind != DeviceKind::threads) started = start_uring(file, opened);
  if (!started && options.kind == DeviceKind::uring) {
    return fail(ErrorCode::unsupported, fmt::format("{}: {}: use the thread-pool device instead",
                                                    started.error().detail, options.path));
  }
  if (!started) add_reason(opened.kind_reason, started.error().detail);
  if (opened.device == nullptr) started = start_threads(file, opened);
  if (!started) return std::unexpected(std::move(started.error()));
  return opened;
}

void check_options(const OpenOptions& options) {
  SEQWAL_REQUIRE(options.depth >= 1 && options.depth <= kMaxDepth);
}

}  // namespace

Result<OpenedDevice> open_device(const OpenOptions& options) {
  check_options(options);
  auto locked = open_and_lock(options.path, options.access, options.lock_wait_ms);
  if (!locked) return std::unexpected(std::move(locked.error()));
  auto file = probe_file(*locked, options.path);
  if (!file) return std::unexpected(std::move(file.error()));
  return start_device(*file, options);
}

Result<CreatedDevice> open_device_for_create(const OpenOptions& options,
                                             std::uint64_t capacity_bytes, bool force) {
  check_options(options);
  auto prepared = prepare_file(options.path, options.lock_wait_ms, capacity_bytes, force);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  auto opened = start_device(prepared->opened, options);
  if (!opened) return std::unexpected(std::move(opened.error()));
  prepared->changes.keep();
  return CreatedDevice{.opened = std::move(*opened), .created_file = prepared->created};
}

}  // namespace seqwal
