#include "bench/scratch_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"
#include "seqwal/recovery.h"

namespace seqwal::bench {
namespace {

// Says in the header that nobody will miss what it holds.
constexpr std::int32_t kNodeId = 0x62656E63;  // "benc"
constexpr std::uint64_t kDefaultCapacity = std::uint64_t{1} << 30U;
constexpr std::uint32_t kLeastDepth = 32;

OpenOptions options_of(const ScratchOptions& options) {
  OpenOptions open = tool::open_options(options.log, Access::read_write);
  open.depth = std::clamp(options.depth, kLeastDepth, kMaxDepth);
  return open;
}

Result<bool> holds_records(Device& device, Host& host) {
  const auto recovery = Recovery::open(device, host, {.salvage = true});
  if (!recovery) return std::unexpected(recovery.error());
  const auto record = (*recovery)->next();
  if (!record) return std::unexpected(record.error());
  return record->has_value();
}

Result<OpenedDevice> create(const ScratchOptions& options, std::uint64_t capacity_bytes,
                            bool force) {
  auto prepared = open_device_for_create(options_of(options), capacity_bytes, force);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  PosixHost host;
  tool::Progress progress("writing");
  const auto created = create_log(
      *prepared->opened.device, host,
      {.capacity_bytes = capacity_bytes,
       .node_id = kNodeId,
       .log_id = tool::fresh_log_id(),
       .force = force},
      [&progress](std::uint64_t done, std::uint64_t total) { progress.show(done, total); });
  if (created) return std::move(prepared->opened);
  if (prepared->created_file) static_cast<void>(::unlink(options.log.path.c_str()));
  return std::unexpected(created.error());
}

}  // namespace

Result<OpenedDevice> open_scratch_log(const ScratchOptions& options) {
  PosixHost host;
  const std::uint64_t capacity =
      options.capacity_bytes == 0 ? kDefaultCapacity : options.capacity_bytes;
  auto opened = open_device(options_of(options));
  if (!opened) {
    if (opened.error().code != ErrorCode::not_found) return opened;
    return create(options, capacity, options.force);
  }
  const auto headers = read_headers(*opened->device, host);
  if (headers && options.reads_only) return opened;
  bool is_ours = options.force;
  if (headers) {
    const WalHeader& header = headers->header();
    is_ours = is_ours || header.node_id == kNodeId;
    if (!is_ours) {
      const auto holds = holds_records(*opened->device, host);
      if (!holds) return std::unexpected(holds.error());
      if (*holds) {
        return fail(ErrorCode::already_exists,
                    fmt::format("a log with records stands there: {}: name another place, or lose "
                                "them with --force",
                                options.log.path));
      }
      is_ours = true;
    }
    const bool fits =
        options.capacity_bytes == 0 || header.capacity_bytes == options.capacity_bytes;
    if (fits) return opened;
  }
  opened->device.reset();  // gives the lock back
  return create(options, capacity, is_ours);
}

}  // namespace seqwal::bench
