// ParallelLog: the baseline. The model of AutoMQ's log before it acknowledged in order, built anew
// over the same Device and the same format, version 0: a yardstick, not a product.
//
// What it keeps of that model:
//   - one lock; appends go into the current block, which is sealed when it is full (256 KiB) or
//     handed off, and never grows afterwards;
//   - every append, and a tick each millisecond, tries to hand the oldest block off: it takes a
//     token, and with no token it leaves it; with no block the token is gone all the same. So
//     records share a block only while the limiter makes them wait;
//   - the tokens: the configured rate less 20 for headers, a tenth of a second's burst; the bytes
//     have a bucket of their own, waited for by whoever writes the block;
//   - eight writers, first come first served; one writes a block at a time, and its callbacks run
//     as soon as that block is written, whatever was appended before it;
//   - the window begins with 1 MiB and grows in steps of 4 MiB, while a writer waits for it.
// What it does differently: the writers are eight places in flight on the Device and not eight
// threads in system calls, since a Device has one owner. So a block costs no hand-over between
// threads, callbacks never run at the same time, and all of it runs in virtual time too.
//
// Threads: append, trim and close from any; poll from one, which owns the device. Failures: the
// first failed write ends it, what is left is called back as rejected.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <span>

#include "bench/baseline/block.h"
#include "bench/baseline/token_bucket.h"
#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/evidence.h"
#include "seqwal/format.h"
#include "seqwal/geometry.h"
#include "seqwal/host.h"
#include "seqwal/log.h"
#include "seqwal/recovery.h"

namespace seqwal::bench {

class ParallelLog {
 public:
  static constexpr std::size_t kWriters = 8;

  struct Options {
    Durability durability = Durability::automatic;
    std::uint64_t writes_per_second = 0;  // 0 = no limit
    std::uint64_t bytes_per_second = 0;   // 0 = no limit
  };

  // Reads the headers, discards what the log holds, and begins anew behind it; durable when this
  // returns. Neither device nor host is owned. Precondition: the device takes kWriters + 1
  // requests.
  [[nodiscard]] static Result<std::unique_ptr<ParallelLog>> open(Device& device, Host& host,
                                                                 const Options& options);
  ~ParallelLog();
  ParallelLog(const ParallelLog&) = delete;
  ParallelLog& operator=(const ParallelLog&) = delete;

  // The body stays the caller's, unchanged, until its callback. Errors: bad_length, over_capacity,
  // log_closed, log_failed.
  [[nodiscard]] Result<Offset> append(std::span<const std::byte> body, AppendCallback callback);
  // Discards what begins at or below `offset`. Errors: not_durable, log_closed, log_failed.
  [[nodiscard]] Result<void> trim(Offset offset);
  // Every record that begins below it is written.
  [[nodiscard]] Offset durable() const;
  void close();

  // As those of Log.
  [[nodiscard]] Nanoseconds poll(Nanoseconds now);
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  // A block on its way to the device.
  struct Writer {
    bool busy = false;
    bool in_flight = false;
    Nanoseconds not_before = 0;  // when there are tokens for its bytes
    Block block;
    BlockImage image;
    std::size_t written_bytes = 0;
  };
  static constexpr std::uint32_t kHeaderSlot = kWriters;

  ParallelLog(Device& device, Host& host, const Options& options, const HeaderState& found);

  // --- under the lock
  [[nodiscard]] Result<Offset> add_locked(std::span<const std::byte> body,
                                          AppendCallback&& callback);
  [[nodiscard]] bool begin_block_locked(std::int64_t record_bytes);
  void hand_off_locked(Nanoseconds now, bool is_limited);
  [[nodiscard]] std::int64_t confirmed_locked() const;

  // --- the polling thread's
  void reap(Nanoseconds now);
  void tick(Nanoseconds now);
  void start_writers(Nanoseconds now);
  [[nodiscard]] bool window_allows(const Block& block);
  void write_on(Writer& writer, Nanoseconds now);
  void written(Writer& writer, int os_error);
  void write_header();
  void submit(const IoRequest& request);
  static void call_back(Block& block, AppendStatus status);
  void fail();
  void finish_close();
  [[nodiscard]] Nanoseconds next_deadline(Nanoseconds now);

  Device& device_;
  Host& host_;
  const Geometry geometry_;
  const bool durable_writes_;
  const Nanoseconds tick_every_;

  // The lock, and what it guards.
  mutable std::mutex mutex_;
  TokenBucket writes_;
  Block current_;
  std::deque<Block> sealed_;             // wait to be handed off
  std::deque<Block> handed_off_;         // wait for a writer
  std::multiset<std::int64_t> writing_;  // where the blocks begin that are handed off
  std::int64_t confirmed_ = 0;           // everything that begins below it is written
  std::int64_t trim_ = -1;               // asked for
  std::int64_t flushed_trim_ = -1;       // stands in a header
  bool closing_ = false;
  bool failed_ = false;

  // The polling thread's own.
  TokenBucket blocks_;
  std::array<Writer, kWriters> writers_;
  WalHeader header_;  // as last submitted
  BlockImage header_image_;
  std::uint32_t header_position_ = 0;  // which slot is written next
  bool header_in_flight_ = false;
  bool header_wanted_ = false;
  std::int64_t window_bytes_ = 0;  // that a header holds
  Nanoseconds next_tick_ = 0;
  std::uint64_t poller_ = 0;
  bool finished_ = false;
};

}  // namespace seqwal::bench
