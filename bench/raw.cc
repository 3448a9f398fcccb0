// seqwal-bench raw: the same Device without the log. What it does is the ceiling.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <new>
#include <vector>

#include "bench/commands.h"
#include "bench/figures.h"
#include "bench/run.h"
#include "bench/scratch_log.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/check.h"

namespace seqwal::bench {
namespace {

struct RawOptions {
  ScratchOptions scratch;
  std::uint64_t block_bytes = kBlockBytes;
  std::uint32_t concurrency = 1;
  double seconds = 5;
  double warmup_s = 0;
  bool read = false;
};

struct AlignedFree {
  void operator()(std::byte* memory) const {
    ::operator delete[](memory, std::align_val_t{kBlockBytes});
  }
};
using AlignedMemory = std::unique_ptr<std::byte[], AlignedFree>;

AlignedMemory make_memory(std::size_t bytes) {
  AlignedMemory memory(
      static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{kBlockBytes})));
  const std::vector<std::byte> body = make_body(bytes, 0);
  std::ranges::copy(body, memory.get());
  return memory;
}

// Keeps so many transfers in flight, one behind the other through the record section, round and
// round, as a log does.
class Transfers {
 public:
  Transfers(Device& device, const RawOptions& options, std::uint64_t capacity_bytes)
      : device_(device),
        options_(options),
        places_((capacity_bytes - kHeaderAreaBytes) / options.block_bytes),
        durable_(options.scratch.log.durability == Durability::dsync ||
                 (options.scratch.log.durability == Durability::automatic &&
                  device.limits().durable_write != DurableWrite::free)),
        memory_(make_memory(options.block_bytes * options.concurrency)),
        began_(options.concurrency) {}

  // Until `end`, counting from `counted_from`. Returns the first error, an errno value.
  int run(Nanoseconds counted_from, Nanoseconds end) {
    for (std::uint32_t slot = 0; slot < options_.concurrency; ++slot) submit(slot);
    while (in_flight_ > 0) {
      std::array<IoCompletion, 64> done{};
      const std::size_t count = device_.reap(done);
      const Nanoseconds now = host_.now();
      for (const IoCompletion& completion : std::span(done).first(count)) {
        --in_flight_;
        if (completion.os_error != 0 && os_error_ == 0) os_error_ = completion.os_error;
        const std::uint32_t slot = completion.token.slot;
        if (now >= counted_from && now < end) latencies_.record(now - began_[slot]);
        if (now < end && os_error_ == 0) submit(slot);
      }
      if (count == 0) device_.wait(kNever);
    }
    return os_error_;
  }

  [[nodiscard]] const Latencies& latencies() const { return latencies_; }

 private:
  void submit(std::uint32_t slot) {
    const std::array segment{
        IoSegment{memory_.get() + slot * options_.block_bytes, options_.block_bytes}};
    const IoRequest request{
        .token = {.slot = slot, .generation = 0},
        .kind = options_.read ? IoKind::read : IoKind::write,
        .durable = durable_ && !options_.read,
        .position = {kHeaderAreaBytes + next_++ % places_ * options_.block_bytes},
        .segments = segment};
    began_[slot] = host_.now();
    SEQWAL_CHECK(device_.submit(std::span(&request, 1)) == 1);
    ++in_flight_;
  }

  PosixHost host_;
  Device& device_;
  const RawOptions& options_;
  const std::uint64_t places_;
  const bool durable_;
  AlignedMemory memory_;
  std::vector<Nanoseconds> began_;
  Latencies latencies_;
  std::uint64_t next_ = 0;
  std::uint32_t in_flight_ = 0;
  int os_error_ = 0;
};

Result<void> check(const RawOptions& options, const Device& device, std::uint64_t capacity) {
  const std::uint64_t most = device.limits().max_transfer_bytes;
  if (options.block_bytes % kBlockBytes != 0 || options.block_bytes == 0 ||
      options.block_bytes > most) {
    return fail(ErrorCode::bad_length,
                fmt::format("--block-size must be a multiple of 4096 up to {}", most));
  }
  if ((capacity - kHeaderAreaBytes) / options.block_bytes < options.concurrency) {
    return fail(ErrorCode::bad_capacity, "--capacity must hold one block for each in flight");
  }
  return {};
}

