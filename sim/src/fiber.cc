#include "seqwal/sim/fiber.h"

#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <utility>

#include "seqwal/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEQWAL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEQWAL_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SEQWAL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SEQWAL_TSAN 1
#endif
#endif

#ifdef SEQWAL_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SEQWAL_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace seqwal::sim {

namespace context = boost::context;

// Two sides take turns: the driver, who resumes, and the fiber. Each holds the other's continuation
// while it runs.
struct Fiber::Impl {
  context::fiber other;  // the side that does not run
  std::function<void()> task;
  bool busy = false;
  bool ending = false;

#ifdef SEQWAL_ASAN
  struct Stack {
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    void* fake = nullptr;
  };
  Stack driver;
  Stack own;
#endif
#ifdef SEQWAL_TSAN
  void* driver_handle = nullptr;
  void* own_handle = __tsan_create_fiber(0);
  ~Impl() { __tsan_destroy_fiber(own_handle); }
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
#endif

  void enter() {
#ifdef SEQWAL_ASAN
    __sanitizer_start_switch_fiber(&driver.fake, own.bottom, own.bytes);
#endif
#ifdef SEQWAL_TSAN
    driver_handle = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(own_handle, 0);
#endif
    other = std::move(other).resume();
#ifdef SEQWAL_ASAN
    __sanitizer_finish_switch_fiber(driver.fake, nullptr, nullptr);
#endif
  }

  void arrived() {
#ifdef SEQWAL_ASAN
    __sanitizer_finish_switch_fiber(own.fake, &driver.bottom, &driver.bytes);
#endif
  }

  void announce_leave([[maybe_unused]] bool for_good) {
#ifdef SEQWAL_ASAN
    __sanitizer_start_switch_fiber(for_good ? nullptr : &own.fake, driver.bottom, driver.bytes);
#endif
#ifdef SEQWAL_TSAN
    __tsan_switch_to_fiber(driver_handle, 0);
#endif
  }

  void leave() {
    announce_leave(false);
    other = std::move(other).resume();
    arrived();
  }

  context::fiber run(context::fiber&& driver_side) {
    other = std::move(driver_side);
    arrived();
    while (!ending) {
      task();
      task = nullptr;
      busy = false;
      leave();
    }
    announce_leave(true);
    return std::move(other);
  }
};

Fiber::Fiber() : impl_(std::make_unique<Impl>()) {
  context::fixedsize_stack stacks(kFiberStackBytes);
  context::stack_context stack = stacks.allocate();
#ifdef SEQWAL_ASAN
  impl_->own.bytes = stack.size;
  impl_->own.bottom = static_cast<const char*>(stack.sp) - stack.size;
#endif
  const context::preallocated memory(stack.sp, stack.size, stack);
  impl_->other = context::fiber(
      std::allocator_arg, memory, stacks,
      [impl = impl_.get()](context::fiber&& driver) { return impl->run(std::move(driver)); });
}

Fiber::~Fiber() {
  if (impl_->busy) {
    (void)impl_.release();  // NOLINT(bugprone-unused-return-value): abandoned on purpose
    return;
  }
  impl_->ending = true;
  impl_->enter();
}

void Fiber::start(std::function<void()> task) {
  SEQWAL_REQUIRE(!impl_->busy);
  impl_->task = std::move(task);
  impl_->busy = true;
}

bool Fiber::idle() const { return !impl_->busy; }

void Fiber::resume() {
  SEQWAL_REQUIRE(impl_->busy);
  impl_->enter();
}

void Fiber::yield() { impl_->leave(); }

}  // namespace seqwal::sim
