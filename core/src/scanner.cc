#include "scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "seqwal/check.h"
#include "sync_io.h"

namespace seqwal {
namespace {

// Errors of single sectors. Anything else says that the device itself is in trouble.
bool is_medium_error(int os_error) {
  return os_error == EIO || os_error == EILSEQ || os_error == ENODATA;
}

std::unexpected<Error> cannot_read(int os_error, Offset offset) {
  return std::unexpected(Error{.code = ErrorCode::io_error,
                               .os_error = os_error,
                               .offset = offset,
                               .detail = "cannot read the log: check the device"});
}

// What there is to read at all.
std::int64_t blocks_between(Offset start, Offset end) {
  return std::max<std::int64_t>(round_up_to_block(end) - round_down_to_block(start), kBlockBytes);
}

std::uint32_t chunk_size(std::uint32_t read_ahead_bytes, std::uint32_t reads, std::uint32_t most,
                         std::int64_t all_bytes) {
  const std::int64_t even = std::min(read_ahead_bytes / std::max(reads, 1U), most);
  return std::max(static_cast<std::uint32_t>(round_down_to_block(std::min(even, all_bytes))),
                  kBlockBytes);
}

std::uint32_t chunk_count(std::uint32_t reads, std::uint32_t depth, std::int64_t all_bytes,
                          std::uint32_t chunk_bytes) {
  const std::int64_t all = (all_bytes + chunk_bytes - 1) / chunk_bytes;
  const std::uint32_t allowed = std::clamp(reads, 1U, depth);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(allowed, all));
}

}  // namespace

Scanner::Scanner(Device& device, const Geometry& geometry, Offset start, Offset end,
                 std::uint32_t read_ahead_bytes, std::uint32_t reads_in_flight)
    : device_(device),
      geometry_(geometry),
      end_(end),
      chunk_bytes_(chunk_size(read_ahead_bytes, reads_in_flight, device.limits().max_transfer_bytes,
                              blocks_between(start, end))),
      buffers_(chunk_count(reads_in_flight, device.limits().depth, blocks_between(start, end),
                           chunk_bytes_)),
      memory_(std::size_t{buffers_} * chunk_bytes_),
      next_read_(round_down_to_block(start)),
      bound_(end) {
  for (std::uint32_t i = buffers_; i-- > 0;) free_buffers_.push_back(i);
}

Scanner::~Scanner() { settle(); }

Result<std::optional<std::span<const std::byte>>> Scanner::view(Offset offset,
                                                                std::uint32_t length_bytes) {
  const Offset end = offset + length_bytes;
  SEQWAL_CHECK(end <= end_ && geometry_.left_in_cycle(offset) >= length_bytes);
  drop_before(offset);
  if (next_read_ < round_down_to_block(offset)) {
    next_read_ = round_down_to_block(offset);
    most_chunks_ = 1;
  }

  std::size_t assembled = 0;
  bool readable = true;
  for (Offset at = offset; at < end;) {
    issue_until(end);
    Chunk& chunk = chunks_.front();
    SEQWAL_CHECK(chunk.begin <= at && at < chunk.end);
    if (auto done = await(chunk); !done) return std::unexpected(done.error());
    chunk.used = true;

    const Offset upto = std::min(end, chunk.end);
    readable = readable && std::ranges::none_of(chunk.bad_blocks, [&](Offset bad) {
                 return bad < upto && bad + kBlockBytes > at;
               });
    const std::byte* bytes = bytes_of(chunk) + (at - chunk.begin);
    const auto count = static_cast<std::size_t>(upto - at);
    if (at == offset && upto == end) {
      if (!readable) return std::nullopt;
      return std::span(bytes, count);
    }
    assembled_.resize(std::max<std::size_t>(assembled_.size(), assembled + count));
    std::memcpy(assembled_.data() + assembled, bytes, count);
    assembled += count;
    at = upto;
    if (at < end) drop_before(at);
  }
  if (!readable) return std::nullopt;
  return std::span<const std::byte>(assembled_.data(), assembled);
}

// Chunks that lie wholly before `offset` give their buffers back. A read that nobody needs any more
// is waited for all the same: its buffer belongs to the device.
void Scanner::drop_before(Offset offset) {
  while (!chunks_.empty() && chunks_.front().end <= offset) {
    const Chunk& chunk = chunks_.front();
    wait_for(chunk);
    most_chunks_ = chunk.used ? std::min(most_chunks_ + 1, buffers_) : 1;
    free_buffers_.push_back(chunk.buffer);
    chunks_.pop_front();
  }
}

// Keeps reads in flight: up to `needed` in any case, beyond it as far as read-ahead may go.
void Scanner::issue_until(Offset needed) {
  const Offset limit = std::max(bound_, needed);
  while (next_read_ < std::min(limit, end_) && chunks_.size() < most_chunks_) {
    if (!issue_one(limit)) break;
  }
}

