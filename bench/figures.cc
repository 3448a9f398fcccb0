#include "bench/figures.h"

#include <fmt/format.h>

#include <cmath>

namespace seqwal::bench {
namespace {

constexpr double kMiB = 1U << 20U;
constexpr double kKiB = 1U << 10U;
constexpr double kMicrosecond = 1e3;

double microseconds(double nanoseconds) { return rounded(nanoseconds / kMicrosecond, 1); }

double percentile_us(const Figures& figures, std::uint32_t per_mille) {
  return microseconds(static_cast<double>(figures.tally.latencies.percentile(per_mille)));
}

}  // namespace

double rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

double Figures::records_per_second() const {
  return ratio(static_cast<double>(records()), seconds);
}

void note_metrics(Figures& figures, const std::optional<LogMetrics>& from,
                  const std::optional<LogMetrics>& to) {
  if (!from || !to) return;
  LogMetrics meanwhile;
  meanwhile.durable_time = to->durable_time - from->durable_time;
  meanwhile.written_time = to->written_time - from->written_time;
  figures.order_tax = meanwhile.order_tax();
  if (to->iops != 0 || to->bytes_per_second != 0) figures.log_efficiency = efficiency(*from, *to);
}

void add_figures(Json& object, const Figures& figures) {
  const Latencies& latencies = figures.tally.latencies;
  const auto records = static_cast<double>(figures.records());
  const auto writes = static_cast<double>(figures.written.writes);
  const double per_second = figures.records_per_second();
  object["records"] = figures.records();
  object["rec_s"] = rounded(per_second, 1);
  object["mib_s"] = rounded(per_second * static_cast<double>(figures.record_bytes) / kMiB, 2);
  object["p50_us"] = percentile_us(figures, 500);
  object["p90_us"] = percentile_us(figures, 900);
  object["p99_us"] = percentile_us(figures, 990);
  object["p999_us"] = percentile_us(figures, 999);
  object["max_us"] = microseconds(static_cast<double>(latencies.max()));
  object["mean_us"] = microseconds(latencies.mean());
  object["cpu_s"] = rounded(figures.cpu_s, 3);
  object["cpu_us_rec"] = rounded(ratio(figures.cpu_s * 1e6, records), 3);
  object["allocs_rec"] = rounded(ratio(static_cast<double>(figures.allocations), records), 5);
  object["syscalls_rec"] = rounded(ratio(static_cast<double>(figures.system_calls), records), 4);
  object["writes_s"] = rounded(ratio(writes, figures.seconds), 1);
  object["avg_write_kib"] =
      rounded(ratio(static_cast<double>(figures.written.bytes) / kKiB, writes), 2);
  object["rec_per_write"] = rounded(ratio(records, writes), 3);
  object["out_of_order"] = figures.tally.out_of_order;
  object["overcap"] = figures.tally.overcap;
  object["failed"] = figures.tally.failed;
  if (figures.order_tax) object["order_tax"] = rounded(*figures.order_tax, 4);
  if (figures.log_efficiency) object["log_efficiency"] = rounded(*figures.log_efficiency, 4);
}

void add_bound(Json& object, const Bound& bound, const Figures& figures) {
  object["bound_rec_s"] = rounded(bound.records_per_second, 1);
  object["bound_mean_us"] = rounded(bound.mean_latency_s * 1e6, 1);
  object["efficiency"] = rounded(ratio(figures.records_per_second(), bound.records_per_second), 4);
}

void add_arrivals(Json& object, const Figures& figures) {
  const auto arrived = static_cast<double>(figures.tally.arrived);
  object["arrived_s"] = rounded(ratio(arrived, figures.seconds), 1);
  object["late_us"] = microseconds(ratio(static_cast<double>(figures.tally.late), arrived));
}

void add_open_loop_bound(Json& object, const Volume& volume, const Figures& figures) {
  const double bound_ns = open_loop_mean_latency_s(volume) * 1e9;
  object["bound_mean_us"] = microseconds(bound_ns);
  object["latency_ratio"] = rounded(ratio(figures.tally.latencies.mean(), bound_ns), 4);
}

std::string to_text(const Figures& figures) {
  Json object;
  add_figures(object, figures);
  const auto number = [&](const char* name) { return object[name].get<double>(); };
  return fmt::format(
      "{:>10.0f} records/s  {:.1f} MiB/s  p50 {:.0f} us  p99 {:.0f} us  p99.9 {:.0f} us  max "
      "{:.0f} us\n"
      "{:>10.0f} writes/s   {:.1f} KiB each, {:.1f} records  cpu {:.2f} us/record  {:.3f} system "
      "calls/record\n"
      "{:>10} out of order  over capacity {}, failed {}\n",
      number("rec_s"), number("mib_s"), number("p50_us"), number("p99_us"), number("p999_us"),
      number("max_us"), number("writes_s"), number("avg_write_kib"), number("rec_per_write"),
      number("cpu_us_rec"), number("syscalls_rec"), figures.tally.out_of_order,
      figures.tally.overcap, figures.tally.failed);
}

}  // namespace seqwal::bench
