#include "bench/run.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "bench/allocations.h"
#include "bench/clients/open_loop.h"
#include "progress.h"
#include "seqwal/backends/callback_threads.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/backends/system_calls.h"
#include "seqwal/geometry.h"

namespace seqwal::bench {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kStep{2};

double to_seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// What is counted up all the time: a measurement is the difference of two.
struct Moment {
  Nanoseconds time = 0;
  double cpu_s = 0;
  std::uint64_t allocations = 0;
  std::uint64_t system_calls = 0;
  WriteCount written;
  std::optional<LogMetrics> metrics;
};

Moment moment(Host& host, const CountingDevice& device, const Target& target) {
  return {.time = host.now(),
          .cpu_s = cpu_seconds(),
          .allocations = allocations.load(),
          .system_calls = system_calls(),
          .written = device.written(),
          .metrics = target.metrics()};
}

// Lets the clients go on for so long, or until none is left.
void pass(Host& host, Clients& clients, double seconds) {
  const Nanoseconds end = host.now() + static_cast<Nanoseconds>(seconds * 1e9);
  while (host.now() < end && !clients.idle()) {
    std::this_thread::sleep_for(kStep);
    clients.nudge();
  }
}

void drain(Clients& clients) {
  clients.stop();
  while (!clients.idle()) std::this_thread::sleep_for(kStep);
}

}  // namespace

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
}

Result<RunResult> run_write(const WriteOptions& options, OpenedDevice& opened) {
  PosixHost host;
  CountingDevice device(*opened.device);
  std::optional<CallbackThreads> threads;
  TargetOptions target_options = options.target;
  if (options.callback_threads > 0) {
    target_options.executor = &threads.emplace(CallbackThreadsOptions{options.callback_threads});
  }
  auto target = open_target(device, host, target_options);
  if (!target) return std::unexpected(std::move(target.error()));
  const auto headers = read_headers(device, host);
  if (!headers) return std::unexpected(headers.error());
  const Geometry geometry(headers->header().capacity_bytes);

  const tool::Waiting waiting(fmt::format("appending, {}", name_of(options.target.acks)));
  Meter meter(**target, geometry.section_bytes());
  auto* make = make_callback_clients;
  if (options.blocking) make = make_thread_clients;
  if (options.is_open_loop()) make = make_open_loop_clients;
  const auto clients = make(**target, host, meter, options.clients);
  std::jthread loop([&device, &host, &log = **target] {
    while (!log.finished()) device.wait(log.poll(host.now()));
  });

  clients->start();
  pass(host, *clients, options.warmup_s);
  meter.begin();
  const Moment begin = moment(host, device, **target);
  pass(host, *clients, options.seconds);
  meter.end();
  const Moment end = moment(host, device, **target);
  drain(*clients);
  (*target)->close();
  loop.join();

  RunResult result;
  result.figures = {.record_bytes = options.clients.record_bytes,
                    .seconds = static_cast<double>(end.time - begin.time) * 1e-9,
                    .cpu_s = end.cpu_s - begin.cpu_s,
                    .allocations = end.allocations - begin.allocations,
                    .system_calls = end.system_calls - begin.system_calls,
                    .written = {.writes = end.written.writes - begin.written.writes,
                                .bytes = end.written.bytes - begin.written.bytes},
                    .tally = meter.tally(),
                    .order_tax = {},
                    .log_efficiency = {}};
  note_metrics(result.figures, begin.metrics, end.metrics);
  result.refused = meter.first_refusal();
  return result;
}

tool::Exit judge(const RunResult& result, const std::string& path) {
  const Tally& tally = result.figures.tally;
  if (result.refused != ErrorCode::over_capacity) {
    return tool::explain(Error{.code = result.refused, .detail = {}}, path);
  }
  if (tally.failed > 0) {
    tool::diagnose("writes failed", path, "check the device, and the system's log");
    return tool::Exit::failed;
  }
  if (result.figures.records() == 0 && tally.overcap > 0) {
    return tool::explain(Error{.code = ErrorCode::over_capacity, .detail = {}}, path);
  }
  return tool::Exit::done;
}

}  // namespace seqwal::bench