bool Scanner::issue_one(Offset limit) {
  const std::int64_t length =
      std::min({std::int64_t{chunk_bytes_}, geometry_.left_in_cycle(next_read_),
                round_up_to_block(std::min(end_, limit)) - next_read_});
  const std::uint32_t buffer = free_buffers_.back();
  const std::array segment{IoSegment{memory_.data() + std::size_t{buffer} * chunk_bytes_,
                                     static_cast<std::size_t>(length)}};
  const IoRequest request{.token = {buffer, ++generation_},
                          .kind = IoKind::read,
                          .durable = false,
                          .position = geometry_.position(next_read_),
                          .segments = segment};
  if (device_.submit(std::span(&request, 1)) == 0) return false;
  free_buffers_.pop_back();
  chunks_.push_back({.begin = next_read_,
                     .end = next_read_ + length,
                     .buffer = buffer,
                     .generation = generation_,
                     .done = false,
                     .os_error = 0,
                     .bad_blocks = {}});
  read_bytes_ += static_cast<std::uint64_t>(length);
  next_read_ = next_read_ + length;
  return true;
}

Result<void> Scanner::await(Chunk& chunk) {
  wait_for(chunk);
  if (chunk.os_error == 0) return {};
  if (!is_medium_error(chunk.os_error)) return cannot_read(chunk.os_error, chunk.begin);
  return salvage(chunk);
}

// Some block of the chunk cannot be read: finds out which, one by one.
Result<void> Scanner::salvage(Chunk& chunk) {
  settle();
  SyncIo io(device_);
  for (Offset at = chunk.begin; at < chunk.end; at = at + kBlockBytes) {
    std::byte* into = bytes_of(chunk) + (at - chunk.begin);
    read_bytes_ += kBlockBytes;
    const int os_error = io.read(geometry_.position(at), {into, kBlockBytes});
    if (os_error == 0) continue;
    if (!is_medium_error(os_error)) return cannot_read(os_error, at);
    chunk.bad_blocks.push_back(at);
    unreadable_.insert(at);
  }
  chunk.os_error = 0;
  return {};
}

Result<std::vector<Offset>> Scanner::peek(Offset begin, std::span<std::byte> into) {
  settle();
  std::vector<Offset> bad_blocks;
  const Offset end = begin + std::ssize(into);
  for (Offset at = begin; at < end;) {
    const std::span<std::byte> rest = into.subspan(static_cast<std::size_t>(at - begin));
    if (const Chunk* chunk = held(at)) {
      const auto count = static_cast<std::size_t>(std::min(chunk->end, end) - at);
      std::memcpy(rest.data(), bytes_of(*chunk) + (at - chunk->begin), count);
      std::ranges::copy_if(chunk->bad_blocks, std::back_inserter(bad_blocks),
                           [&](Offset bad) { return bad >= at && bad < end; });
      at = at + static_cast<std::int64_t>(count);
      continue;
    }
    // In one request, so that what is read before an error is counted.
    const Offset furthest = std::min(end, saturating_add(at, chunk_bytes_));
    Offset upto = at + kBlockBytes;
    while (upto < furthest && held(upto) == nullptr) upto = upto + kBlockBytes;
    const auto ok = read_aside(at, rest.first(static_cast<std::size_t>(upto - at)), bad_blocks);
    if (!ok) return std::unexpected(ok.error());
    at = upto;
  }
  return bad_blocks;
}

// The chunk that has this block, as far as it could be read.
const Scanner::Chunk* Scanner::held(Offset block) const {
  const auto chunk = std::ranges::find_if(chunks_, [&](const Chunk& candidate) {
    return candidate.begin <= block && block < candidate.end && candidate.os_error == 0;
  });
  return chunk == chunks_.end() ? nullptr : &*chunk;
}

Result<void> Scanner::read_aside(Offset begin, std::span<std::byte> into,
                                 std::vector<Offset>& bad_blocks) {
  SyncIo io(device_);
  read_bytes_ += into.size();
  const int os_error = io.read(geometry_.position(begin), into);
  if (os_error == 0) return {};
  if (!is_medium_error(os_error)) return cannot_read(os_error, begin);
  for (std::size_t at = 0; at < into.size(); at += kBlockBytes) {
    const Offset block = begin + static_cast<std::int64_t>(at);
    read_bytes_ += kBlockBytes;
    const int error = io.read(geometry_.position(block), into.subspan(at, kBlockBytes));
    if (error != 0 && !is_medium_error(error)) return cannot_read(error, block);
    if (error == 0) continue;
    bad_blocks.push_back(block);
    unreadable_.insert(block);
  }
  return {};
}

// Blocking reads must not meet completions of others.
void Scanner::settle() {
  for (const Chunk& chunk : chunks_) wait_for(chunk);
}

void Scanner::wait_for(const Chunk& chunk) {
  while (!chunk.done) {
    reap();
    if (!chunk.done) device_.wait(kNever);
  }
}

std::vector<OffsetRange> Scanner::unreadable() const {
  std::vector<OffsetRange> ranges;
  for (const Offset block : unreadable_) {
    if (ranges.empty() || ranges.back().end != block) ranges.push_back({block, block});
    ranges.back().end = block + kBlockBytes;
  }
  return ranges;
}

void Scanner::reap() {
  std::array<IoCompletion, 16> completions;
  const std::size_t count = device_.reap(completions);
  for (const IoCompletion& completion : std::span(completions).first(count)) {
    const auto chunk = std::ranges::find_if(chunks_, [&](const Chunk& candidate) {
      return !candidate.done && candidate.buffer == completion.token.slot &&
             candidate.generation == completion.token.generation;
    });
    SEQWAL_CHECK(chunk != chunks_.end());
    chunk->done = true;
    chunk->os_error = completion.os_error;
  }
}

}  // namespace seqwal
