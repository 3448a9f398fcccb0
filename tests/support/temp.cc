#include "tests/support/temp.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace seqwal::testing_support {
namespace {

std::string refused(const std::string& what) { return what + ": " + std::strerror(errno); }

bool takes_direct_io(const std::string& directory) {
  const std::string path = directory + "/probe";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  ::unlink(path.c_str());
  return fd >= 0;
}

// A new directory in `base`, or nothing when `base` is of no use.
std::string make_directory(const std::string& base) {
  if (base.empty()) return {};
  std::string path = base + "/seqwal-test-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return {};
  if (takes_direct_io(path)) return path;
  ::rmdir(path.c_str());
  return {};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// A descriptor of the loop device `number`, serving `backing`, or -1.
int configure_loop(const std::string& path, int backing) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  loop_config config{};
  config.fd = static_cast<std::uint32_t>(backing);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
  if (::ioctl(fd, LOOP_CONFIGURE, &config) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

// Once per process: mounts made from now on are nobody else's business, and end with the process.
bool enter_private_mount_namespace() {
  static const bool entered = ::unshare(CLONE_NEWNS) == 0 &&
                              ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return entered;
}

}  // namespace

TempDir::TempDir() {
  for (const std::string& base :
       {environment("TMPDIR"), std::filesystem::current_path().string(), std::string("/var/tmp")}) {
    path_ = make_directory(base);
    if (!path_.empty()) return;
  }
  std::fprintf(stderr, "no directory that takes O_DIRECT: set TMPDIR to one\n");
  std::abort();
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, std::size_t zero_bytes) {
  write_file(path, std::string(zero_bytes, '\0'));
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file.good()) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    std::abort();
  }
}

std::string read_whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::expected<LoopDevice, std::string> LoopDevice::attach(const std::string& file) {
  const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return std::unexpected(refused("/dev/loop-control"));
  const int backing = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (backing < 0) {
    ::close(control);
    return std::unexpected(refused(file));
  }
  std::string why = "no free loop device";
  int fd = -1;
  std::string path;
  // Between asking for a free one and taking it, another process may take it.
  for (int attempt = 0; attempt < 20 && fd < 0; ++attempt) {
    const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) {
      why = refused("LOOP_CTL_GET_FREE");
      break;
    }
    path = "/dev/loop" + std::to_string(number);
    fd = configure_loop(path, backing);
    if (fd < 0) why = refused(path);
    if (fd < 0 && errno != EBUSY) break;
  }
  ::close(backing);
  ::close(control);
  if (fd < 0) return std::unexpected(why);
  return LoopDevice(path, fd);
}

LoopDevice::~LoopDevice() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<Mount, std::string> Mount::at(const std::string& directory, const std::string& source,
                                            const std::string& type, const std::string& options) {
  if (!enter_private_mount_namespace()) return std::unexpected(refused("unshare"));
  std::filesystem::create_directories(directory);
  if (::mount(source.c_str(), directory.c_str(), type.c_str(), 0, options.c_str()) != 0) {
    return std::unexpected(refused("mount " + type));
  }
  return Mount(directory);
}

Mount::~Mount() {
  if (!directory_.empty()) ::umount2(directory_.c_str(), MNT_DETACH);
}

AlignedMemory::AlignedMemory(std::size_t bytes, std::size_t alignment)
    : data_(static_cast<std::byte*>(
          std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment))),
      size_(bytes) {
  if (data_ == nullptr) std::abort();
  std::memset(data_.get(), 0xA5, bytes);
}

}  // namespace seqwal::testing_support
