// Oracle: what the log promised, held against what the disk and the callbacks show, at every event.
//
// It knows what clients appended and were told, sees every request on its way to the disk, and
// looks at the media itself. What recovery must deliver comes from the naive reader. It never asks
// the log what the log believes.
//
// Each check names its invariant (docs/testing.md has the list). The first violation stays.
#ifndef SEQWAL_SIM_ORACLE_H
#define SEQWAL_SIM_ORACLE_H

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqwal/error.h"
#include "seqwal/log.h"
#include "seqwal/recovery.h"
#include "seqwal/sim/disk.h"
#include "seqwal/sim/naive_reader.h"
#include "seqwal/types.h"

namespace seqwal::sim {

// By the numbers of docs/testing.md.
enum class Invariant : std::uint8_t {
  i1_acknowledged_is_recovered = 1,
  i2_recovery_follows_the_rules = 2,
  i3_nothing_foreign = 3,
  i4_trimmed_stays_trimmed = 4,
  i5_callbacks_in_order = 5,
  i6_exactly_one_callback = 6,
  i7_durable_before_acknowledged = 7,
  i8_offsets_never_repeat = 8,
  i9_no_write_into_kept_space = 9,
  i10_always_a_valid_header = 10,
  i11_recovery_reads_within_bounds = 11,
  i12_recovery_repeats_and_writes_nothing = 12,
  i14_damage_is_reported = 14,
  i15_nothing_succeeds_after_failure = 15,
  i16_everything_resolves = 16,
  i17_one_owner = 17,
  i18_window_within_the_header = 18,
  i19_buffers_left_alone = 19,
  i20_bytes_are_a_function_of_inputs = 20,
};
// "I7: durable before acknowledged"
[[nodiscard]] std::string_view to_string(Invariant invariant);

struct Violation {
  Invariant invariant{};
  std::string what;
};

class Oracle final : public DiskObserver {
 public:
  explicit Oracle(Disk& disk) : disk_(disk) {}

