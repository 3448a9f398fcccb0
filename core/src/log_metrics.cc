// What a log counts, and the snapshot of it.
#include <algorithm>

#include "log_impl.h"

namespace seqwal {

void Log::Impl::count(const BlockWriter::DurableBlock& durable) {
  const SealedBlock& block = durable.block;
  const Nanoseconds latency = io_.pacer().now() - durable.submitted;
  counters_.records.add(static_cast<std::uint16_t>(block.end_ticket - block.first_ticket));
  counters_.record_bytes.add(static_cast<std::uint64_t>(block.records_end - block.start));
  counters_.block_writes.add(1);
  counters_.block_bytes.add(static_cast<std::uint64_t>(block.end() - block.start));
  counters_.durable_time.add(latency);
  counters_.written_time.add(durable.written - durable.submitted);
  counters_.durable_latency.add(latency);
  if (durable.overtaken == 0) return;
  counters_.out_of_order.add(1);
  counters_.longest_overtaking.set(std::max(counters_.longest_overtaking.get(), durable.overtaken));
}

// The appends that wait, at the beginning of a poll: since the last one there were as many as in
// the middle between then and now.
void Log::Impl::count_waiting() {
  const Nanoseconds now = io_.pacer().now();
  if (const Nanoseconds last = counters_.time.get(); last > 0) {
    const double slots = buffer_.slots_used() + counters_.slots_used.get();
    counters_.append_seconds.add(static_cast<double>(now - last) / 1e9 * slots / 2);
  }
  counters_.time.set(now);
}

// What is the case now. At the end of a poll.
void Log::Impl::count() {
  counters_.in_flight.set(io_.in_flight());
  counters_.depth.set(writer_.depth().depth());
  counters_.latency.set(writer_.depth().latency());
  counters_.callbacks_waiting.set(callbacks_.waiting());
  counters_.ring_bytes_used.set(buffer_.end() - headers_.durable_keep());
  counters_.trim_lag_bytes.set(
      std::max<std::int64_t>(headers_.wanted().trim - headers_.durable_trim(), 0));
  counters_.blocks_used.set(buffer_.blocks_used());
  counters_.slots_used.set(buffer_.slots_used());
}

LogMetrics Log::Impl::metrics() const {
  LogMetrics metrics;
  metrics.state = state();
  metrics.records = counters_.records.get();
  metrics.record_bytes = counters_.record_bytes.get();
  metrics.block_writes = counters_.block_writes.get();
  metrics.block_bytes = counters_.block_bytes.get();
  metrics.writes = counters_.writes.get();
  metrics.header_writes = counters_.header_writes.get();
  metrics.flushes = counters_.flushes.get();
  metrics.trim_reads = counters_.trim_reads.get();
  metrics.wakes = counters_.wakes.load(std::memory_order_relaxed);
  metrics.out_of_order = counters_.out_of_order.get();
  metrics.longest_overtaking = counters_.longest_overtaking.get();
  metrics.durable_time = counters_.durable_time.get();
  metrics.written_time = counters_.written_time.get();
  metrics.append_seconds = counters_.append_seconds.get();
  metrics.time = counters_.time.get();
  metrics.iops = options_.iops;
  metrics.bytes_per_second = options_.bytes_per_second;
  counters_.write_latency.read(metrics.write_latency);
  counters_.durable_latency.read(metrics.durable_latency);
  metrics.in_flight = counters_.in_flight.get();
  metrics.depth = counters_.depth.get();
  metrics.latency = counters_.latency.get();
  metrics.callbacks_waiting = counters_.callbacks_waiting.get();
  metrics.ring_bytes_used = counters_.ring_bytes_used.get();
  metrics.ring_bytes = geometry_.section_bytes();
  metrics.trim_lag_bytes = counters_.trim_lag_bytes.get();
  metrics.blocks_used = counters_.blocks_used.get();
  metrics.slots_used = counters_.slots_used.get();
  return metrics;
}

}  // namespace seqwal
