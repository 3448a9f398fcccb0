// What the oracle says of what goes to the disk.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "oracle_bytes.h"
#include "seqwal/sim/oracle.h"

namespace seqwal::sim {

// --- what goes to the disk --------------------------------------------------------------------

void Oracle::on_write_submitted(const DiskWrite& write) {
  if (!listening_ || capacity_ == 0) return;
  if (write.position < 8192) {
    check_header_write(write);
    ++header_writes_in_flight_;
  } else if (!tainted_) {
    check_block_write(write);
  }
}

// What both slots hold whatever happens, as this process can know it.
NaiveHeaders Oracle::durable_headers() {
  NaiveHeaders headers;
  for (std::size_t i = 0; i < 2; ++i) {
    if (slot_unreadable_.at(i) || disk_.is_unreadable(i * 4096, 4096)) continue;
    headers.slots.at(i) = durable_slots_.at(i).read(std::span(disk_.stable()).subspan(i * 4096));
  }
  headers.current = naive_current(headers);
  return headers;
}

const std::optional<NaiveHeader>& Oracle::SlotReader::read(std::span<const std::byte> slot) {
  const auto bytes = slot.first(seen_.size());
  if (!same(bytes, seen_)) {
    std::ranges::copy(bytes, seen_.begin());
    header_ = naive_header(bytes);
  }
  return header_;
}

void Oracle::check_header_write(const DiskWrite& write) {
  if (tainted_) return;
  const auto wrong = [&](std::string what) {
    violate(Invariant::i10_always_a_valid_header, std::move(what));
  };
  if (write.bytes.size() != 4096 || write.position % 4096 != 0) {
    wrong("a header write is not one slot");
    return;
  }
  if (header_writes_in_flight_ > 0) {
    wrong("two header writes in flight");
    return;
  }
  const auto added = naive_header(write.bytes);
  if (!added || added->capacity != capacity_) {
    wrong("what is written is no header of this log");
    return;
  }
  check_header_evidence(write, *added);
  const std::size_t target = write.position / 4096;
  const NaiveHeaders stable = durable_headers();
  const auto& other = stable.slots.at(1 - target);
  // Which one is newer is judged by what can be read: what a failed write left in the cache is seen
  // by everybody, and on the media by nobody.
  const NaiveHeaders seen = naive_headers(disk_.visible());
  const auto& old = seen.slots.at(target);
  const bool could_not_be_read =
      slot_unreadable_.at(target) || disk_.is_unreadable(target * 4096, 4096) ||
      std::ranges::find(read_errors_, target * 4096) != read_errors_.end();
  const bool as_it_is = same(write.bytes.first(56), disk_.visible().subspan(write.position, 56));
  if (as_it_is && other) return;  // so that it is on the media for sure
  if (!could_not_be_read && old && seen.slots.at(1 - target) &&
      old->stamp > seen.slots.at(1 - target)->stamp) {
    wrong("the newer of two valid headers is being overwritten");
  }
  // Nor the one that a crash would leave as the newer, whatever stands in a cache.
  const auto& durable_old = stable.slots.at(target);
  if (!could_not_be_read && durable_old && other && durable_old->stamp > other->stamp) {
    wrong("the newer of the two headers on the media is being overwritten");
  }
  if (!other) {
    wrong("the only valid header is being overwritten");
  } else if (added->stamp <= other->stamp) {
    wrong("the stamp does not grow");
  } else if (added->trim < other->trim) {
    wrong("the trim offset goes backwards");
  } else if (running_ && added->graceful && next_called_ != records_.size()) {
    wrong("it says graceful, and records are in flight");
  }
}

// Behind the header stands evidence that is true, or nothing where there was none; then zeroes.
void Oracle::check_header_evidence(const DiskWrite& write, const NaiveHeader& added) {
  const auto wrong = [&](std::string what) {
    violate(Invariant::i20_bytes_are_a_function_of_inputs, std::move(what));
  };
  if (!is_zero(write.bytes.subspan(added.evidence ? 120 : 56)))
    wrong("a header's tail is not zero");
  // So that what stands there is on the media for sure.
  if (same(write.bytes.first(56), disk_.visible().subspan(write.position, 56))) return;
  if (!added.evidence) {
    if (running_) wrong("a header without evidence");
    return;
  }
  if (added.evidence->incarnation < incarnation_) wrong("the incarnation goes backwards");
  if (running_ && added.evidence->incarnation != incarnation_) wrong("the incarnation changes");
  const std::int64_t durable = durable_end();
  if (running_ && added.evidence->watermark > durable) {
    wrong(fmt::format("the watermark says {}, durable is {}", added.evidence->watermark, durable));
  }
}

// The first offset that recovery still needs: it starts by parsing a record that stands at the trim
// offset. Where none does, what follows a trim offset before a boundary begins at the boundary.
std::int64_t Oracle::keep(std::int64_t trim) const {
  const bool before_boundary = (trim + 1) % kBlock == 0;
  return before_boundary && find(trim) == nullptr ? trim + 1 : trim / kBlock * kBlock;
}

// Each block of offsets is written once in a life, within the space and the window that the
// headers on the media allow.
void Oracle::check_block_write(const DiskWrite& write) {
  if (write.position + write.bytes.size() > capacity_) {
    violate(Invariant::i9_no_write_into_kept_space, "a write goes beyond the log's end");
    return;
  }
  if (resuming_) {
    check_resume_write(write);
    return;
  }
  const NaiveHeaders stable = durable_headers();
  if (!running_ || !stable.slots[0] || !stable.slots[1]) {
    violate(Invariant::i9_no_write_into_kept_space, "a block write before a reset is durable");
    return;
  }
  const std::int64_t first = keep(std::min(stable.slots[0]->trim, stable.slots[1]->trim));
  const auto at = static_cast<std::int64_t>(write.position) - 8192;
  // The one offset in [first, first + section) that stands there.
  const std::int64_t offset =
      first + ((at - first % section()) % section() + section()) % section();
  const std::int64_t end = offset + std::ssize(write.bytes);
  if (offset < life_start_ || end > first + section()) {
    violate(Invariant::i9_no_write_into_kept_space,
            fmt::format("a write at {} of {} bytes, kept from {} on", offset, write.bytes.size(),
                        first));
    return;
  }
  for (std::int64_t block = offset; block < end; block += kBlock) {
    const auto index = static_cast<std::size_t>((block - life_start_) / kBlock);
    if (index >= written_.size()) written_.resize(index + 64);
    if (written_[index]) {
      violate(Invariant::i9_no_write_into_kept_space,
              fmt::format("offset {} is written twice", block));
      return;
    }
    written_[index] = true;
  }
  const std::int64_t window = std::min(stable.slots[0]->window, stable.slots[1]->window);
  // A gap that is trimmed does not count: recovery starts behind the trim offset.
  const std::int64_t start =
      std::max(round_up(durable_end()),
               std::min(std::min(stable.slots[0]->trim, stable.slots[1]->trim) + 1, offset));
  if (end - start > window) {
    violate(
        Invariant::i18_window_within_the_header,
        fmt::format("a write up to {}, durable up to {}, the window is {}", end, start, window));
  }
}

// A resume changes no byte of what it keeps.
void Oracle::check_resume_write(const DiskWrite& write) {
  for (const std::int64_t offset : recovered_) {
    const Record* record = find(offset);
    if (record == nullptr) return;
    const std::uint64_t begin = position(offset);
    const std::uint64_t from = std::max(begin, write.position);
    const std::uint64_t to =
        std::min(begin + kRecordHeader + record->body.size(), write.position + write.bytes.size());
    if (from >= to) continue;
    if (!same(write.bytes.subspan(from - write.position, to - from),
              disk_.visible().subspan(from, to - from))) {
      violate(Invariant::i9_no_write_into_kept_space,
              fmt::format("resume changes the record at {}", offset));
      return;
    }
  }
}

void Oracle::on_write_completed(const DiskWrite& write, int os_error) {
  if (!listening_ || write.position >= 8192) return;
  if (header_writes_in_flight_ > 0) --header_writes_in_flight_;
  if (os_error == 0) slot_unreadable_.at(write.position / 4096) = false;
}

void Oracle::on_read_submitted(std::uint64_t position, std::uint64_t length) {
  if (!listening_ || capacity_ == 0 || position + length <= capacity_) return;
  violate(Invariant::i11_recovery_reads_within_bounds,
          fmt::format("a read of {} bytes at {}, the log ends at {}", length, position, capacity_));
}

void Oracle::on_read_failed(std::uint64_t position, std::uint64_t /*length*/) {
  read_errors_.push_back(position);
}

void Oracle::on_fault(Fault fault, std::uint64_t /*position*/) {
  if (info(fault).fault_class == FaultClass::best_effort) tainted_ = true;
  if (fault == Fault::stale_read) stale_reads_ = true;
}

void Oracle::on_misuse(const char* what, std::uint64_t position) {
  violate(Invariant::i19_buffers_left_alone, fmt::format("{} (position {})", what, position));
}

}  // namespace seqwal::sim
