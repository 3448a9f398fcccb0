#include <unistd.h>

#include <cerrno>

#include "count_system_call.h"
#include "raw_io.h"

namespace seqwal {
namespace {

std::int64_t result_or_errno(ssize_t result) {
  return result < 0 ? -std::int64_t{errno} : std::int64_t{result};
}

class SystemIo final : public RawIo {
 public:
  std::int64_t read(int fd, std::span<const iovec> vectors, std::uint64_t position_bytes) override {
    count_system_call();
    return result_or_errno(::preadv2(fd, vectors.data(), static_cast<int>(vectors.size()),
                                     static_cast<off_t>(position_bytes), 0));
  }
  std::int64_t write(int fd, std::span<const iovec> vectors, std::uint64_t position_bytes,
                     bool durable) override {
    count_system_call();
    return result_or_errno(::pwritev2(fd, vectors.data(), static_cast<int>(vectors.size()),
                                      static_cast<off_t>(position_bytes), durable ? RWF_DSYNC : 0));
  }
  std::int64_t flush(int fd) override {
    count_system_call();
    return result_or_errno(::fdatasync(fd));
  }
};

}  // namespace

RawIo& system_io() {
  static SystemIo io;
  return io;
}

}  // namespace seqwal
