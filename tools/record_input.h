// RecordInput: cuts a stream of bytes into records, as lines or as frames.
//
//   lines   a record is a line with its newline; the last one may lack it
//   frames  a record is a 4-byte big-endian length and that many bytes
//
// Gives a record as soon as it is there: a slow stream is never waited for with a record in hand.
// Memory: about twice the longest record that came, at most twice `max_body_bytes`, whatever a
// frame claims.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cli.h"

namespace seqwal::tool {

enum class Framing : std::uint8_t { lines, frames };

// Why there is no further record. The stream is of no more use.
struct InputError {
  Exit exit = Exit::usage;
  std::string text;  // what is wrong with it, for people
};

class RecordInput {
 public:
  // The stream ends early once `stop_fd` can be read, also while it is being waited for.
  RecordInput(int fd, int stop_fd, Framing framing, std::uint32_t max_body_bytes);

  using Record = std::optional<std::span<const std::byte>>;

  // The next record (1..max_body_bytes, valid until the next call) or nothing at the end.
  [[nodiscard]] std::expected<Record, InputError> next();

 private:
  [[nodiscard]] std::expected<Record, InputError> next_line();
  [[nodiscard]] std::expected<Record, InputError> next_frame();
  [[nodiscard]] std::expected<void, InputError> read_more();
  [[nodiscard]] bool stopped_while_waiting() const;
  // True once that many bytes are there, false at the end of the stream.
  [[nodiscard]] std::expected<bool, InputError> have(std::size_t bytes);
  void make_room();
  [[nodiscard]] std::size_t available_bytes() const { return end_ - begin_; }
  [[nodiscard]] std::span<const std::byte> take(std::size_t bytes);

  const int fd_;
  const int stop_fd_;
  const Framing framing_;
  const std::uint32_t max_body_bytes_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_bytes_ = 0;
  std::size_t begin_ = 0;  // of what was read and not yet given out
  std::size_t end_ = 0;
  std::size_t scanned_ = 0;  // bytes from begin_ that hold no newline
  bool at_end_ = false;
  bool stopped_ = false;
};

}  // namespace seqwal::tool
