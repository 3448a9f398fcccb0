// What the disk's cache is like, as the kernel says.
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <string>

#include "backends/src/file.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {
namespace {

namespace fs = std::filesystem;

class CacheTraitsOf : public testing::Test {
 protected:
  void disk(const std::string& where, const std::string& cache, const std::string& fua) {
    fs::create_directories(sysfs_ / ("dev/block/" + where + "/queue"));
    write_file(sysfs_ / ("dev/block/" + where + "/queue/write_cache"), cache + "\n");
    write_file(sysfs_ / ("dev/block/" + where + "/queue/fua"), fua + "\n");
  }
  [[nodiscard]] std::string of(unsigned major_number, unsigned minor_number) const {
    const auto traits = read_cache_traits(makedev(major_number, minor_number), sysfs_.path());
    return std::string(traits.volatile_cache ? "volatile" : "none") + (traits.fua ? "+fua" : "");
  }
  TempDir sysfs_;
};

TEST_F(CacheTraitsOf, DisksAsTheySay) {
  disk("8:0", "write back", "0");
  disk("8:16", "write back", "1");
  disk("8:32", "write through", "0");
  EXPECT_EQ(of(8, 0), "volatile");
  EXPECT_EQ(of(8, 16), "volatile+fua");
  EXPECT_EQ(of(8, 32), "none");
}

TEST_F(CacheTraitsOf, APartitionAreItsDisks) {
  // As sysfs has it: links to directories, the partition's inside the disk's.
  fs::create_directories(sysfs_ / "dev/block");
  fs::create_directories(sysfs_ / "devices/sda/sda1");
  fs::create_directories(sysfs_ / "devices/sda/queue");
  write_file(sysfs_ / "devices/sda/queue/write_cache", std::string("write through\n"));
  write_file(sysfs_ / "devices/sda/queue/fua", std::string("0\n"));
  fs::create_symlink("../../devices/sda/sda1", sysfs_ / "dev/block/8:1");
  EXPECT_EQ(of(8, 1), "none");
}

TEST_F(CacheTraitsOf, TheUnknownAreTheWorst) {
  disk("8:48", "something new", "1");
  EXPECT_EQ(of(0, 27), "volatile");
  EXPECT_EQ(of(8, 48), "volatile+fua");
}

}  // namespace
}  // namespace seqwal::testing_support
