#include "fuzz/support/memory_meter.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace seqwal::fuzz {
namespace {

std::atomic<std::size_t> allocated{0};
std::atomic<std::size_t> peak{0};

void* counted(void* memory) {
  if (memory == nullptr) std::abort();  // nothing here asks for what a machine does not have
  const std::size_t now = allocated += malloc_usable_size(memory);
  std::size_t highest = peak.load();
  while (highest < now && !peak.compare_exchange_weak(highest, now)) {
  }
  return memory;
}

void* allocate(std::size_t bytes) { return counted(std::malloc(std::max<std::size_t>(bytes, 1))); }

void* allocate(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit));
}

void release(void* memory) {
  if (memory != nullptr) allocated -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

std::size_t allocated_bytes() { return allocated.load(); }
std::size_t peak_allocated_bytes() { return peak.load(); }
void restart_peak() { peak.store(allocated.load()); }

}  // namespace seqwal::fuzz

// The array forms of the standard library call these.
void* operator new(std::size_t bytes) { return seqwal::fuzz::allocate(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return seqwal::fuzz::allocate(bytes, alignment);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return seqwal::fuzz::allocate(bytes);
}
void operator delete(void* memory) noexcept { seqwal::fuzz::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { seqwal::fuzz::release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  seqwal::fuzz::release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept { seqwal::fuzz::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  seqwal::fuzz::release(memory);
}
