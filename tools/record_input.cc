#include "record_input.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace seqwal::tool {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20U;
constexpr std::size_t kFrameHeaderBytes = 4;

std::unexpected<InputError> bad(std::string text) {
  return std::unexpected(InputError{.exit = Exit::usage, .text = std::move(text)});
}

}  // namespace

RecordInput::RecordInput(int fd, int stop_fd, Framing framing, std::uint32_t max_body_bytes)
    : fd_(fd), stop_fd_(stop_fd), framing_(framing), max_body_bytes_(max_body_bytes) {}

std::expected<RecordInput::Record, InputError> RecordInput::next() {
  auto record = framing_ == Framing::lines ? next_line() : next_frame();
  // What was cut off by the stop is neither a record nor wrong.
  if (stopped_) return Record();
  return record;
}

std::expected<RecordInput::Record, InputError> RecordInput::next_line() {
  while (true) {
    const std::byte* const unseen = buffer_.get() + begin_ + scanned_;
    const std::size_t unseen_bytes = available_bytes() - scanned_;
    const void* const newline =
        unseen_bytes == 0 ? nullptr : std::memchr(unseen, '\n', unseen_bytes);
    scanned_ = available_bytes();
    if (newline != nullptr) {
      scanned_ -= unseen_bytes;
      scanned_ += static_cast<std::size_t>(static_cast<const std::byte*>(newline) - unseen) + 1;
    }
    if (scanned_ > max_body_bytes_) {
      return bad(
          fmt::format("the line is longer than the {} bytes that this log takes", max_body_bytes_));
    }
    if (newline != nullptr) return take(scanned_);
    if (at_end_) return scanned_ == 0 ? Record() : take(scanned_);
    if (auto more = read_more(); !more) return std::unexpected(std::move(more.error()));
  }
}

std::expected<RecordInput::Record, InputError> RecordInput::next_frame() {
  const auto header = have(kFrameHeaderBytes);
  if (!header) return std::unexpected(header.error());
  if (!*header) {
    if (available_bytes() == 0) return Record();
    return bad(fmt::format("truncated frame: {} of the 4 bytes of its length", available_bytes()));
  }
  std::uint32_t length_bytes = 0;
  for (std::size_t i = 0; i < kFrameHeaderBytes; ++i) {
    length_bytes = length_bytes << 8U | std::to_integer<std::uint32_t>(buffer_[begin_ + i]);
  }
  if (length_bytes == 0) return bad("the frame is empty, a record has at least one byte");
  if (length_bytes > max_body_bytes_) {
    return bad(fmt::format("the frame is of {} bytes, longer than the {} that this log takes",
                           length_bytes, max_body_bytes_));
  }
  const auto body = have(kFrameHeaderBytes + length_bytes);
  if (!body) return std::unexpected(body.error());
  if (!*body) {
    return bad(fmt::format("truncated frame: {} of its {} bytes",
                           available_bytes() - kFrameHeaderBytes, length_bytes));
  }
  static_cast<void>(take(kFrameHeaderBytes));
  return take(length_bytes);
}

std::expected<bool, InputError> RecordInput::have(std::size_t bytes) {
  while (available_bytes() < bytes && !at_end_) {
    if (auto more = read_more(); !more) return std::unexpected(std::move(more.error()));
  }
  return available_bytes() >= bytes;
}

std::span<const std::byte> RecordInput::take(std::size_t bytes) {
  const std::span<const std::byte> taken(buffer_.get() + begin_, bytes);
  begin_ += bytes;
  scanned_ = 0;
  return taken;
}

// True: it is to stop. False: there is something to read, or an error, or the end.
bool RecordInput::stopped_while_waiting() const {
  std::array<pollfd, 2> fds{pollfd{.fd = fd_, .events = POLLIN, .revents = 0},
                            {.fd = stop_fd_, .events = POLLIN, .revents = 0}};
  while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  return fds[1].revents != 0;
}

std::expected<void, InputError> RecordInput::read_more() {
  make_room();
  while (true) {
    if (stopped_while_waiting()) {
      stopped_ = true;
      at_end_ = true;
      return {};
    }
    const ssize_t got = ::read(fd_, buffer_.get() + end_, kReadBytes);
    if (got >= 0) {
      end_ += static_cast<std::size_t>(got);
      at_end_ = got == 0;
      return {};
    }
    if (errno != EINTR && errno != EAGAIN) {
      return std::unexpected(InputError{
          .exit = Exit::failed, .text = fmt::format("cannot read: {}", std::strerror(errno))});
    }
  }
}

// Bytes are moved only when at least as many were given out, so that each moves about once.
void RecordInput::make_room() {
  const std::size_t kept_bytes = available_bytes();
  if (begin_ >= kept_bytes && begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, kept_bytes);
    begin_ = 0;
    end_ = kept_bytes;
  }
  if (capacity_bytes_ - end_ >= kReadBytes) return;
  const std::size_t limit_bytes = std::size_t{max_body_bytes_} + kFrameHeaderBytes + kReadBytes;
  const std::size_t wanted_bytes =
      std::max(kept_bytes + kReadBytes, std::min(2 * kept_bytes, limit_bytes) + kReadBytes);
  auto larger = std::make_unique_for_overwrite<std::byte[]>(wanted_bytes);
  if (kept_bytes > 0) std::memcpy(larger.get(), buffer_.get() + begin_, kept_bytes);
  buffer_ = std::move(larger);
  capacity_bytes_ = wanted_bytes;
  begin_ = 0;
  end_ = kept_bytes;
}

}  // namespace seqwal::tool
