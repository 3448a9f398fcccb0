// StreamStore: many streams of records over one log, each with a confirm offset.
//
// append(stream, record) gives the record its number in the stream. What a reader may see of a
// stream ends at confirm(stream): every record below it is durable. It never goes back and never
// passes a record that is not.
//
// The log calls back in the order of its offsets, hence for each stream in the order in which its
// records were appended. So a stream's confirm offset is the number of its last callback + 1:
// nothing is remembered of what came early, because nothing does.
//
// Threads: any. Callbacks of a stream come one at a time, wherever the log runs them, as long as
// the stream is their key.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "seqwal/log.h"

namespace stream_store {

class StreamStore {
 public:
  // Not owned; must outlive this, and be closed before it goes.
  explicit StreamStore(seqwal::Log& log) : log_(log) {}

  // The number of the record in its stream.
  [[nodiscard]] seqwal::Result<std::uint64_t> append(std::uint64_t stream,
                                                     std::span<const std::byte> record) {
    Stream& to = this->stream(stream);
    // Numbers and offsets of a stream go up together.
    const std::lock_guard lock(to.mutex);
    const auto offset = log_.append(
        record, [&to](const seqwal::AppendResult& told) { called(to, told); }, {.key = stream});
    if (!offset) return std::unexpected(offset.error());
    return to.next++;
  }

  // Records of the stream with a smaller number are durable.
  [[nodiscard]] std::uint64_t confirm(std::uint64_t stream) {
    return this->stream(stream).confirm.load(std::memory_order_acquire);
  }

 private:
  struct Stream {
    std::mutex mutex;
    std::uint64_t next = 0;
    std::atomic<std::uint64_t> confirm{0};
  };

  static void called(Stream& stream, const seqwal::AppendResult& told) {
    if (told.status == seqwal::AppendStatus::durable) {
      stream.confirm.fetch_add(1, std::memory_order_release);
    }
  }

  Stream& stream(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    auto& found = streams_[number];
    if (found == nullptr) found = std::make_unique<Stream>();
    return *found;
  }

  seqwal::Log& log_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::unique_ptr<Stream>> streams_;
};

// What the same store needs over a log that calls back as writes complete: the rest of this file.
// A log with ordered callbacks has no use for it.

// Which offsets in front of the first that is not durable are: a confirm offset for the whole log.
class ConfirmOffsetCalculator {
 public:
  // In the order of offsets, before the append can be called back.
  void appended(std::int64_t offset) {
    const std::lock_guard lock(mutex_);
    pending_.emplace(offset, false);
  }
  // In any order. Everything below the returned offset is durable.
  [[nodiscard]] std::int64_t durable(std::int64_t offset) {
    const std::lock_guard lock(mutex_);
    pending_[offset] = true;
    while (!pending_.empty() && pending_.begin()->second) {
      confirmed_ = pending_.begin()->first + 1;
      pending_.erase(pending_.begin());
    }
    return confirmed_;
  }

 private:
  std::mutex mutex_;
  std::map<std::int64_t, bool> pending_;  // grows with whatever overtakes the oldest write
  std::int64_t confirmed_ = 0;
};

// Callbacks of one stream, which arrive in any order, put back into the order of appending.
class CallbackSequencer {
 public:
  // In the order of appending.
  void before(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(number, false);
  }
  // Which records may be confirmed now, in order.
  [[nodiscard]] std::vector<std::uint64_t> after(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    waiting_[number] = true;
    std::vector<std::uint64_t> ready;
    while (!waiting_.empty() && waiting_.begin()->second) {
      ready.push_back(waiting_.begin()->first);
      waiting_.erase(waiting_.begin());
    }
    return ready;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, bool> waiting_;
};

}  // namespace stream_store
