// Files and block devices: opening, locking, and finding out what they are like.
#ifndef SEQWAL_BACKENDS_FILE_H
#define SEQWAL_BACKENDS_FILE_H

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "seqwal/backends/open.h"
#include "seqwal/device.h"
#include "seqwal/error.h"

namespace seqwal {

// Owns a file descriptor and the lock taken on it.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  // Unlocks and closes. The lock is given back explicitly: a ring may hold the file open for
  // moments longer, and who opens it next should not have to wait for that.
  ~File();
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // Keeps descriptor and lock until the process ends.
  void leak() { fd_ = -1; }

 private:
  int fd_ = -1;
};

// An error of an operation on `path`: its code follows from `os_error`.
[[nodiscard]] std::unexpected<Error> file_error(std::string_view what, const std::string& path,
                                                int os_error);

// A file opened and locked, nothing known about it yet. Not yet O_DIRECT.
struct LockedFile {
  File file;
  bool block_device = false;
  std::uint64_t size_bytes = 0;
};

// Opens a regular file or block device that exists, takes the lock, waits for it for at most
// `lock_wait_ms`. Errors: not_found, permission_denied, wrong_type, in_use, io_error.
[[nodiscard]] Result<LockedFile> open_and_lock(const std::string& path, Access access,
                                               std::uint32_t lock_wait_ms);

// A file ready for I/O. limits.depth is not set.
struct OpenedFile {
  File file;
  DeviceLimits limits;
  bool block_device = false;
  bool direct = true;
};

// Turns on O_DIRECT, where the file system takes it, and finds the limits. Takes the file out of
// `locked` when it succeeds, else leaves it there.
[[nodiscard]] Result<OpenedFile> probe_file(LockedFile& locked, const std::string& path);

// What a block device's queue says about its cache.
struct CacheTraits {
  bool volatile_cache = true;
  bool fua = false;
};

// Of the block device with this number, or of the disk that it is a partition of. Where sysfs does
// not say, the worst is assumed: a volatile cache without FUA.
[[nodiscard]] CacheTraits read_cache_traits(dev_t device, const std::string& sysfs = "/sys");

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_FILE_H
