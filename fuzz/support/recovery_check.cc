#include "fuzz/support/recovery_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/support/fuzzer.h"
#include "fuzz/support/idle_host.h"
#include "fuzz/support/memory_meter.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"
#include "seqwal/sim/naive_reader.h"

namespace seqwal::fuzz {
namespace {

constexpr std::uint64_t kFourMebibytes = std::uint64_t{4} << 20U;
// Reports, and what the standard library takes.
constexpr std::uint64_t kSmallChange = std::uint64_t{256} << 10U;

struct Mode {
  RecoveryMode log;
  sim::NaiveMode naive;
  const char* name;
};
constexpr std::array kModes{
    Mode{RecoveryMode::standard, sim::NaiveMode::standard, "standard"},
    Mode{RecoveryMode::strict, sim::NaiveMode::strict, "strict"},
    Mode{RecoveryMode::prefix, sim::NaiveMode::prefix, "prefix"},
};

// What the format says about the slots of an image.
struct Expected {
  std::optional<ErrorCode> error;
  std::optional<sim::NaiveHeader> header;  // where there is no error
  std::uint64_t log_end = kHeaderAreaBytes;
};

bool is_unreadable(const HostileImage& image, std::uint64_t block) {
  return block < image.unreadable.size() && image.unreadable[block];
}

Expected expected_headers(const HostileImage& image) {
  Expected expected;
  bool any_magic = false;
  bool any_unreadable = false;
  for (std::uint64_t slot = 0; slot < kHeaderSlots; ++slot) {
    const auto bytes = image.bytes.subspan(slot * kBlockBytes, kBlockBytes);
    if (is_unreadable(image, slot)) {
      any_unreadable = true;
      continue;
    }
    any_magic = any_magic || decode_wal_header(bytes).state == SlotState::damaged;
    const auto header = sim::naive_header(bytes);
    if (header && (!expected.header || header->stamp > expected.header->stamp)) {
      expected.header = header;
    }
  }
  const std::uint64_t size = image.limits.size_bytes;
  if (!expected.header) {
    expected.error = any_magic ? ErrorCode::headers_damaged : ErrorCode::not_a_log;
    if (any_unreadable) expected.error = ErrorCode::io_error;
  } else if (expected.header->capacity > size ||
             (image.limits.size_is_exact && expected.header->capacity != size)) {
    expected.error = ErrorCode::length_mismatch;
  } else {
    expected.log_end = expected.header->capacity;
  }
  return expected;
}

// The naive reader thinks in logical offsets: all those that an unreadable block may stand for.
sim::NaiveUnreadable unreadable_offsets(const HostileImage& image, const sim::NaiveHeader& header) {
  sim::NaiveUnreadable unreadable;
  for (std::size_t slot = 0; slot < kHeaderSlots; ++slot) {
    unreadable.slots.at(slot) = is_unreadable(image, slot);
  }
  const std::uint64_t section = header.capacity - kHeaderAreaBytes;
  const std::uint64_t first_cycle =
      static_cast<std::uint64_t>(std::max<std::int64_t>(header.trim, 0)) / section;
  for (std::uint64_t block = kHeaderSlots; block * kBlockBytes < header.capacity; ++block) {
    if (!is_unreadable(image, block)) continue;
    for (std::uint64_t cycle = first_cycle; cycle < first_cycle + 3; ++cycle) {
      const std::uint64_t begin = cycle * section + (block * kBlockBytes - kHeaderAreaBytes);
      if (begin > static_cast<std::uint64_t>(kMaxOffset.value) - kBlockBytes) break;
      unreadable.ranges.emplace_back(static_cast<std::int64_t>(begin),
                                     static_cast<std::int64_t>(begin + kBlockBytes));
    }
  }
  return unreadable;
}

// One recovery, held against the naive reading record by record.
class Comparison {
 public:
  Comparison(const Mode& mode, const sim::NaiveReading& naive) : mode_(mode), naive_(naive) {}