tool::Exit raw(const RawOptions& options) {
  const tool::LogFlags& log = options.scratch.log;
  auto opened = open_scratch_log(options.scratch);
  if (!opened) return tool::explain(opened.error(), log.path);
  PosixHost host;
  const auto headers = read_headers(*opened->device, host);
  if (!headers) return tool::explain(headers.error(), log.path);
  const std::uint64_t capacity = headers->header().capacity_bytes;
  if (const auto ok = check(options, *opened->device, capacity); !ok) {
    return tool::explain(ok.error(), log.path);
  }

  Transfers transfers(*opened->device, options, capacity);
  const auto span = [](double seconds) { return static_cast<Nanoseconds>(seconds * 1e9); };
  const tool::Waiting waiting("transferring");
  const double cpu_before = cpu_seconds();
  const Nanoseconds counted_from = host.now() + span(options.warmup_s);
  const int os_error = transfers.run(counted_from, counted_from + span(options.seconds));
  const double cpu_s = cpu_seconds() - cpu_before;
  if (os_error != 0) {
    return tool::explain(Error{.code = ErrorCode::io_error, .os_error = os_error, .detail = {}},
                         log.path);
  }

  const Latencies& latencies = transfers.latencies();
  const double per_second = static_cast<double>(latencies.count()) / options.seconds;
  const auto us = [](double nanoseconds) { return rounded(nanoseconds / 1e3, 1); };
  Json object = {
      {"kind", options.read ? "read" : "write"},
      {"block_size", options.block_bytes},
      {"concurrency", options.concurrency},
      {"writes_s", rounded(per_second, 1)},
      {"mib_s", rounded(per_second * static_cast<double>(options.block_bytes) / (1U << 20U), 2)},
      {"p50_us", us(static_cast<double>(latencies.percentile(500)))},
      {"p99_us", us(static_cast<double>(latencies.percentile(990)))},
      {"mean_us", us(latencies.mean())},
      {"cpu_s", rounded(cpu_s, 3)}};
  tool::Stdout out;
  if (log.json) {
    tool::add_choices(object, *opened, log.device, log.durability);
    out.write_line(object);
  } else {
    out.write(fmt::format("{:.0f} {}s/s  {:.1f} MiB/s  p50 {:.0f} us  p99 {:.0f} us\n{}\n",
                          object["writes_s"].get<double>(), object["kind"].get<std::string>(),
                          object["mib_s"].get<double>(), object["p50_us"].get<double>(),
                          object["p99_us"].get<double>(),
                          tool::choices_text(*opened, log.device, log.durability)));
  }
  return out.finish(tool::Exit::done);
}

}  // namespace

void add_raw(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<RawOptions>();
  CLI::App& command = *app.add_subcommand("raw", "Write to the same device without the log");
  tool::add_log_flags(command, options->scratch.log);
  tool::add_size_option(command, "--capacity", options->scratch.capacity_bytes,
                        "Bytes to go through, a multiple of 4096 (default: as it stands there, "
                        "else 1GiB)");
  command.add_flag("--force", options->scratch.force, "Overwrite whatever stands there");
  tool::add_size_option(command, "--block-size", options->block_bytes,
                        "Bytes of a transfer, a multiple of 4096 (default 4KiB)");
  command.add_option("--concurrency", options->concurrency, "Transfers in flight (default 1)")
      ->check(CLI::Range(1U, kMaxDepth));
  command.add_option("--seconds", options->seconds, "For how long to measure (default 5)")
      ->check(CLI::Range(0.01, 86400.0));
  command.add_option("--warmup", options->warmup_s, "For how long not to, before that (default 0)")
      ->check(CLI::Range(0.0, 86400.0));
  command.add_flag("--read", options->read, "Read instead of writing");
  command.footer(
      "What PATH holds is lost, as with write; with --read a log stays as it is.\n\n"
      "Example:\n  seqwal-bench raw /tmp/bench.log --block-size 256KiB --concurrency 4");
  command.callback([options, &action] {
    options->scratch.depth = options->concurrency;
    options->scratch.reads_only = options->read;
    action = [options] { return raw(*options); };
  });
}

}  // namespace seqwal::bench
