#include "tests/support/recovery_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace seqwal::conformance {
namespace {

using testing_support::CompletionOrder;
using testing_support::ManualHost;
using testing_support::MemoryDevice;

constexpr std::int64_t kFourMebibytes = std::int64_t{4} << 20U;

Outcome recover_on(Device& device, const RecoveryOptions& options) {
  ManualHost host;
  Outcome outcome;
  const auto recovery = Recovery::open(device, host, options);
  if (!recovery) {
    outcome.error = recovery.error().code;
    return outcome;
  }
  outcome.headers = (*recovery)->headers();
  while (true) {
    const auto record = (*recovery)->next();
    if (!record) {
      outcome.error = record.error().code;
      return outcome;
    }
    if (!*record) break;
    const std::span<const std::byte> body = (*record)->body;
    naive::Bytes bytes(body.size());
    std::ranges::transform(body, bytes.begin(),
                           [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
    if (naive::checksum(bytes) != (*record)->checksum) bytes.clear();  // equals no record's body
    outcome.records.push_back({(*record)->offset.value, std::move(bytes)});
  }
  // The end is the end, however often one asks.
  const auto again = (*recovery)->next();
  if (!again || *again) outcome.records.push_back({-1, {}});
  outcome.report = (*recovery)->report();
  return outcome;
}

bool same(const RecoveryReport& a, const RecoveryReport& b) {
  return a.records == b.records && a.body_bytes == b.body_bytes && a.first == b.first &&
         a.last == b.last && a.end == b.end && a.holes == b.holes && a.unreadable == b.unreadable &&
         a.damage == b.damage;
}

std::string complaint_about_report(const Outcome& outcome) {
  const RecoveryReport& report = outcome.report;
  std::uint64_t bytes = 0;
  for (const naive::Delivered& record : outcome.records) bytes += record.body.size();
  if (outcome.miscounted_reads) return "report.read_bytes is not what was read";
  if (report.records != outcome.records.size()) return "report.records is not what was delivered";
  if (report.body_bytes != bytes) return "report.body_bytes is not what was delivered";
  if (!report.unreadable.empty() || !report.damage.empty()) return "reports unreadable blocks";
  if (outcome.records.empty()) {
    const bool none = report.first == kNoOffset && report.last == kNoOffset;
    return none ? "" : "reports a first or last record where nothing was delivered";
  }
  if (report.first.value != outcome.records.front().offset) return "report.first is not the first";
  if (report.last.value != outcome.records.back().offset) return "report.last is not the last";
  return "";
}

std::string difference(const Outcome& outcome, const naive::Reading& reading) {
  if (outcome.headers.current != reading.current_slot) return "takes another header slot";
  if (offsets(outcome.records) != offsets(reading.records)) {
    return fmt::format("delivers {}, the naive reader {}", to_text(offsets(outcome.records)),
                       to_text(offsets(reading.records)));
  }
  if (outcome.records != reading.records) return "delivers bodies that the naive reader does not";
  if (outcome.report.end.value != reading.end) {
    return fmt::format("report.end is {}, by the naive reader {}", outcome.report.end.value,
                       reading.end);
  }
  return "";
}

}  // namespace

Outcome recover(const naive::Bytes& image, const RecoveryOptions& options,
                std::uint64_t slack_bytes) {
  std::vector<std::byte> contents(image.size() + slack_bytes, std::byte{0xA5});
  std::ranges::transform(image, contents.begin(),
                         [](std::uint8_t byte) { return std::byte{byte}; });
  DeviceLimits limits = MemoryDevice::default_limits();
  limits.size_is_exact = slack_bytes == 0;
  limits.max_transfer_bytes = 64U << 10U;
  MemoryDevice device(contents, limits);
  device.set_order(CompletionOrder::shuffled);

  Outcome outcome = recover_on(device, options);
  outcome.wrote = device.counts().writes != 0 || device.image() != contents;
  outcome.miscounted_reads =
      !outcome.error && outcome.report.read_bytes != device.counts().read_bytes;
  return outcome;
}

RecoveryMode to_log(naive::Mode mode) {
  switch (mode) {
    case naive::Mode::strict:
      return RecoveryMode::strict;
    case naive::Mode::prefix:
      return RecoveryMode::prefix;
    default:
      return RecoveryMode::standard;
  }
}

const char* name(naive::Mode mode) {
  switch (mode) {
    case naive::Mode::strict:
      return "strict";
    case naive::Mode::prefix:
      return "prefix";
    default:
      return "standard";
  }
}

bool read_too_much(const Outcome& outcome, std::uint64_t image_bytes) {
  const WalHeader& header = outcome.headers.header();
  const auto section = static_cast<std::int64_t>(image_bytes - naive::kHeaders);
  const std::int64_t window = std::clamp<std::int64_t>(header.window_bytes, 0, section);
  const std::int64_t start = std::max<std::int64_t>(header.trim.value, 0);
  const std::int64_t untrimmed = outcome.report.end.value - start;
  const auto most =
      naive::kHeaders + static_cast<std::uint64_t>(untrimmed + 2 * window + kFourMebibytes);
  return outcome.report.read_bytes > std::min(most, image_bytes + naive::kHeaders);
}

std::vector<std::int64_t> offsets(const std::vector<naive::Delivered>& records) {
  std::vector<std::int64_t> offsets(records.size());
  std::ranges::transform(records, offsets.begin(), &naive::Delivered::offset);
  return offsets;
}

std::vector<naive::Hole> holes(const RecoveryReport& report) {
  std::vector<naive::Hole> holes(report.holes.size());
  std::ranges::transform(report.holes, holes.begin(), [](const OffsetRange& hole) {
    return naive::Hole{.begin = hole.begin.value, .end = hole.end.value};
  });
  return holes;
}

std::string to_text(const std::vector<std::int64_t>& offsets) { return fmt::format("{}", offsets); }

std::string to_text(const std::vector<naive::Hole>& holes) {
  std::string text;
  for (const naive::Hole& hole : holes) {
    text += fmt::format("{}[{}, {})", text.empty() ? "" : " ", hole.begin, hole.end);
  }
  return text.empty() ? "none" : text;
}

std::string complaint(const naive::Bytes& image, naive::Mode mode) {
  const auto reading = naive::read_image(image, mode);
  const Outcome outcome = recover(image, {.mode = to_log(mode)});
  if (outcome.wrote) return "recovery has written to the device";
  if (!reading) return outcome.error ? "" : "opens what the naive reader refuses";
  if (outcome.error) {
    return fmt::format("{}, but the naive reader reads it", to_string(*outcome.error));
  }
  std::string text = difference(outcome, *reading);
  if (text.empty()) text = complaint_about_report(outcome);
  if (!text.empty()) return text;
  if (holes(outcome.report) != reading->holes) {
    return fmt::format("reports holes {}, the naive reader {}", to_text(holes(outcome.report)),
                       to_text(reading->holes));
  }
  if (read_too_much(outcome, image.size())) {
    return fmt::format("reads {} bytes", outcome.report.read_bytes);
  }

  const Outcome again = recover(image, {.mode = to_log(mode)});
  if (again.records != outcome.records || !same(again.report, outcome.report) ||
      again.report.read_bytes != outcome.report.read_bytes) {
    return "gives something else the second time";
  }
  const Outcome frugal = recover(
      image, {.mode = to_log(mode), .read_ahead_bytes = naive::kBlock, .reads_in_flight = 1});
  if (frugal.records != outcome.records || !same(frugal.report, outcome.report)) {
    return "gives something else with one block of read-ahead";
  }
  return "";
}

}  // namespace seqwal::conformance
