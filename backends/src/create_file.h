// Making a file (or a block device) ready to hold a new log.
#ifndef SEQWAL_BACKENDS_CREATE_FILE_H
#define SEQWAL_BACKENDS_CREATE_FILE_H

#include <cstdint>
#include <string>
#include <utility>

#include "file.h"
#include "seqwal/error.h"

namespace seqwal {

// What has been done to a file so far, and takes it back unless keep() is called: a file that was
// created is removed, one that existed gets its length back.
class FileChanges {
 public:
  FileChanges() = default;
  FileChanges(FileChanges&& other) noexcept { *this = std::move(other); }
  FileChanges& operator=(FileChanges&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    std::swap(created_, other.created_);
    std::swap(old_size_bytes_, other.old_size_bytes_);
    return *this;
  }
  ~FileChanges();

  // `fd` is borrowed: it must stay open, and locked, until keep() or the end.
  void will_take_back_creation(const std::string& path, int fd);
  void will_take_back_length(const std::string& path, int fd, std::uint64_t old_size_bytes);
  void keep() { fd_ = -1; }

 private:
  std::string path_;
  int fd_ = -1;
  bool created_ = false;
  std::uint64_t old_size_bytes_ = 0;
};

struct PreparedFile {
  OpenedFile opened;
  bool created = false;
  FileChanges changes;  // after `opened`, so that it is undone while the lock is still held
};

// See open_device_for_create.
[[nodiscard]] Result<PreparedFile> prepare_file(const std::string& path, std::uint32_t lock_wait_ms,
                                                std::uint64_t capacity_bytes, bool force);

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_CREATE_FILE_H
