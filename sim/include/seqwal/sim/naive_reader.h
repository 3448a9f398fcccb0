// NaiveReader: a second reading of docs/format.md, for the oracle. It shares no code with the log
// (no header of seqwal is included, the checksum is ISA-L's) and looks at a whole image in memory.
//
// The tests hold it against a third one that is slower and even simpler, on arbitrary images.
#ifndef SEQWAL_SIM_NAIVE_READER_H
#define SEQWAL_SIM_NAIVE_READER_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace seqwal::sim {

// What stands behind a header in its slot.
struct NaiveHeaderEvidence {
  std::uint64_t log_id = 0;
  std::uint32_t incarnation = 0;
  std::uint32_t flags = 0;
  std::int64_t watermark = -1;
};

struct NaiveHeader {
  int version = 0;
  std::uint64_t capacity = 0;
  std::int64_t trim = -1;
  std::int64_t stamp = 0;
  std::int64_t window = 0;
  bool graceful = false;
  std::int32_t node = 0;
  std::int64_t epoch = 0;
  std::optional<NaiveHeaderEvidence> evidence = {};
};

// What stands in a header slot, unless it is invalid.
[[nodiscard]] std::optional<NaiveHeader> naive_header(std::span<const std::byte> slot);

// Both slots of an image, and which one counts.
struct NaiveHeaders {
  std::array<std::optional<NaiveHeader>, 2> slots;
  std::optional<std::size_t> current;
};
[[nodiscard]] NaiveHeaders naive_headers(std::span<const std::byte> image);
// Which of the slots counts.
[[nodiscard]] std::optional<std::size_t> naive_current(const NaiveHeaders& headers);

// What stands at the end of a block of 4096 bytes, wherever that is.
struct NaiveBlockEvidence {
  std::uint64_t log_id = 0;
  std::uint32_t incarnation = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t records_end = 0;
  std::int64_t previous_end = -1;
  std::int64_t watermark = -1;
  std::int64_t trim = -1;
};
[[nodiscard]] std::optional<NaiveBlockEvidence> naive_block_evidence(
    std::span<const std::byte> block);

enum class NaiveMode : std::uint8_t { standard, strict, prefix };

struct NaiveRecord {
  std::int64_t offset = 0;
  std::span<const std::byte> body;  // in the image
};

struct NaiveReading {
  NaiveHeader header;
  std::vector<NaiveRecord> records;
  std::int64_t end = 0;  // of the last of them, else the first offset after the trim offset
  // By the rules of evidence: where a contiguous reading ended before all was read.
  std::optional<std::int64_t> stopped_at = {};
};

// What could not be read, where a disk is hurt: logical offsets, because the block that holds the
// trimmed record is read twice, as the first one and as the last.
struct NaiveUnreadable {
  std::array<bool, 2> slots{};
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges = {};  // [begin, end)
};

// Whether evidence is looked at, where the log has some.
enum class NaiveRules : std::uint8_t {
  plain,     // no: as AutoMQ's reader does
  evidence,  // yes: contiguous readings cross what is no record only where evidence says so. What
             // is damage is not asked: what cannot be crossed is the end
};

// Nothing when the image holds no log of its length. The image must live as long as the reading.
[[nodiscard]] std::optional<NaiveReading> naive_read(std::span<const std::byte> image,
                                                     NaiveMode mode,
                                                     const NaiveUnreadable& unreadable = {},
                                                     NaiveRules rules = NaiveRules::plain);

// The record that stands at this offset, by its own bytes alone.
[[nodiscard]] std::optional<NaiveRecord> naive_record(std::span<const std::byte> image,
                                                      std::int64_t offset,
                                                      const NaiveUnreadable& unreadable = {});

// What the evidence of an image says was durable; -1: nothing says so.
struct NaiveTestimony {
  std::int64_t header = -1;    // by its headers
  std::int64_t greatest = -1;  // by anything that stands in it, wherever
};
[[nodiscard]] NaiveTestimony naive_testimony(std::span<const std::byte> image,
                                             const NaiveUnreadable& unreadable = {});

// Whether the block write that holds `offset` is of an older timeline than the header, by its own
// evidence.
[[nodiscard]] bool naive_is_older(std::span<const std::byte> image, std::int64_t offset,
                                  const NaiveUnreadable& unreadable = {});

// The checksum as the format stores it.
[[nodiscard]] std::uint32_t naive_checksum(std::span<const std::byte> bytes);

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_NAIVE_READER_H
