// Figures: what a measurement of appends came to, with the names that seqwal-bench prints.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "bench/bound.h"
#include "bench/counting_device.h"
#include "bench/meter.h"
#include "seqwal/metrics.h"

namespace seqwal::bench {

using Json = nlohmann::ordered_json;

struct Figures {
  std::uint64_t record_bytes = 0;
  double seconds = 0;  // for which was counted
  // Of the whole process meanwhile; 0 in virtual time.
  double cpu_s = 0;
  std::uint64_t allocations = 0;
  std::uint64_t system_calls = 0;  // that the backends made
  WriteCount written;              // by the device meanwhile, headers included
  Tally tally;
  // What the log says of itself; the baseline says nothing.
  std::optional<double> order_tax;
  std::optional<double> log_efficiency;  // against the limits that it was told

  [[nodiscard]] std::uint64_t records() const { return tally.latencies.count(); }
  [[nodiscard]] double records_per_second() const;
};

// Notes what the log said at the beginning and at the end of what was counted.
void note_metrics(Figures& figures, const std::optional<LogMetrics>& from,
                  const std::optional<LogMetrics>& to);
// Adds records, rec_s, mib_s, p50_us, …, failed; order_tax and log_efficiency where they are known.
void add_figures(Json& object, const Figures& figures);
// Adds bound_rec_s, bound_mean_us and efficiency.
void add_bound(Json& object, const Bound& bound, const Figures& figures);
// Open loop: adds arrived_s and late_us; and bound_mean_us and latency_ratio, mean / bound.
void add_arrivals(Json& object, const Figures& figures);
void add_open_loop_bound(Json& object, const Volume& volume, const Figures& figures);
// Two lines for people.
[[nodiscard]] std::string to_text(const Figures& figures);

// Rounded to so many decimals, so that nobody reads more into a number than it tells.
[[nodiscard]] double rounded(double value, int decimals);
// a / b, and 0 where there is nothing to divide by.
[[nodiscard]] double ratio(double a, double b);

}  // namespace seqwal::bench
