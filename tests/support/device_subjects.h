// Every implementation of Device that the contract suite holds to the contract.
#ifndef SEQWAL_TESTS_SUPPORT_DEVICE_SUBJECTS_H
#define SEQWAL_TESTS_SUPPORT_DEVICE_SUBJECTS_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "seqwal/device.h"
#include "tests/support/faulty_io.h"
#include "tests/support/temp.h"

namespace seqwal::testing_support {

inline constexpr std::uint64_t kDeviceBytes = std::uint64_t{8} << 20U;

// A device and what it stands on. `device` is null and `why_not` set where that is not possible.
struct Subject {
  std::unique_ptr<TempDir> directory;
  std::optional<LoopDevice> loop;
  std::unique_ptr<FaultyIo> io;
  std::unique_ptr<Device> device;  // destroyed first
  std::string why_not;
};

struct Implementation {
  std::string name;
  std::function<Subject()> make;
  bool announces = false;  // the memory of its tests is announced to it
};

// io_uring and threads, on a file and on a loop device, both also harassed by short and interrupted
// system calls, io_uring also with registered buffers; memory with alignments of 512, 4096 and
// 16384, in order and shuffled.
[[nodiscard]] std::vector<Implementation> implementations();

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_DEVICE_SUBJECTS_H
