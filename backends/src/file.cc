#include "file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

namespace seqwal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLockRetry = std::chrono::milliseconds(10);
constexpr std::uint32_t kMinAlignmentBytes = 512;

// What to do about it, for people.
std::string_view advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found:
      return "check the path";
    case ErrorCode::permission_denied:
      return "check owner and mode";
    case ErrorCode::in_use:
      return "stop who uses it, or wait longer";
    case ErrorCode::no_space:
      return "free some space, or choose a smaller capacity";
    case ErrorCode::bad_capacity:
      return "choose a smaller capacity";
    case ErrorCode::wrong_type:
      return "name a regular file or a block device";
    case ErrorCode::already_exists:
      return "choose another place, or force";
    default:
      return "see the system's log";
  }
}

ErrorCode code_of(int os_error) {
  switch (os_error) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:
    case ENODEV:
    case ENOMEDIUM:
    case ELOOP:
    case ENAMETOOLONG:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission_denied;
    case EBUSY:
    case ETXTBSY:
    case EWOULDBLOCK:
      return ErrorCode::in_use;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::no_space;
    case EFBIG:
      return ErrorCode::bad_capacity;
    case EISDIR:
      return ErrorCode::wrong_type;
    case EEXIST:
      return ErrorCode::already_exists;
    default:
      return ErrorCode::io_error;
  }
}

std::string_view type_name(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode)) return "a character device";
  return "neither file nor block device";
}

// True for a block device, false for a regular file, else the error.
Result<bool> is_block_device(mode_t mode, const std::string& path) {
  if (S_ISBLK(mode)) return true;
  if (S_ISREG(mode)) return false;
  return fail(ErrorCode::wrong_type,
              fmt::format("{}: {}: {}", type_name(mode), path, advice(ErrorCode::wrong_type)));
}

// 0 once the lock is held, else an errno value; EWOULDBLOCK when time is up.
int lock_until(int fd, int operation, Clock::time_point deadline) {
  while (::flock(fd, operation | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || Clock::now() >= deadline) return errno;
    std::this_thread::sleep_for(kLockRetry);
  }
  return 0;
}

// A descriptor, or a negative errno. A block device that something else holds exclusively (a mount,
// another log) answers EBUSY until then.
int open_until(const std::string& path, int flags, Clock::time_point deadline) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags);
    if (fd >= 0) return fd;
    if (errno == EINTR) continue;
    if (errno != EBUSY || Clock::now() >= deadline) return -errno;
    std::this_thread::sleep_for(kLockRetry);
  }
}