  void deliver(const RecoveredRecord& record) {
    if (next_ == naive_.records.size()) {
      differ(fmt::format("delivers {}, and no more was expected", record.offset.value));
    }
    const sim::NaiveRecord& wanted = naive_.records[next_++];
    if (record.offset.value != wanted.offset) {
      differ(fmt::format("delivers {} where {} was expected", record.offset.value, wanted.offset));
    }
    if (!std::ranges::equal(record.body, wanted.body)) {
      differ(fmt::format("delivers another body at {}", wanted.offset));
    }
    if (record.checksum != sim::naive_checksum(wanted.body)) {
      differ(fmt::format("gives a wrong checksum at {}", wanted.offset));
    }
    body_bytes_ += record.body.size();
  }

  // Without evidence there is no damage to refuse.
  void finish(const RecoveryReport& report, bool refused) const {
    if (refused) differ("refuses a log without evidence");
    if (next_ != naive_.records.size()) {
      differ(fmt::format("ends before the record at {}", naive_.records[next_].offset));
    }
    const bool any = !naive_.records.empty();
    if (report.records != next_ || report.body_bytes != body_bytes_) {
      differ("reports another number of records or bytes");
    }
    if (report.first.value != (any ? naive_.records.front().offset : -1) ||
        report.last.value != (any ? naive_.records.back().offset : -1)) {
      differ("reports another first or last record");
    }
    if (report.end.value != naive_.end) {
      differ(fmt::format("reports the end at {}, expected was {}", report.end.value, naive_.end));
    }
    check_holes(report);
  }

 private:
  void check_holes(const RecoveryReport& report) const {
    if (!report.holes.empty() && naive_.header.version == 1) differ("reports a hole in version 1");
    std::int64_t last = -1;
    for (const OffsetRange& hole : report.holes) {
      const bool ends_at_record = std::ranges::binary_search(
          naive_.records, hole.end.value, {}, [](const auto& record) { return record.offset; });
      if (hole.begin >= hole.end || hole.begin.value < last ||
          hole.begin.value % kBlockBytes != 0 || !ends_at_record) {
        differ(fmt::format("reports a hole [{}, {})", hole.begin.value, hole.end.value));
      }
      last = hole.end.value;
    }
  }

  [[noreturn]] void differ(const std::string& how) const {
    broken(
        fmt::format("I2: recovery of version {}, {}: {}", naive_.header.version, mode_.name, how));
  }

  const Mode& mode_;
  const sim::NaiveReading& naive_;
  std::size_t next_ = 0;
  std::uint64_t body_bytes_ = 0;
};

// One recovery of a log with evidence. Up to where a naive reading of the evidence ends, it is held
// against that, record by record, and then against what stands in the image. The naive reader knows
// no timelines: a block write of an older one may end it, or be left out.
class EvidenceComparison {
 public:
  EvidenceComparison(const HostileImage& image, const Mode& mode, const RecoveryOptions& options,
                     const sim::NaiveHeader& header)
      : image_(image),
        mode_(mode),
        header_(header),
        salvage_(options.salvage),
        contiguous_(header.version == 1 || mode.naive == sim::NaiveMode::prefix),
        exact_(header.capacity - kHeaderAreaBytes <= kSoftLimitBytes),
        unreadable_(unreadable_offsets(image, header)),
        testimony_(sim::naive_testimony(image.bytes, unreadable_)),
        prefix_(*sim::naive_read(image.bytes, sim::NaiveMode::prefix, unreadable_,
                                 sim::NaiveRules::evidence)),
        end_(saturating_add({header.trim}, 1).value) {}

  void deliver(const RecoveredRecord& record) {
    const std::int64_t offset = record.offset.value;
    const auto found = sim::naive_record(image_.bytes, offset, unreadable_);
    if (!found || !std::ranges::equal(record.body, found->body)) {
      differ(fmt::format("delivers what does not stand at {}", offset));
    }
    if (offset < end_ || offset == header_.trim) differ(fmt::format("goes back to {}", offset));
    follow_prefix(offset);
    if (records_ == 0) first_ = offset;
    last_ = offset;
    end_ = offset + kRecordHeaderBytes + std::ssize(record.body);
    body_bytes_ += record.body.size();
    ++records_;
  }

