#include "bench/write_options.h"

#include <limits>
#include <map>
#include <string>

#include "bench/bound.h"

namespace seqwal::bench {
namespace {

const std::map<std::string, Acks>& acks_by_name() {
  static const std::map<std::string, Acks> names = {{"ordered", Acks::ordered},
                                                    {"parallel", Acks::parallel}};
  return names;
}

}  // namespace

const char* name_of(Acks acks) { return acks == Acks::ordered ? "ordered" : "parallel"; }

void add_setting(Json& object, const WriteOptions& options) {
  object["acks"] = name_of(options.target.acks);
  if (options.is_open_loop()) {
    object["clients"] = "open-loop";
    object["rate"] = options.clients.arrivals_per_second;
  } else {
    object["clients"] = options.blocking ? "blocking" : "callback";
    object["concurrency"] = options.clients.clients;
    object["pipeline"] = options.clients.pipeline;
    object["callback_threads"] = options.callback_threads;
  }
  object["record_size"] = options.clients.record_bytes;
  object["seconds"] = options.seconds;
  object["iops"] = options.target.iops;
  object["bandwidth"] = options.target.bandwidth;
  object["depth"] = options.target.depth;
}

void add_efficiency(Json& object, const WriteOptions& options, const Figures& figures) {
  if (options.is_open_loop()) add_arrivals(object, figures);
  if (options.volume.empty()) return;
  const Volume volume{.writes_per_second = options.volume[0],
                      .bytes_per_second = options.volume[1],
                      .latency_s = options.volume[2] * 1e-6};
  if (options.is_open_loop()) {
    add_open_loop_bound(object, volume, figures);
    return;
  }
  add_bound(object,
            bound_of(volume, std::uint64_t{options.clients.clients} * options.clients.pipeline,
                     options.clients.record_bytes),
            figures);
}

std::string is_record_size(const std::string& text) {
  const auto size = tool::parse_size(text);
  return size && *size == 0 ? "a record has at least one byte" : std::string();
}

void settle(WriteOptions& options) {
  options.target.durability = options.scratch.log.durability;
  options.scratch.depth = options.target.depth;
}

void add_acks_option(CLI::App& command, Acks& acks) {
  command
      .add_option_function<std::string>(
          "--acks", [&acks](const std::string& text) { acks = acks_by_name().at(text); },
          "ordered (default): the log; parallel: the baseline, whose callbacks run as blocks "
          "complete")
      ->check(CLI::IsMember({"ordered", "parallel"}));
}

void add_load_options(CLI::App& command, ClientOptions& clients, TargetOptions& target) {
  command.add_option("--pipeline", clients.pipeline, "Appends in flight of each (default 1)")
      ->check(CLI::Range(1U, 65536U));
  tool::add_size_option(command, "--record-size", clients.record_bytes,
                        "Bytes of a record's body (default 1KiB)")
      ->check(is_record_size);
  command.add_option("--iops", target.iops, "Stay below so many writes a second")
      ->check(CLI::Range(1, 1'000'000'000));
  tool::add_size_option(command, "--bandwidth", target.bandwidth,
                        "Stay below so many bytes a second");
  command
      .add_option("--depth", target.depth, "Block writes in flight (default: as the log decides)")
      ->check(CLI::Range(1U, 1024U));
  command
      .add_option_function<std::uint32_t>(
          "--plug-us", [&target](std::uint32_t us) { target.plug = Nanoseconds{us} * 1000; },
          "Microseconds that a block write waits at most for clients that come back (default: as "
          "the log decides)")
      ->check(CLI::Range(0U, 1'000'000U));
}

void add_write_options(CLI::App& command, WriteOptions& options) {
  tool::add_log_flags(command, options.scratch.log);
  tool::add_size_option(command, "--capacity", options.scratch.capacity_bytes,
                        "Bytes of the whole log, a multiple of 4096 (default: of the log that "
                        "stands there, else 1GiB)");
  command.add_flag("--force", options.scratch.force, "Overwrite whatever stands there");
  CLI::Option* const clients =
      command.add_option("--concurrency", options.clients.clients, "Clients (default 8)")
          ->check(CLI::Range(1U, 65536U));
  add_load_options(command, options.clients, options.target);
  command.add_option("--seconds", options.seconds, "For how long to measure (default 5)")
      ->check(CLI::Range(0.01, 86400.0));
  command.add_option("--warmup", options.warmup_s, "For how long not to, before that (default 1)")
      ->check(CLI::Range(0.0, 86400.0));
  command
      .add_option(
          "--volume", options.volume,
          "What the plain device does, measured in the same session: writes a second, bytes "
          "a second, microseconds. Adds the bound, and the efficiency against it")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::PositiveNumber);
  CLI::Option* const blocking =
      command.add_flag("--blocking", options.blocking,
                       "Clients are threads that wait, instead of callbacks that append");
  command
      .add_option("--rate", options.clients.arrivals_per_second,
                  "Open loop: so many records a second, at times drawn beforehand, from which "
                  "their latency counts")
      ->check(CLI::Range(1, 1'000'000'000))
      ->excludes(clients)
      ->excludes(blocking)
      ->excludes("--pipeline");
  command
      .add_option("--callback-threads", options.callback_threads,
                  "Callbacks of the log run on so many threads of their own, those of one client "
                  "always on the same (default 0: on the log's)")
      ->check(CLI::Range(0U, 256U))
      ->excludes("--rate");
}

}  // namespace seqwal::bench
