#include "create_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "seqwal/format.h"

namespace seqwal {
namespace {

constexpr mode_t kFileMode = 0600;  // what is logged may be anything: the owner decides who reads
constexpr std::size_t kCheckBytes = std::size_t{1} << 20U;

std::string directory_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// 0 or an errno value. Makes the directory's entry for `path` durable.
int sync_directory(const std::string& path) {
  const int fd = ::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

Result<void> check_capacity(std::uint64_t capacity_bytes) {
  if (capacity_bytes % kBlockBytes == 0 && capacity_bytes >= kMinCapacityBytes &&
      capacity_bytes <= kMaxCapacityBytes) {
    return {};
  }
  return fail(ErrorCode::bad_capacity,
              fmt::format("a log can't have a capacity of {} bytes: choose a multiple of {}, "
                          "at least {}",
                          capacity_bytes, kBlockBytes, kMinCapacityBytes));
}

// Creates an empty file. False when something stands there already.
Result<bool> create_empty(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
  if (fd >= 0) {
    ::close(fd);
    return true;
  }
  if (errno == EEXIST) return false;
  return file_error("cannot create", path, errno);
}

// The first position at or after `from` that may hold something, or `size` if none does.
std::uint64_t next_data(int fd, std::uint64_t from, std::uint64_t size) {
  const off_t data = ::lseek(fd, static_cast<off_t>(from), SEEK_DATA);
  if (data >= 0) return static_cast<std::uint64_t>(data);
  return errno == ENXIO ? size : from;  // a file system without SEEK_DATA: everything may be data
}

bool is_zero(const std::vector<char>& bytes, std::size_t count) {
  return count == 0 ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, count - 1) == 0);
}

// Cost: reads what is not a hole.
Result<bool> is_all_zero(int fd, std::uint64_t size_bytes, const std::string& path) {
  std::vector<char> chunk(kCheckBytes);
  std::uint64_t at = next_data(fd, 0, size_bytes);
  while (at < size_bytes) {
    const ssize_t got = ::pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("cannot read", path, errno);
    if (got == 0) break;
    if (!is_zero(chunk, static_cast<std::size_t>(got))) return false;
    // The pages are of no use to direct I/O.
    ::posix_fadvise(fd, static_cast<off_t>(at), got, POSIX_FADV_DONTNEED);
    at = next_data(fd, at + static_cast<std::uint64_t>(got), size_bytes);
  }
  return true;
}

// 0 or an errno value.
int set_length(int fd, std::uint64_t bytes) {
  while (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// 0 or an errno value. Space for every block, where the file system can promise that; its length.
int reserve(int fd, std::uint64_t old_size_bytes, std::uint64_t capacity_bytes) {
  while (::fallocate(fd, 0, 0, static_cast<off_t>(capacity_bytes)) != 0) {
    if (errno == EOPNOTSUPP || errno == ENOSYS) return set_length(fd, capacity_bytes);
    if (errno != EINTR) return errno;
  }
  return old_size_bytes > capacity_bytes ? set_length(fd, capacity_bytes) : 0;
}

std::unexpected<Error> too_small(const LockedFile& locked, const std::string& path,
                                 std::uint64_t capacity_bytes) {
  return fail(ErrorCode::bad_capacity,
              fmt::format("block device of {} bytes is too small for a log of {}: {}: choose a "
                          "smaller capacity",
                          locked.size_bytes, capacity_bytes, path));
}

// Gives a regular file its length and makes that durable.
Result<void> give_length(const LockedFile& locked, const std::string& path,
                         std::uint64_t capacity_bytes, bool force, FileChanges& changes) {
  const int fd = locked.file.fd();
  if (!force) {
    auto zero = is_all_zero(fd, locked.size_bytes, path);
    if (!zero) return std::unexpected(std::move(zero.error()));
    if (!*zero) return file_error("holds data", path, EEXIST);
  }
  changes.will_take_back_length(path, fd, locked.size_bytes);
  if (const int error = reserve(fd, locked.size_bytes, capacity_bytes); error != 0) {
    return file_error(fmt::format("cannot reserve {} bytes", capacity_bytes), path, error);
  }
  if (::fsync(fd) != 0) return file_error("cannot sync", path, errno);
  if (const int error = sync_directory(path); error != 0) {
    return file_error("cannot sync", directory_of(path), error);
  }
  return {};
}

}  // namespace

FileChanges::~FileChanges() {
  if (fd_ < 0) return;
  // Best effort: the error that led here is the one that is told.
  if (created_) {
    ::unlink(path_.c_str());
    static_cast<void>(sync_directory(path_));
  } else {
    static_cast<void>(set_length(fd_, old_size_bytes_));
  }
}

void FileChanges::will_take_back_creation(const std::string& path, int fd) {
  path_ = path;
  fd_ = fd;
  created_ = true;
}

void FileChanges::will_take_back_length(const std::string& path, int fd,
                                        std::uint64_t old_size_bytes) {
  if (fd_ >= 0) return;  // what removes the file has no need of its length
  path_ = path;
  fd_ = fd;
  old_size_bytes_ = old_size_bytes;
}

Result<PreparedFile> prepare_file(const std::string& path, std::uint32_t lock_wait_ms,
                                  std::uint64_t capacity_bytes, bool force) {
  if (auto good = check_capacity(capacity_bytes); !good) return std::unexpected(good.error());
  const auto created = create_empty(path);
  if (!created) return std::unexpected(created.error());
  auto locked = open_and_lock(path, Access::read_write, lock_wait_ms);
  if (!locked) return std::unexpected(std::move(locked.error()));

  PreparedFile prepared;
  // Somebody may have taken the lock first, and put a log there.
  prepared.created = *created && locked->size_bytes == 0;
  if (prepared.created) prepared.changes.will_take_back_creation(path, locked->file.fd());
  if (locked->block_device) {
    if (locked->size_bytes < capacity_bytes) return too_small(*locked, path, capacity_bytes);
  } else if (auto given = give_length(*locked, path, capacity_bytes, force, prepared.changes);
             !given) {
    return std::unexpected(std::move(given.error()));
  }
  auto opened = probe_file(*locked, path);
  if (!opened) return std::unexpected(std::move(opened.error()));
  prepared.opened = std::move(*opened);
  return prepared;
}

}  // namespace seqwal
