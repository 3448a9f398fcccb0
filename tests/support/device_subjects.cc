#include "tests/support/device_subjects.h"

#include <gtest/gtest.h>

#include <utility>

#include "backends/src/file.h"
#include "backends/src/threads_device.h"
#include "backends/src/uring_device.h"
#include "seqwal/backends/open.h"
#include "tests/support/memory_device.h"
#include "tests/support/skip.h"

namespace seqwal::testing_support {
namespace {

using Factory = std::function<Subject()>;

// A file, or a loop device over one; its path.
std::string make_place(Subject& subject, bool loop) {
  subject.directory = std::make_unique<TempDir>();
  std::string file = *subject.directory / "disk";
  write_file(file, kDeviceBytes);
  if (!loop) return file;
  auto attached = LoopDevice::attach(file);
  if (!attached) {
    subject.why_not = "no loop device: " + attached.error();
    return {};
  }
  subject.loop = std::move(*attached);
  return subject.loop->path();
}

Factory real_device(DeviceKind kind, bool loop) {
  return [kind, loop] {
    Subject subject;
    OpenOptions options;
    options.path = make_place(subject, loop);
    options.kind = kind;
    options.depth = 16;
    if (!subject.why_not.empty()) return subject;
    auto opened = open_device(options);
    if (opened) {
      subject.device = std::move(opened->device);
    } else {
      subject.why_not = no_ring(opened.error());
    }
    return subject;
  };
}

Factory harassed_device(DeviceKind kind) {
  return [kind] {
    Subject subject;
    const std::string path = make_place(subject, false);
    auto locked = open_and_lock(path, Access::read_write, 0);
    auto file = locked ? probe_file(*locked, path) : std::unexpected(locked.error());
    if (!file) {
      ADD_FAILURE() << file.error().message();
      return subject;
    }
    file->limits.depth = 16;
    subject.io = std::make_unique<FaultyIo>(harassment(7));
    if (kind == DeviceKind::threads) {
      auto device = ThreadsDevice::open(file->file, file->limits, *subject.io);
      if (device) subject.device = std::move(*device);
      if (!device) subject.why_not = no_ring(device.error());
    } else {
      auto script = std::make_shared<RingScript>();
      script->plan = harassment(8);
      auto device = UringDevice::open(file->file, file->limits, faulty_rings(script));
      if (device) subject.device = std::move(device->device);
      if (!device) subject.why_not = no_ring(device.error());
    }
    return subject;
  };
}

Factory memory_device(std::uint32_t alignment, CompletionOrder order) {
  return [alignment, order] {
    DeviceLimits limits = MemoryDevice::default_limits();
    limits.block_bytes = alignment;
    limits.buffer_alignment_bytes = alignment;
    limits.depth = 16;
    limits.volatile_cache = true;
    limits.durable_write = DurableWrite::flush;
    auto device = std::make_unique<MemoryDevice>(kDeviceBytes, limits);
    device->set_order(order);
    device->set_wait_mode(WaitMode::blocks);
    device->set_check_buffers(true);
    Subject subject;
    subject.device = std::move(device);
    return subject;
  };
}

}  // namespace

std::vector<Implementation> implementations() {
  return {
      {"UringOnFile", real_device(DeviceKind::uring, false)},
      {"UringOnLoop", real_device(DeviceKind::uring, true)},
      {"UringHarassed", harassed_device(DeviceKind::uring)},
      {"UringRegisteredOnFile", real_device(DeviceKind::uring, false), true},
      {"UringRegisteredOnLoop", real_device(DeviceKind::uring, true), true},
      {"UringRegisteredHarassed", harassed_device(DeviceKind::uring), true},
      {"ThreadsOnFile", real_device(DeviceKind::threads, false), true},
      {"ThreadsOnLoop", real_device(DeviceKind::threads, true)},
      {"ThreadsHarassed", harassed_device(DeviceKind::threads)},
      {"Memory512", memory_device(512, CompletionOrder::in_order)},
      {"Memory4096", memory_device(4096, CompletionOrder::in_order)},
      {"Memory16384", memory_device(16384, CompletionOrder::in_order)},
      {"MemoryShuffled", memory_device(4096, CompletionOrder::shuffled)},
  };
}

}  // namespace seqwal::testing_support
