// RawIo: the blocking system calls that move bytes, behind one level of virtual functions, so that
// short results and errors of every kind can be put in from outside.
//
// Results are values, never errno: bytes transferred or 0, else a negative errno value.
// Threads: any number at a time. Cost: one system call each.
#ifndef SEQWAL_BACKENDS_RAW_IO_H
#define SEQWAL_BACKENDS_RAW_IO_H

#include <sys/uio.h>

#include <cstdint>
#include <span>

namespace seqwal {

class RawIo {
 public:
  virtual ~RawIo() = default;

  // preadv2
  [[nodiscard]] virtual std::int64_t read(int fd, std::span<const iovec> vectors,
                                          std::uint64_t position_bytes) = 0;
  // pwritev2, with RWF_DSYNC for a durable write
  [[nodiscard]] virtual std::int64_t write(int fd, std::span<const iovec> vectors,
                                           std::uint64_t position_bytes, bool durable) = 0;
  // fdatasync
  [[nodiscard]] virtual std::int64_t flush(int fd) = 0;
};

// The real one. Stateless, lives as long as the process.
[[nodiscard]] RawIo& system_io();

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_RAW_IO_H