  void violate(Invariant invariant, std::string what);
  [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
  // From now on nobody listens to what the log does: its process is dead.
  void stop_listening() { listening_ = false; }

  // Callbacks run on an executor, some time after their records are durable.
  void expect_late_callbacks() { callbacks_are_late_ = true; }

  // --- what the process does, in the order of its life
  void process_begins();
  void create_begins();
  // Offsets begin at `origin`.
  void create_done(std::uint64_t capacity_bytes, std::int64_t origin);
  // The headers that whoever reads says it found.
  void opened(const HeaderState& headers);
  // It could not be opened: must be so.
  void refused_to_open(const Error& error);
  void recovery_begins();
  void recovered(const RecoveredRecord& record);
  void recovery_done(const RecoveryReport& report, RecoveryMode mode);
  // It ended because durable records are lost: must be so.
  void recovery_refused(const Error& error);
  void trim_offline_begins(Offset offset);
  void reset_begins();
  void reset_done(Offset start);
  // Goes on behind what was recovered last.
  void resume_begins();
  void resume_done(Offset end);
  // The headers were rewritten without evidence: what block writes say counts for nothing.
  void evidence_is_gone();
  // So it went on: it reset the log, and left these. Acknowledged are some of them, in any order.
  struct ForeignRecord {
    std::int64_t offset = 0;
    std::span<const std::byte> body;
    bool acknowledged = false;
  };
  void foreign_life(std::int64_t start, std::int64_t trim, std::span<const ForeignRecord> records);
  // Records behind a hole may be acknowledged, it said: there must be some, and no evidence.
  void resume_refused();
  // With callbacks on several workers `key` is what order is promised for, else always 0.
  void appended(Offset offset, std::span<const std::byte> body, std::uint64_t key = 0);
  // Somebody appends this and is told the offset only with the outcome, in a coroutine. It was
  // refused: as if it had never been.
  void awaits(std::span<const std::byte> body, std::uint64_t key = 0);
  void await_refused();
  // An executor takes the callback of this record, in the order of offsets. Where it was not known,
  // it is what has been awaited for longest.
  void handed_on(Offset offset);
  // The coroutine that appended this goes on and is told the offset; then called(). Without an
  // executor it is the one that has waited for longest, and now the offset is known.
  void awaited(Offset offset, std::span<const std::byte> body);
  void called(Offset offset, AppendStatus status);
  void log_failed(Offset offset);
  // Somebody was told that the record is durable, by another way than its callback.
  void told_durable(Offset offset);
  // It waits for nothing any more: nobody may wait for it.
  void gave_up();
  void trim_begins(Offset offset);
  void trim_done(Offset asked, const Result<Offset>& result);
  // Every callback ran that will ever run.
  void closed(bool graceful);
  // All appends were answered, and then nobody appended for more than a second.
  void silent_for_long();

  // --- what a workload may pick from
  [[nodiscard]] std::size_t appended_in_life() const { return records_.size() - life_first_; }
  [[nodiscard]] std::size_t acknowledged_in_life() const { return acknowledged_; }
  // The i-th record of this life that has been acknowledged.
  [[nodiscard]] Offset acknowledged_offset(std::size_t index) const {
    return {records_[life_first_ + index].offset};
  }
  [[nodiscard]] bool has_record(Offset offset) const { return find(offset.value) != nullptr; }
  // The record of this life that was appended last.
  [[nodiscard]] std::optional<Offset> newest_in_life() const {
    if (appended_in_life() == 0) return std::nullopt;
    return Offset{records_.back().offset};
  }
  [[nodiscard]] Offset trim_asked() const { return trim_asked_; }
  [[nodiscard]] const std::vector<std::int64_t>& last_recovered() const { return recovered_; }
  // Offsets that were acknowledged, or that a resume kept, in [first, second).
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> precious() const;
  // Somebody damaged the disk at rest, and this is what recovery made of it.
  enum class Injury : std::uint8_t { harmless, alarm, detected, silent, revived };
  void measure_watermark();
  // How the life before ended. Where not abruptly, all damage is told.
  enum class Ended : std::uint8_t { abruptly, silent, closed };
  [[nodiscard]] Ended ended() const { return ended_; }
  [[nodiscard]] Injury judge_injury(const Result<RecoveryReport>& result, bool hits_header,
                                    bool is_stale);
  // A reset or resume has begun, and nobody knows whether it was done.
  [[nodiscard]] bool between_timelines() const { return resetting_ || resuming_; }
  void forget_read_errors() { read_errors_.clear(); }
  // Appends have gone past the end of the section since the last reset.
  [[nodiscard]] bool wrapped() const;
  [[nodiscard]] bool header_in_flight() const { return header_writes_in_flight_ > 0; }
  [[nodiscard]] bool created() const { return capacity_ != 0; }
  // A disk that lied leaves nothing that could be demanded but: nothing foreign, no crash.
  [[nodiscard]] bool tainted() const { return tainted_; }

  // --- DiskObserver
  void on_write_submitted(const DiskWrite& write) override;
  void on_write_completed(const DiskWrite& write, int os_error) override;
  void on_read_submitted(std::uint64_t position, std::uint64_t length) override;
  void on_read_failed(std::uint64_t position, std::uint64_t length) override;
  void on_fault(Fault fault, std::uint64_t position) override;
  void on_misuse(const char* what, std::uint64_t position) override;

 private:
  enum class Told : std::uint8_t { nothing, durable, rejected, indeterminate };
  struct Record {
    std::int64_t offset = 0;
    std::span<const std::byte> body;
    std::uint64_t key = 0;
    Told told = Told::nothing;
  };

  static constexpr std::int64_t kNowhere = -1;  // of a record whose offset nobody ever knew
  // An append whose offset nobody was told yet.
  struct Awaited {
    std::span<const std::byte> body;
    std::uint64_t key = 0;
    std::size_t before = 0;  // so many of records_ were appended before it
  };
  using AwaitedIterator = std::vector<Awaited>::iterator;

  // Reads a header slot only where it is not what it was: every write asks.
  class SlotReader {
   public:
    [[nodiscard]] const std::optional<NaiveHeader>& read(std::span<const std::byte> slot);

   private:
    std::array<std::byte, 120> seen_{};  // header and evidence
    std::optional<NaiveHeader> header_;
  };

  [[nodiscard]] std::int64_t section() const { return static_cast<std::int64_t>(capacity_) - 8192; }
  [[nodiscard]] std::uint64_t position(std::int64_t offset) const {
    return static_cast<std::uint64_t>(offset % section()) + 8192;
  }
  [[nodiscard]] std::span<const std::byte> recovered_body(std::size_t index) const;
  [[nodiscard]] NaiveHeaders durable_headers();
  [[nodiscard]] bool check_plain_rules(NaiveMode mode);
  void check_contiguous();
  void check_header_evidence(const DiskWrite& write, const NaiveHeader& added);
  void check_lineage(const char* who, std::int64_t watermark);
  void check_resume_write(const DiskWrite& write);
  void check_header_write(const DiskWrite& write);
  void check_block_write(const DiskWrite& write);
  [[nodiscard]] Record* due(Offset offset);
  [[nodiscard]] bool fits(const Awaited& awaited, std::int64_t offset) const;
  void forget_awaited();
  [[nodiscard]] bool was_given_up(std::int64_t offset, std::span<const std::byte> body) const;
  void place(AwaitedIterator awaited, std::int64_t offset);
  void place_awaited(std::int64_t offset, std::span<const std::byte> body);
  void check_status(const Record& record);
  void note_acknowledged();
  void check_durable(const Record& record);
  [[nodiscard]] bool is_durable(const Record& record) const;
  bool place_durable(std::int64_t end);
  [[nodiscard]] std::int64_t durable_end();
  void check_fill(std::int64_t begin, std::int64_t next);
  void check_against_naive(const RecoveryReport& report, RecoveryMode mode);
  void check_acknowledged(const RecoveryReport& report, RecoveryMode mode);
  [[nodiscard]] std::int64_t first_hurt(const RecoveryReport& report) const;
  [[nodiscard]] std::int64_t keep(std::int64_t trim) const;
  [[nodiscard]] const Record* find(std::int64_t offset) const;
  [[nodiscard]] const Record* find_in_life(std::int64_t offset) const;
  [[nodiscard]] bool was_appended(std::int64_t offset, std::span<const std::byte> body) const;

  Disk& disk_;
  bool listening_ = true;
  bool callbacks_are_late_ = false;
  bool tainted_ = false;
  std::optional<Violation> violation_;

  std::uint64_t capacity_ = 0;     // 0: no log was created yet
  std::vector<Record> records_;    // of all lives, in the order of appending
  std::vector<Awaited> awaited_;   // in the order of appending
  std::vector<Record> former_;     // of logs that stood here before this one was created
  std::size_t life_first_ = 0;     // index of the first record of this life
  std::size_t next_called_ = 0;    // index of the next record whose callback is due
  std::size_t acknowledged_ = 0;   // in this life: all that are, are among so many
  std::size_t durable_index_ = 0;  // records before it were seen on the media
  std::int64_t lowest_failed_ = std::numeric_limits<std::int64_t>::max();  // called back so
  std::int64_t highest_durable_ = -1;                                      // of this life
  std::int64_t life_start_ = 0;
  std::int64_t highest_offset_ = -1;  // ever given
  std::int64_t last_end_ = 0;        // of the last acknowledged record of this life, else its start
  Offset trim_asked_ = kNoOffset;    // the highest
  Offset trim_durable_ = kNoOffset;  // the highest that was answered
  bool resetting_ = false;
  bool resuming_ = false;
  bool has_evidence_ = false;
  std::int64_t excused_from_ = std::numeric_limits<std::int64_t>::max();  // by failed reads
  std::int64_t resumed_at_ = -1;                                          // where this life went on
  std::uint32_t incarnation_ = 0;         // the greatest that stood in a header
  std::int64_t greatest_watermark_ = -1;  // on the disk, when it was measured
  Ended ended_ = Ended::abruptly;
  bool running_ = false;
  bool failed_ = false;
  Offset failed_at_ = kNoOffset;
  std::vector<bool> written_;  // blocks of this life, from its start
  int header_writes_in_flight_ = 0;
  std::uint64_t writes_before_recovery_ = 0;
  std::uint64_t read_before_recovery_ = 0;
  std::vector<std::int64_t> recovered_;
  std::vector<std::size_t> recovered_ends_;  // of their bodies, in
  std::vector<std::byte> recovered_bytes_;   // this
  std::vector<std::uint64_t> read_errors_;   // positions where a read failed in this process
  bool stale_reads_ = false;
  std::array<bool, 2> slot_unreadable_{};  // for this process, until it writes it
  std::array<SlotReader, 2> durable_slots_;
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_ORACLE_H
