// ForeignWriter: AutoMQ's writer between two lives of ours. It knows nothing of evidence, never
// clears its buffers, and acknowledges as block writes complete.
#ifndef SEQWAL_SIM_FOREIGN_WRITER_H
#define SEQWAL_SIM_FOREIGN_WRITER_H

#include <cstdint>
#include <span>
#include <vector>

#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/sim/choice.h"
#include "seqwal/sim/disk.h"
#include "seqwal/sim/oracle.h"

namespace seqwal::sim {

class ForeignWriter {
 public:
  // `noise` is what bodies are cut from: it outlives the oracle.
  ForeignWriter(Disk& disk, Choices& choices, Oracle& oracle, std::span<const std::byte> noise)
      : disk_(disk), choices_(choices), oracle_(oracle), noise_(noise) {}

  // It takes the log, where both headers are sound and nothing is under way: writes the headers
  // and carries on what it read behind them; half the time it resets the log, appends, and is
  // closed or dies. False: it cannot have it.
  bool take();

 private:
  struct BlockWrite {
    std::int64_t begin = 0;
    std::vector<std::byte> bytes;
    std::size_t records_end = 0;  // index of the first record behind it
  };

  void live();
  void append(Offset end);
  [[nodiscard]] std::uint64_t draw_length();
  void write_headers(const WalHeader& header);
  void write(Offset offset, std::span<const std::byte> bytes);
  [[nodiscard]] std::size_t in_flight(const WalHeader& header) const;
  void settle(std::size_t first_in_flight);
  [[nodiscard]] std::uint64_t choose(std::uint64_t n, const char* label) {
    return choices_.choose(Stream::workload, n, label);
  }

  Disk& disk_;
  Choices& choices_;
  Oracle& oracle_;
  const std::span<const std::byte> noise_;
  FormatVersion version_ = FormatVersion::v0;
  Geometry geometry_{kMinCapacityBytes};
  Offset start_ = kNoOffset;
  std::vector<BlockWrite> block_writes_;
  std::vector<Oracle::ForeignRecord> records_;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_FOREIGN_WRITER_H