  // `refused`: it ended with `damaged`.
  void finish(const RecoveryReport& report, bool refused) {
    if (exact_ && in_prefix_ && next_ < prefix_.records.size()) {
      leave_out(prefix_.records[next_].offset);
    }
    // What contradicts the evidence of one place, elsewhere, makes it damage.
    if (left_out_ >= 0 &&
        (report.damage.empty() || report.damage.front().begin.value > left_out_)) {
      differ(fmt::format("leaves out the record at {}, and does not say so", left_out_));
    }
    if (report.records != records_ || report.body_bytes != body_bytes_ ||
        report.first.value != first_ || report.last.value != last_ || report.end.value != end_) {
      differ("reports something else than it delivered");
    }
    if (refused != (!salvage_ && !report.damage.empty())) differ("damage is not what it ends with");
    if (report.watermark.value < testimony_.header ||
        report.watermark.value > testimony_.greatest) {
      differ(fmt::format("believes in a watermark of {}", report.watermark.value));
    }
    for (const OffsetRange& range : report.damage) {
      if (range.begin >= report.watermark) differ("calls damage what was never durable");
    }
    // I14
    if (exact_ && in_prefix_ && prefix_.stopped_at && *prefix_.stopped_at < testimony_.header &&
        report.damage.empty()) {
      differ(fmt::format("is silent about what is lost at {}", *prefix_.stopped_at));
    }
  }

 private:
  void follow_prefix(std::int64_t offset) {
    if (!exact_ || !in_prefix_) return;
    if (next_ == prefix_.records.size()) {
      if (contiguous_ && !salvage_) differ(fmt::format("goes on to {}", offset));
      return;
    }
    const std::int64_t wanted = prefix_.records[next_++].offset;
    if (offset != wanted) leave_out(wanted);
  }

  void leave_out(std::int64_t wanted) {
    if (!is_older(wanted)) left_out_ = wanted;
    in_prefix_ = false;
  }

  [[nodiscard]] bool is_older(std::int64_t offset) const {
    return sim::naive_is_older(image_.bytes, offset, unreadable_);
  }

  [[noreturn]] void differ(const std::string& how) const {
    broken(fmt::format("I2: recovery by evidence, version {}, {}{}: {}", header_.version,
                       mode_.name, salvage_ ? ", salvage" : "", how));
  }