// Whether `path` still names what `opened` describes: who held the lock may have replaced it.
bool still_there(const std::string& path, const struct stat& opened) {
  struct stat named{};
  return ::stat(path.c_str(), &named) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

Result<std::uint64_t> size_of(int fd, const struct stat& status, const std::string& path) {
  if (!S_ISBLK(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  std::uint64_t size_bytes = 0;
  if (::ioctl(fd, BLKGETSIZE64, &size_bytes) != 0) return file_error("BLKGETSIZE64", path, errno);
  return size_bytes;
}

struct Alignment {
  std::uint32_t position_bytes = kBlockFallbackBytes;
  std::uint32_t buffer_bytes = kBlockFallbackBytes;
  static constexpr std::uint32_t kBlockFallbackBytes = 4096;
};

std::uint32_t at_least(std::uint32_t bytes, std::uint32_t least) {
  return std::has_single_bit(bytes) ? std::max(bytes, least) : Alignment::kBlockFallbackBytes;
}

// Of direct I/O: asked from the kernel, else the logical block of a device, else 4096, which every
// file system and disk takes.
Alignment direct_alignment(int fd, bool block_device) {
  Alignment alignment;
  int logical_bytes = 0;
  if (block_device && ::ioctl(fd, BLKSSZGET, &logical_bytes) == 0 && logical_bytes > 0) {
    alignment.position_bytes = static_cast<std::uint32_t>(logical_bytes);
    alignment.buffer_bytes = alignment.position_bytes;
  }
#ifdef STATX_DIOALIGN
  struct statx extended{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) == 0 &&
      (extended.stx_mask & STATX_DIOALIGN) != 0 && extended.stx_dio_offset_align != 0) {
    alignment.position_bytes = extended.stx_dio_offset_align;
    alignment.buffer_bytes = extended.stx_dio_mem_align;
  }
#endif
  return {.position_bytes = at_least(alignment.position_bytes, kMinAlignmentBytes),
          .buffer_bytes = at_least(alignment.buffer_bytes, kMinAlignmentBytes)};
}

bool turn_on_direct(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

DurableWrite durable_write_of(CacheTraits traits) {
  if (!traits.volatile_cache) return DurableWrite::free;
  return traits.fua ? DurableWrite::fua : DurableWrite::flush;
}

}  // namespace

File::~File() {
  if (fd_ < 0) return;
  ::flock(fd_, LOCK_UN);
  // An error of close means nothing here: what had to be durable was flushed before.
  ::close(fd_);
}

std::unexpected<Error> file_error(std::string_view what, const std::string& path, int os_error) {
  const ErrorCode code = code_of(os_error);
  return fail(code, fmt::format("{}: {}: {}", what, path, advice(code)), os_error);
}

Result<LockedFile> open_and_lock(const std::string& path, Access access,
                                 std::uint32_t lock_wait_ms) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(lock_wait_ms);
  const bool writes = access == Access::read_write;
  for (;;) {
    // Looked at before it is opened: opening a pipe blocks, opening some devices does things.
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return file_error("cannot open", path, errno);
    auto block_device = is_block_device(status.st_mode, path);
    if (!block_device) return std::unexpected(std::move(block_device.error()));

    const int exclusive = *block_device && writes ? O_EXCL : 0;
    File file(open_until(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | exclusive, deadline));
    if (file.fd() < 0) return file_error("cannot open", path, -file.fd());
    const int error = lock_until(file.fd(), writes ? LOCK_EX : LOCK_SH, deadline);
    if (error == EWOULDBLOCK) return file_error("locked by another process", path, error);
    if (error != 0) return file_error("cannot lock", path, error);

    if (::fstat(file.fd(), &status) != 0) return file_error("cannot stat", path, errno);
    if (!still_there(path, status)) continue;
    auto size_bytes = size_of(file.fd(), status, path);
    if (!size_bytes) return std::unexpected(std::move(size_bytes.error()));
    return LockedFile{
        .file = std::move(file), .block_device = *block_device, .size_bytes = *size_bytes};
  }
}

CacheTraits read_cache_traits(dev_t device, const std::string& sysfs) {
  const std::string node = fmt::format("{}/dev/block/{}:{}", sysfs, major(device), minor(device));
  // A partition has no queue of its own; its directory lies inside its disk's.
  for (const std::string& queue : {node + "/queue", node + "/../queue"}) {
    const std::string cache = first_line(queue + "/write_cache");
    if (cache.empty()) continue;
    return {.volatile_cache = cache != "write through", .fua = first_line(queue + "/fua") == "1"};
  }
  return {};
}

Result<OpenedFile> probe_file(LockedFile& locked, const std::string& path) {
  const int fd = locked.file.fd();
  struct stat status{};
  if (::fstat(fd, &status) != 0) return file_error("cannot stat", path, errno);
  auto size_bytes = size_of(fd, status, path);
  if (!size_bytes) return std::unexpected(std::move(size_bytes.error()));

  OpenedFile opened;
  opened.block_device = locked.block_device;
  opened.direct = turn_on_direct(fd);
  DeviceLimits& limits = opened.limits;
  limits.size_bytes = *size_bytes;
  limits.size_is_exact = !locked.block_device;
  if (opened.direct) {
    const Alignment alignment = direct_alignment(fd, locked.block_device);
    limits.block_bytes = alignment.position_bytes;
    limits.buffer_alignment_bytes = alignment.buffer_bytes;
    const auto traits = read_cache_traits(locked.block_device ? status.st_rdev : status.st_dev);
    limits.volatile_cache = traits.volatile_cache;
    limits.durable_write = durable_write_of(traits);
  } else {
    // The page cache is a volatile cache whatever the disk beneath it is like.
    limits.volatile_cache = true;
    limits.durable_write = DurableWrite::flush;
  }
  opened.file = std::move(locked.file);
  return opened;
}

}  // namespace seqwal
