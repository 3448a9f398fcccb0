// Runs the log's recovery over an image, and holds everything that is true of every recovery
// against it: it agrees with the naive reader, gives the same twice and with little memory, writes
// nothing, reads no more than it may, and its report tells what it delivered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seqwal/error.h"
#include "seqwal/recovery.h"
#include "tests/support/naive_log.h"

namespace seqwal::conformance {

// What one recovery of an image gave.
struct Outcome {
  std::optional<ErrorCode> error;  // then nothing else means anything
  HeaderState headers;
  std::vector<naive::Delivered> records;
  RecoveryReport report;
  bool wrote = false;             // to the device, which recovery never does
  bool miscounted_reads = false;  // report.read_bytes against what the device was asked for
};

// The image is the whole device: a file, or a block device that is longer when `slack_bytes` is not
// 0.
[[nodiscard]] Outcome recover(const naive::Bytes& image, const RecoveryOptions& options,
                              std::uint64_t slack_bytes = 0);

[[nodiscard]] RecoveryMode to_log(naive::Mode mode);
[[nodiscard]] const char* name(naive::Mode mode);

// The first thing wrong with recovering this image, for people; empty when nothing is.
[[nodiscard]] std::string complaint(const naive::Bytes& image, naive::Mode mode);

// Whether recovery has read more than the untrimmed log, two windows and 4 MiB, or more than the
// whole image and the header slots once more.
[[nodiscard]] bool read_too_much(const Outcome& outcome, std::uint64_t image_bytes);

[[nodiscard]] std::vector<std::int64_t> offsets(const std::vector<naive::Delivered>& records);

// "[0, 8192, 16384]"
[[nodiscard]] std::string to_text(const std::vector<std::int64_t>& offsets);
[[nodiscard]] std::string to_text(const std::vector<naive::Hole>& holes);
[[nodiscard]] std::vector<naive::Hole> holes(const RecoveryReport& report);

}  // namespace seqwal::conformance