  const HostileImage& image_;
  const Mode& mode_;
  const sim::NaiveHeader& header_;
  const bool salvage_;
  const bool contiguous_;
  // A long block write that does not begin with one long record is nobody's, and is not looked for.
  const bool exact_;
  const sim::NaiveUnreadable unreadable_;
  const sim::NaiveTestimony testimony_;
  const sim::NaiveReading prefix_;
  std::size_t next_ = 0;  // of prefix_
  bool in_prefix_ = true;
  std::int64_t left_out_ = -1;  // the first record of it that was not delivered, for no good reason
  std::uint64_t records_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::int64_t first_ = -1;
  std::int64_t last_ = -1;
  std::int64_t end_;
};

void check_unreadable(const HostileImage& image, const sim::NaiveHeader& header,
                      const RecoveryReport& report) {
  const std::uint64_t section = header.capacity - kHeaderAreaBytes;
  std::vector<OffsetRange> damage;
  for (const OffsetRange& range : report.unreadable) {
    if (range.begin < report.last) damage.push_back(range);
    for (std::int64_t at = range.begin.value; at < range.end.value; at += kBlockBytes) {
      const std::uint64_t position = static_cast<std::uint64_t>(at) % section + kHeaderAreaBytes;
      demand(is_unreadable(image, position / kBlockBytes), "reports a sound block as unreadable");
    }
  }
  if (header.evidence) return;
  demand(damage == report.damage, "damage is not what is unreadable before the last record");
}

// I11. A record whose body is torn must be read to be judged, so one record comes on top; where
// evidence is asked for, what it says is read ahead of what it speaks of; whatever cannot be read
// as a whole is read again, block by block.
void check_reads(const sim::NaiveHeader& header, const RecoveryReport& report,
                 std::uint64_t read_bytes) {
  demand(report.read_bytes == read_bytes, "reports another number of bytes read");
  const std::uint64_t section = header.capacity - kHeaderAreaBytes;
  const auto window = std::clamp<std::uint64_t>(
      static_cast<std::uint64_t>(std::max<std::int64_t>(header.window, 0)), 0, section);
  const auto start = std::max<std::int64_t>(header.trim, 0);
  const auto untrimmed = static_cast<std::uint64_t>(report.end.value - start);
  const std::uint64_t longest = std::min<std::uint64_t>(section, std::uint64_t{128} << 20U);
  // The block of the trimmed record may be read as the first and as the last one.
  std::uint64_t most =
      std::min(untrimmed + 2 * window + kFourMebibytes + longest, section + kBlockBytes);
  if (header.evidence) most = 2 * most + std::min<std::uint64_t>(section, kSoftLimitBytes);
  if (!report.unreadable.empty()) most *= 2;
  demand(read_bytes <= kHeaderAreaBytes + most,
         fmt::format("I11: reads {} bytes, at most {} are allowed", read_bytes,
                     kHeaderAreaBytes + most));
}

// read_ahead_bytes, and no more than there is to read; while reading, one body (as it grows in
// memory, what it outgrew is still there).
void check_memory(const HostileImage& image, const sim::NaiveHeader& header,
                  const RecoveryOptions& options, std::size_t before) {
  const std::uint64_t section = header.capacity - kHeaderAreaBytes;
  const std::uint64_t reads = std::max(options.reads_in_flight, 1U);
  const std::uint64_t ahead =
      std::min(std::max<std::uint64_t>(options.read_ahead_bytes, reads * kBlockBytes),
               section + kBlockBytes);
  const std::uint64_t most = ahead + 3 * section + kSmallChange;
  const std::uint64_t peak = peak_allocated_bytes() - before;
  demand(peak <= most, fmt::format("recovery of {} bytes takes {} bytes of memory, allowed are {}",
                                   image.bytes.size(), peak, most));
}

// Opens a log and reads it to its end.
template <typename AnyComparison>
void recover(const HostileImage& image, ImageDevice& device, const RecoveryOptions& options,
             const sim::NaiveHeader& header, AnyComparison& comparison) {
  IdleHost host;
  restart_peak();
  const std::size_t before = allocated_bytes();
  const auto recovery = Recovery::open(device, host, options);
  if (!recovery) broken(fmt::format("does not open a log: {}", recovery.error().message()));
  bool refused = false;
  while (true) {
    const auto record = (*recovery)->next();
    refused = !record && record.error().code == ErrorCode::damaged;
    if (refused) break;
    if (!record) broken(fmt::format("recovery fails: {}", record.error().message()));
    if (!*record) break;
    comparison.deliver(**record);
  }
  check_memory(image, header, options, before);
  const RecoveryReport& report = (*recovery)->report();
  comparison.finish(report, refused);
  check_unreadable(image, header, report);
  check_reads(header, report, device.read_bytes());
  const auto again = (*recovery)->next();
  demand(again && !*again, "the end is not the end");
}

void recover_and_compare(const HostileImage& image, const Mode& mode, RecoveryOptions options,
                         const Expected& expected) {
  options.mode = mode.log;
  IdleHost host;
  ImageDevice device(image, expected.log_end);
  if (expected.error) {
    const auto recovery = Recovery::open(device, host, options);
    demand(!recovery, "opens what is no log");
    demand(recovery.error().code == *expected.error,
           fmt::format("says {} instead of {}", to_string(recovery.error().code),
                       to_string(*expected.error)));
    return;
  }
  if (expected.header->evidence) {
    EvidenceComparison comparison(image, mode, options, *expected.header);
    recover(image, device, options, *expected.header, comparison);
    return;
  }
  const auto naive =
      sim::naive_read(image.bytes, mode.naive, unreadable_offsets(image, *expected.header));
  demand(naive.has_value(), "the naive reader does not open what it has a header of");
  Comparison comparison(mode, *naive);
  recover(image, device, options, *expected.header, comparison);
}

}  // namespace

void check_recovery(const HostileImage& image) {
  const Expected expected = expected_headers(image);
  for (const Mode& mode : kModes) {
    RecoveryOptions options = image.options;
    recover_and_compare(image, mode, options, expected);
    options.salvage = true;
    if (expected.header && expected.header->evidence) {
      recover_and_compare(image, mode, options, expected);
    }
  }
  // Not what is large: there would be time for little else.
  if (image.frugal_mode >= kModes.size() || image.bytes.size() > (std::uint64_t{1} << 20U)) return;
  const RecoveryOptions frugal{.read_ahead_bytes = kBlockBytes, .reads_in_flight = 1};
  recover_and_compare(image, kModes.at(image.frugal_mode), frugal, expected);
}

}  // namespace seqwal::fuzz
