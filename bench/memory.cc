// seqwal-bench memory: what an append costs when the device costs nothing.
//
// One of the threads polls the log whenever it finds no room; so no thread sleeps, and with one
// thread all the work of a record is in its time. The limit beside it is a pass for the checksum,
// by libdeflate, and a copy into memory of the same size, by as many threads, before and after; the
// own limit is the same with the log's checksum. With several threads the order limit is what one
// order of their records takes at least, whatever the log: the own limit, into memory that they
// share, each copy at the place that an addition to a shared number says, right behind the one
// before.
#include <fmt/format.h>
#include <libdeflate.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "bench/clients/clients.h"
#include "bench/commands.h"
#include "bench/figures.h"
#include "bench/null_device.h"
#include "bench/target.h"
#include "bench/write_options.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/check.h"

namespace seqwal::bench {
namespace {

struct MemoryOptions {
  std::uint32_t threads = 1;
  std::uint64_t record_bytes = 1024;
  double seconds = 1;
  bool json = false;
};

// Looks at the clock every so many records.
constexpr std::uint64_t kRound = 64;

// Runs `work(thread, running)` on so many threads for so long; it returns how many records it did.
// Returns nanoseconds of one thread for one record.
template <typename Work>
double time_records(const MemoryOptions& options, double seconds, Work work) {
  PosixHost host;
  std::atomic<std::uint64_t> records{0};
  const Nanoseconds began = host.now();
  const Nanoseconds end = began + static_cast<Nanoseconds>(seconds * 1e9);
  {
    std::vector<std::jthread> threads;
    threads.reserve(options.threads);
    for (std::uint32_t thread = 0; thread < options.threads; ++thread) {
      threads.emplace_back([&, thread] {
        PosixHost clock;
        records.fetch_add(work(thread, [&clock, end] { return clock.now() < end; }));
      });
    }
  }
  const auto took = static_cast<double>(host.now() - began);
  return took * options.threads / static_cast<double>(records.load());
}

std::uint32_t sum_of_libdeflate(std::span<const std::byte> bytes) {
  return libdeflate_crc32(0, bytes.data(), bytes.size());
}

template <typename Sum>
double limit_ns(const MemoryOptions& options, double seconds, Sum sum_of) {
  const LogOptions log;
  const std::size_t memory_bytes = std::size_t{log.blocks} * kSoftLimitBytes;
  return time_records(options, seconds, [&](std::uint32_t thread, auto running) {
    const std::vector<std::byte> body = make_body(options.record_bytes, thread);
    std::vector<std::byte> memory(std::max(memory_bytes, body.size()));
    std::size_t at = 0;
    std::uint64_t records = 0;
    std::uint32_t sum = 0;
    while (running()) {
      for (std::uint64_t i = 0; i < kRound; ++i) {
        if (at + body.size() > memory.size()) at = 0;
        sum ^= sum_of(std::span(body));
        std::memcpy(memory.data() + at, body.data(), body.size());
        at += body.size();
      }
      records += kRound;
    }
    // What nobody looks at need not be computed.
    volatile std::uint32_t seen = sum ^ static_cast<std::uint32_t>(memory[at / 2]);
    static_cast<void>(seen);
    return records;
  });
}

double order_limit_ns(const MemoryOptions& options, double seconds) {
  const LogOptions log;
  const std::size_t memory_bytes = std::bit_floor(std::size_t{log.blocks} * kSoftLimitBytes);
  std::vector<std::byte> memory(memory_bytes + options.record_bytes);
  alignas(64) std::atomic<std::uint64_t> tail{0};
  return time_records(options, seconds, [&](std::uint32_t thread, auto running) {
    const std::vector<std::byte> body = make_body(options.record_bytes, thread);
    std::uint64_t records = 0;
    std::uint32_t sum = 0;
    while (running()) {
      for (std::uint64_t i = 0; i < kRound; ++i) {
        sum ^= checksum(body);
        const std::uint64_t at = tail.fetch_add(kRecordHeaderBytes + body.size());
        std::memcpy(memory.data() + (at & (memory_bytes - 1)), body.data(), body.size());
      }
      records += kRound;
    }
    volatile std::uint32_t seen = sum;
    static_cast<void>(seen);
    return records;
  });
}

double append_ns(const MemoryOptions& options, double seconds) {
  NullDevice device;
  PosixHost host;
  auto log = Log::open(device, host, log_options({.durability = Durability::none}));
  SEQWAL_CHECK(log.has_value());
  SEQWAL_CHECK((*log)->recover([](const RecoveredRecord&) { return true; }).has_value());
  SEQWAL_CHECK((*log)->reset().has_value());
  std::atomic<std::uint32_t> appending{options.threads};
  const double ns = time_records(options, seconds, [&](std::uint32_t thread, auto running) {
    const std::vector<std::byte> body = make_body(options.record_bytes, thread);
    std::uint64_t records = 0;
    while (running()) {
      for (std::uint64_t i = 0; i < kRound; ++i) {
        while (!(*log)->append(body, [](const AppendResult&) {})) {
          if (thread != 0) {
            std::this_thread::yield();
          } else {
            static_cast<void>((*log)->poll(host.now()));
          }
        }
      }
      records += kRound;
    }
    appending.fetch_sub(1);
    // Others may still wait for room.
    while (thread == 0 && appending.load() > 0) static_cast<void>((*log)->poll(host.now()));
    return records;
  });
  (*log)->close();
  while (!(*log)->finished()) static_cast<void>((*log)->poll(host.now()));
  return ns;
}

// Nanoseconds until a cache line that one thread writes is another's to write: what each record of
// two threads in turns waits for at least.
double handover_ns() {
  constexpr int kTimes = 100'000;
  PosixHost host;
  alignas(64) std::atomic<bool> mine{true};
  const auto hand_over = [&mine](bool whose) {
    for (int i = 0; i < kTimes; ++i) {
      while (mine.load(std::memory_order_acquire) != whose) {
      }
      mine.store(!whose, std::memory_order_release);
    }
  };
  const Nanoseconds began = host.now();
  {
    const std::jthread other(hand_over, false);
    hand_over(true);
  }
  return static_cast<double>(host.now() - began) / (2.0 * kTimes);
}

tool::Exit memory(const MemoryOptions& options) {
  const tool::Waiting waiting("appending to memory");
  static_cast<void>(append_ns(options, options.seconds / 4));  // warms up
  const auto limits = [&] {
    return std::pair(limit_ns(options, options.seconds / 4, sum_of_libdeflate),
                     limit_ns(options, options.seconds / 4, checksum));
  };
  const auto [limit_before, own_before] = limits();
  const double ours = append_ns(options, options.seconds);
  const auto [limit_after, own_after] = limits();
  const double limit = (limit_before + limit_after) / 2;
  const double own_limit = (own_before + own_after) / 2;
  const double order_limit = options.threads > 1 ? order_limit_ns(options, options.seconds / 2) : 0;
  const double handover = options.threads > 1 ? handover_ns() : 0;
  const double per_second = 1e9 / ours * options.threads;
  const double gib = per_second * static_cast<double>(options.record_bytes) / (1U << 30U);
  tool::Stdout out;
  if (options.json) {
    Json line{{"threads", options.threads},
              {"record_size", options.record_bytes},
              {"ns_rec", rounded(ours, 2)},
              {"rec_s", rounded(per_second, 0)},
              {"gib_s", rounded(gib, 3)},
              {"limit_ns_rec", rounded(limit, 2)},
              {"ratio", rounded(limit / ours, 4)},
              {"own_limit_ns_rec", rounded(own_limit, 2)},
              {"own_ratio", rounded(own_limit / ours, 4)}};
    if (options.threads > 1) {
      line["order_limit_ns_rec"] = rounded(order_limit, 2);
      line["handover_ns"] = rounded(handover, 1);
    }
    out.write_line(line);
  } else {
    out.write(fmt::format(
        "{:.1f} ns/record  {:.0f} records/s  {:.2f} GiB/s  copy and checksum alone {:.1f} ns, "
        "{:.2f} of ours; with the log's checksum {:.1f} ns, {:.2f}\n",
        ours, per_second, gib, limit, limit / ours, own_limit, own_limit / ours));
    if (options.threads > 1) {
      out.write(
          fmt::format("one order, whatever the log: {:.1f} ns/record, {:.2f} of ours; a cache line "
                      "from one thread to another: {:.0f} ns\n",
                      order_limit, order_limit / ours, handover));
    }
  }
  return out.finish(tool::Exit::done);
}

}  // namespace

void add_memory(CLI::App& app, tool::Action& action) {
  const auto options = std::make_shared<MemoryOptions>();
  CLI::App& command =
      *app.add_subcommand("memory", "Append against a device that completes at once");
  command.add_option("--threads", options->threads, "Threads that append (default 1)")
      ->check(CLI::Range(1U, 256U));
  tool::add_size_option(command, "--record-size", options->record_bytes,
                        "Bytes of a record's body (default 1KiB)")
      ->check(is_record_size);
  command.add_option("--seconds", options->seconds, "For how long to append (default 1)")
      ->check(CLI::Range(0.01, 3600.0));
  command.add_flag("--json", options->json, "One JSON object per line on stdout");
  command.footer("Example:\n  seqwal-bench memory --threads 2 --record-size 128");
  command.callback([options, &action] { action = [options] { return memory(*options); }; });
}

}  // namespace seqwal::bench
