#include "bench/target.h"

#include <type_traits>
#include <utility>

#include "bench/baseline/parallel_log.h"

namespace seqwal::bench {
namespace {

// Both are driven alike.
template <typename AnyLog>
class TargetOf final : public Target {
 public:
  explicit TargetOf(std::unique_ptr<AnyLog> log) : log_(std::move(log)) {}

  Result<Offset> append(std::span<const std::byte> body, AppendCallback callback,
                        std::uint64_t key) override {
    if constexpr (kIsLog) {
      return log_->append(body, std::move(callback), {.key = key});
    } else {
      return log_->append(body, std::move(callback));
    }
  }
  Result<void> trim(Offset offset) override { return log_->trim(offset); }
  Offset durable() const override { return log_->durable(); }
  Nanoseconds poll(Nanoseconds now) override { return log_->poll(now); }
  bool finished() const override { return log_->finished(); }
  void close() override { log_->close(); }
  std::optional<LogMetrics> metrics() const override {
    if constexpr (kIsLog) return log_->metrics();
    return std::nullopt;
  }

 private:
  static constexpr bool kIsLog = std::is_same_v<AnyLog, Log>;

  std::unique_ptr<AnyLog> log_;
};

Result<std::unique_ptr<Target>> open_ordered(Device& device, Host& host,
                                             const TargetOptions& options) {
  auto log = Log::open(device, host, log_options(options));
  if (!log) return std::unexpected(std::move(log.error()));
  // Nobody wants what an earlier measurement left, whole or not.
  const auto recovered =
      (*log)->recover([](const RecoveredRecord&) { return true; }, {.salvage = true});
  if (!recovered) return std::unexpected(recovered.error());
  if (const auto start = (*log)->reset(); !start) return std::unexpected(start.error());
  return std::make_unique<TargetOf<Log>>(std::move(*log));
}

Result<std::unique_ptr<Target>> open_parallel(Device& device, Host& host,
                                              const TargetOptions& options) {
  auto log = ParallelLog::open(device, host,
                               {.durability = options.durability,
                                .writes_per_second = options.iops,
                                .bytes_per_second = options.bandwidth});
  if (!log) return std::unexpected(std::move(log.error()));
  return std::make_unique<TargetOf<ParallelLog>>(std::move(*log));
}

}  // namespace

LogOptions log_options(const TargetOptions& options) {
  LogOptions log;
  log.durability = options.durability;
  log.depth = options.depth;
  log.iops = options.iops;
  log.bytes_per_second = options.bandwidth;
  log.plug = options.plug.value_or(log.plug);
  log.executor = options.executor;
  return log;
}

Result<std::unique_ptr<Target>> open_target(Device& device, Host& host,
                                            const TargetOptions& options) {
  return options.acks == Acks::ordered ? open_ordered(device, host, options)
                                       : open_parallel(device, host, options);
}

}  // namespace seqwal::bench
