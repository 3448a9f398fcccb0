// What `seqwal append` reads from stdin: lines and frames, in pieces of any size, against a cut
// made with all bytes in hand.
//
// Input: lines or frames, and whether it is to stop at once (1 byte), the longest record (1), where
// the pieces end (1), then the stream.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include "fuzz/support/byte_reader.h"
#include "fuzz/support/fuzzer.h"
#include "fuzz/support/memory_meter.h"
#include "record_input.h"

namespace seqwal::fuzz {
namespace {

// Pieces of a packet pipe keep their borders; a pipe holds 16.
constexpr std::size_t kMostPieces = 8;
constexpr std::size_t kLongestPiece = 4096;
constexpr std::size_t kMostBytes = 4 * kLongestPiece;
// What it reads at once, twice, what the allocator adds, and an error text.
constexpr std::size_t kReadAhead = (std::size_t{2} << 20U) + (std::size_t{64} << 10U);

class Pipe {
 public:
  Pipe() { demand(::pipe2(ends_.data(), O_DIRECT | O_CLOEXEC) == 0, "no pipe"); }
  ~Pipe() {
    close_write_end();
    ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int read_end() const { return ends_[0]; }
  void write(std::span<const std::byte> piece) const {
    const auto written = ::write(ends_[1], piece.data(), piece.size());
    demand(written == static_cast<ssize_t>(piece.size()), "the pipe is full");
  }
  void close_write_end() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// Never to be read, or always.
int stop_fd(bool stops) {
  static const std::array fds{::eventfd(0, EFD_CLOEXEC), ::eventfd(1, EFD_CLOEXEC)};
  return fds.at(stops ? 1 : 0);
}

// Small ones, those of a few blocks, and what the format allows.
std::uint32_t longest_record(std::uint8_t most) {
  if (most < 192) return 1U + most;
  return most < 255 ? most * 64U : 134217704U;
}

struct Cut {
  std::vector<std::span<const std::byte>> records;
  bool fails = false;  // after them
};

Cut cut_lines(std::span<const std::byte> stream, std::size_t longest) {
  Cut cut;
  while (!stream.empty()) {
    const auto newline = std::ranges::find(stream, std::byte{'\n'});
    const bool whole = newline != stream.end();
    const auto length = static_cast<std::size_t>(newline - stream.begin()) + (whole ? 1 : 0);
    cut.fails = length > longest;
    if (cut.fails) break;
    cut.records.push_back(stream.first(length));
    stream = stream.subspan(length);
  }
  return cut;
}

Cut cut_frames(std::span<const std::byte> stream, std::size_t longest) {
  Cut cut;
  while (!stream.empty()) {
    ByteReader header(stream);
    const std::uint64_t length = header.number(4);
    cut.fails = stream.size() < 4 || length == 0 || length > longest || length > stream.size() - 4;
    if (cut.fails) break;
    cut.records.push_back(stream.subspan(4, length));
    stream = stream.subspan(4 + length);
  }
  return cut;
}

void write_pieces(Pipe& pipe, std::span<const std::byte> stream, std::uint8_t borders) {
  for (std::size_t i = 0; i < kMostPieces && !stream.empty() && borders != 0; ++i) {
    const std::size_t length = std::min<std::size_t>(stream.size(), 1 + borders * (i + 1) % 61);
    pipe.write(stream.first(length));
    stream = stream.subspan(length);
  }
  while (!stream.empty()) {
    const std::size_t length = std::min(stream.size(), kLongestPiece);
    pipe.write(stream.first(length));
    stream = stream.subspan(length);
  }
  pipe.close_write_end();
}

void check_input(tool::RecordInput& input, const Cut& cut) {
  for (const auto& wanted : cut.records) {
    const auto record = input.next();
    if (!record) broken(fmt::format("refuses a record: {}", record.error().text));
    demand(record->has_value(), "ends too early");
    demand(std::ranges::equal(**record, wanted), "gives another record");
  }
  const auto last = input.next();
  demand(last.has_value() != cut.fails, "refuses, or does not refuse, what comes last");
  if (last) {
    demand(!*last, "gives a record too many");
  } else {
    demand(last.error().exit == tool::Exit::usage && !last.error().text.empty(), "blames others");
  }
}

}  // namespace
}  // namespace seqwal::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seqwal;
  using namespace seqwal::fuzz;
  ByteReader reader(data, size);
  const std::uint8_t how = reader.u8();
  const std::uint8_t most = reader.u8();
  const std::uint8_t borders = reader.u8();
  const auto stream = reader.bytes(kMostBytes);
  const bool stops = how / 2 % 8 == 7;
  const std::uint32_t longest = longest_record(most);
  const auto framing = how % 2 == 0 ? tool::Framing::frames : tool::Framing::lines;
  Cut cut =
      framing == tool::Framing::lines ? cut_lines(stream, longest) : cut_frames(stream, longest);
  if (stops) cut = Cut{};

  Pipe pipe;
  write_pieces(pipe, stream, borders);
  restart_peak();
  const std::size_t before = allocated_bytes();
  tool::RecordInput input(pipe.read_end(), stop_fd(stops), framing, longest);
  check_input(input, cut);
  const std::size_t peak = peak_allocated_bytes() - before;
  demand(peak <= kReadAhead + 4 * stream.size(), fmt::format("takes {} bytes of memory", peak));
  return 0;
}
