// Opening, locking and probing real devices: regular files and raw block devices, with O_DIRECT,
// over io_uring or, where io_uring is forbidden, over a thread pool with identical semantics.
#ifndef SEQWAL_BACKENDS_OPEN_H
#define SEQWAL_BACKENDS_OPEN_H

#include <cstdint>
#include <memory>
#include <string>

#include "seqwal/device.h"
#include "seqwal/error.h"
#include "seqwal/types.h"

namespace seqwal {

enum class DeviceKind : std::uint8_t { automatic, uring, threads };
enum class Access : std::uint8_t {
  read_only,   // shared lock: any number of readers, no writer
  read_write,  // exclusive lock
};

inline constexpr std::uint32_t kMaxDepth = 1024;

struct OpenOptions {
  std::string path;
  DeviceKind kind = DeviceKind::automatic;
  Access access = Access::read_write;
  // How long to wait for another process's lock: a killed process can hold it, and have writes in
  // flight, for a moment longer.
  std::uint32_t lock_wait_ms = 5000;
  std::uint32_t depth = 32;  // requests in flight, 1..kMaxDepth
};

// What was opened, and what was chosen on the way.
struct OpenedDevice {
  std::unique_ptr<Device> device;
  DeviceKind kind = DeviceKind::uring;  // never automatic
  std::string kind_reason;  // why threads instead of io_uring, which optional features were refused
  bool block_device = false;
  bool direct = true;  // false: the file system refused O_DIRECT
};

// Opens `path`, takes the lock on the descriptor that does the I/O, probes the limits. Writes
// nothing. Errors: not_found, permission_denied, wrong_type, in_use, unsupported, io_error.
[[nodiscard]] Result<OpenedDevice> open_device(const OpenOptions& options);

// Makes `path` ready for create_log: a file that does not exist is created with `capacity_bytes` of
// length, an existing file that is empty or all zero (or any file, with `force`) gets that length,
// a block device must be large enough (what stands on it is create_log's to judge); then as
// open_device, always with Access::read_write. Space is reserved, file and directory are synced.
// When it fails, a file that it created is removed again, and one that existed keeps length and
// contents. Errors: as open_device, and already_exists, bad_capacity (not a multiple of 4096, too
// small, larger than the device or what the file system can hold), no_space. Cost: an existing file
// is read once, but for its holes.
struct CreatedDevice {
  OpenedDevice opened;
  bool created_file = false;  // so that the caller can remove it when create_log fails
};
[[nodiscard]] Result<CreatedDevice> open_device_for_create(const OpenOptions& options,
                                                           std::uint64_t capacity_bytes,
                                                           bool force);

}  // namespace seqwal

#endif  // SEQWAL_BACKENDS_OPEN_H
