// What tests of real devices need from the system, given back when they end: directories, loop
// devices, mounts, memory aligned for direct I/O.
#ifndef SEQWAL_TESTS_SUPPORT_TEMP_H
#define SEQWAL_TESTS_SUPPORT_TEMP_H

#include <cstddef>
#include <cstdlib>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace seqwal::testing_support {

// An empty directory on a file system that takes O_DIRECT: under $TMPDIR, else under the current
// directory, else under /var/tmp. Removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Creates or overwrites a file of that many zero bytes (written, not a hole), or with `content`.
void write_file(const std::string& path, std::size_t zero_bytes);
void write_file(const std::string& path, const std::string& content);
[[nodiscard]] std::string read_whole_file(const std::string& path);

// A block device over a file. The kernel takes it away when the last descriptor is closed, so a
// killed test leaves none behind.
class LoopDevice {
 public:
  // Or why that is not possible here.
  [[nodiscard]] static std::expected<LoopDevice, std::string> attach(const std::string& file);
  LoopDevice(LoopDevice&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  LoopDevice& operator=(LoopDevice&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~LoopDevice();

  [[nodiscard]] const std::string& path() const { return path_; }  // /dev/loopN

 private:
  LoopDevice(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

// A mounted file system, visible to this process only. Unmounted at the end.
class Mount {
 public:
  // As mount(2) takes them. Or why that is not possible here.
  [[nodiscard]] static std::expected<Mount, std::string> at(const std::string& directory,
                                                            const std::string& source,
                                                            const std::string& type,
                                                            const std::string& options);
  Mount(Mount&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}
  Mount& operator=(Mount&& other) noexcept {
    std::swap(directory_, other.directory_);
    return *this;
  }
  ~Mount();

 private:
  explicit Mount(std::string directory) : directory_(std::move(directory)) {}

  std::string directory_;
};

// Memory with an alignment, filled with a byte that is not zero.
class AlignedMemory {
 public:
  explicit AlignedMemory(std::size_t bytes, std::size_t alignment = 16384);

  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> span() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_;
};

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_TEMP_H
