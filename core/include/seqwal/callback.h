// Callback: a move-only function object kept in place, so that accepting an append allocates
// nothing. A callable larger than kCallbackStorageBytes does not compile: capture a pointer.
#ifndef SEQWAL_CALLBACK_H
#define SEQWAL_CALLBACK_H

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "seqwal/types.h"

namespace seqwal {

inline constexpr std::size_t kCallbackStorageBytes = 32;

template <typename... Args>
class Callback {
 public:
  Callback() = default;

  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Callback> &&
             std::is_invocable_v<std::remove_cvref_t<F>&, Args...>)
  Callback(F&& function) {  // NOLINT(google-explicit-constructor): lambdas are passed as they are
    using Function = std::remove_cvref_t<F>;
    static_assert(sizeof(Function) <= kCallbackStorageBytes, "capture a pointer instead");
    static_assert(alignof(Function) <= alignof(void*));
    static_assert(std::is_nothrow_move_constructible_v<Function>);
    ::new (static_cast<void*>(storage_)) Function(std::forward<F>(function));
    operations_ = &kOperations<Function>;
  }

  Callback(Callback&& other) noexcept { take(other); }
  Callback& operator=(Callback&& other) noexcept {
    if (this != &other) {
      clear();
      take(other);
    }
    return *this;
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback() { clear(); }

  explicit operator bool() const { return operations_ != nullptr; }

  // Precondition: not empty. Exceptions must not leave the callable.
  void operator()(Args... args) noexcept {
    operations_->invoke(storage_, std::forward<Args>(args)...);
  }
  // The same, and is empty then.
  void consume(Args... args) noexcept {
    operations_->invoke(storage_, std::forward<Args>(args)...);
    clear();
  }

 private:
  struct Operations {
    void (*invoke)(void*, Args&&...);
    void (*move_and_destroy)(void* from, void* to);  // null: its bytes are all there is to it
    void (*destroy)(void*);                          // the same
  };

  // Most callables are a few pointers: such are moved as bytes, without a call.
  template <typename F>
  static constexpr bool kTrivial =
      std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F>;

  template <typename F>
  static void invoke(void* self, Args&&... args) {
    (*static_cast<F*>(self))(std::forward<Args>(args)...);
  }
  template <typename F>
  static void move_and_destroy(void* from, void* to) {
    ::new (to) F(std::move(*static_cast<F*>(from)));
    static_cast<F*>(from)->~F();
  }
  template <typename F>
  static void destroy(void* self) {
    static_cast<F*>(self)->~F();
  }
  template <typename F>
  static constexpr Operations kOperations{&invoke<F>, kTrivial<F> ? nullptr : &move_and_destroy<F>,
                                          kTrivial<F> ? nullptr : &destroy<F>};

  void take(Callback& other) {
    operations_ = std::exchange(other.operations_, nullptr);
    if (operations_ == nullptr) return;
    if (operations_->move_and_destroy == nullptr) {
      // In pieces no wider than they were stored: wider ones would wait for the cache.
      for (std::size_t at = 0; at < kCallbackStorageBytes; at += sizeof(void*)) {
        std::memcpy(storage_ + at, other.storage_ + at, sizeof(void*));
      }
    } else {
      operations_->move_and_destroy(other.storage_, storage_);
    }
  }
  void clear() {
    const Operations* operations = std::exchange(operations_, nullptr);
    if (operations != nullptr && operations->destroy != nullptr) operations->destroy(storage_);
  }

  const Operations* operations_ = nullptr;
  alignas(void*) std::byte storage_[kCallbackStorageBytes];
};

struct AppendResult {
  AppendStatus status = AppendStatus::durable;
  Offset offset;  // what append returned
};
// Runs exactly once per accepted append, in offset order, on the thread that polls; with an
// Executor (executor.h) where that runs it, in offset order for each key. On the thread that polls
// it must not block. Must not throw. May call append, trim and close.
using AppendCallback = Callback<const AppendResult&>;

}  // namespace seqwal

#endif  // SEQWAL_CALLBACK_H
