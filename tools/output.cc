#include "output.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace seqwal::tool {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;

}  // namespace

int write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody made the terminal or pipe that we share non-blocking.
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      static_cast<void>(::poll(&ready, 1, -1));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

Stdout::Stdout() { buffer_.reserve(kBufferBytes); }

void Stdout::write(std::span<const std::byte> bytes) {
  if (bytes.size() > kBufferBytes - buffer_.size()) flush();
  if (failed()) return;
  if (bytes.size() >= kBufferBytes) {
    os_error_ = write_all(STDOUT_FILENO, bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void Stdout::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void Stdout::write_line(const nlohmann::ordered_json& object) {
  write(object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void Stdout::flush() {
  if (!failed()) os_error_ = write_all(STDOUT_FILENO, buffer_);
  buffer_.clear();
}

Exit Stdout::finish(Exit exit) {
  flush();
  return failed() ? explain_stdout_error(os_error_) : exit;
}

Exit explain_stdout_error(int os_error) {
  diagnose("cannot write", "standard output",
           fmt::format("{}: what came out is not complete: check where it goes",
                       std::strerror(os_error)));
  return Exit::failed;
}

}  // namespace seqwal::tool
