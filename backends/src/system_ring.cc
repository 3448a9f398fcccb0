// The real io_uring, through liburing.
//
// What it asks of the kernel: Linux 5.11 (one system call that submits and waits with a timeout,
// IORING_FEAT_EXT_ARG); every operation used here is older than that. Results are never dropped
// (IORING_FEAT_NODROP).
//
// The file is registered, which saves a reference count per operation; buffers that the caller
// announces are, which saves pinning their pages at each operation. Where either is refused, it
// goes without. Buffers also need Linux 5.13 (IORING_FEAT_RSRC_TAGS): before that, registering
// waits for every operation under way, and the wake operation has no end.
#include <fmt/format.h>
#include <liburing.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "count_system_call.h"
#include "monotonic.h"
#include "raw_ring.h"
#include "seqwal/check.h"

namespace seqwal {
namespace {

// The best first. With DEFER_TASKRUN results are posted when the owner asks for them instead of
// interrupting it; COOP_TASKRUN is most of that for older kernels; TASKRUN_FLAG tells without a
// system call that there is something to ask for.
constexpr std::array<unsigned, 3> kSetupFlags = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

// Where every wake operation's eight bytes go. Nobody reads them. Static, because a closed ring's
// last operation may still write here.
std::uint64_t wake_sink;

std::string_view hint(int os_error) {
  switch (os_error) {
    case EPERM:
    case EACCES:
      return " (kernel.io_uring_disabled or a seccomp filter)";
    case ENOSYS:
      return " (the kernel has no io_uring, or a filter hides it)";
    case ENOMEM:
      return " (locked-memory limit, ulimit -l)";
    case EMFILE:
    case ENFILE:
      return " (limit of open files, ulimit -n)";
    default:
      return "";
  }
}

std::unexpected<Error> refused(std::string_view call, int os_error) {
  return fail(ErrorCode::unsupported,
              fmt::format("{}: {}{}", call, std::strerror(os_error), hint(os_error)), os_error);
}

class SystemRing final : public RawRing {
 public:
  SystemRing(io_uring ring, int fd, int wake_fd) : ring_(ring), fd_(fd), wake_fd_(wake_fd) {}
  ~SystemRing() override {
    // Lets go of file and memory now, if this is the owner; else, and by closing alone, the kernel
    // does so when it gets round to it.
    if (registered_) io_uring_unregister_files(&ring_);
    if (has_buffers_) io_uring_unregister_buffers(&ring_);
    io_uring_queue_exit(&ring_);
  }
  SystemRing(const SystemRing&) = delete;
  SystemRing& operator=(const SystemRing&) = delete;

  // 0 or a negative errno.
  [[nodiscard]] int register_file() {
    const int result = io_uring_register_files(&ring_, &fd_, 1);
    registered_ = result == 0;
    return result;
  }

  // 0 when the kernel takes an operation and answers it, else a negative errno.
  [[nodiscard]] int probe() {
    io_uring_prep_nop(next_entry(0));
    if (const int result = submit_and_wait(kNever); result != 0 && result != -EINTR) return result;
    RingResult result;
    while (!next(result)) {
      if (const int waited = submit_and_wait(kNever); waited != 0 && waited != -EINTR) {
        return waited;
      }
    }
    return static_cast<int>(result.result);
  }

  int register_buffers(std::span<const iovec> buffers) override {
    if (std::exchange(has_buffers_, false)) {
      const int result = io_uring_unregister_buffers(&ring_);
      if (result < 0) return result;
    }
    if (buffers.empty()) return 0;
    if ((ring_.features & IORING_FEAT_RSRC_TAGS) == 0) return -EOPNOTSUPP;
    const int result =
        io_uring_register_buffers(&ring_, buffers.data(), static_cast<unsigned>(buffers.size()));
    has_buffers_ = result == 0;
    return result;
  }

  void queue(const RingOperation& operation) override {
    io_uring_sqe* entry = next_entry(operation.id);
    if (operation.buffer) {
      prepare_fixed(entry, operation);
    } else {
      prepare(entry, operation);
    }
    if (registered_) io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
    entry->user_data = operation.id;  // the prep functions may have cleared it
  }

  void queue_wake(std::uint64_t id) override {
    io_uring_sqe* entry = next_entry(id);
    io_uring_prep_read(entry, wake_fd_, &wake_sink, sizeof wake_sink, 0);
    entry->user_data = id;
  }

  std::size_t queued() const override { return io_uring_sq_ready(&ring_); }

  void drop_queued() override {
    // The kernel looks at the tail only inside io_uring_enter, so it can be taken back.
    io_uring_sq& queue = ring_.sq;
    const unsigned head = *queue.khead;
    queue.sqe_head = head;
    queue.sqe_tail = head;
    *queue.ktail = head;
  }

  int submit() override {
    count_system_call();
    const int result = io_uring_submit(&ring_);
    return result < 0 ? result : 0;
  }

  int submit_and_wait(Nanoseconds timeout) override {
    io_uring_cqe* entry = nullptr;
    __kernel_timespec limit{.tv_sec = timeout / kSecond, .tv_nsec = timeout % kSecond};
    count_system_call();
    const int result = io_uring_submit_and_wait_timeout(
        &ring_, &entry, 1, timeout == kNever ? nullptr : &limit, nullptr);
    return result < 0 ? result : 0;
  }

  bool next(RingResult& result) override {
    io_uring_cqe* entry = nullptr;
    if (io_uring_cq_ready(&ring_) == 0 && holds_back()) count_system_call();
    if (io_uring_peek_cqe(&ring_, &entry) != 0 || entry == nullptr) return false;
    result = {.id = entry->user_data, .result = entry->res};
    io_uring_cqe_seen(&ring_, entry);
    return true;
  }

 private:
  // The kernel has results that it posts when it is asked for them.
  [[nodiscard]] bool holds_back() const {
    const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  }

  void prepare(io_uring_sqe* entry, const RingOperation& operation) const {
    const auto vectors = static_cast<unsigned>(operation.vectors.size());
    const int fd = registered_ ? 0 : fd_;
    switch (operation.kind) {
      case IoKind::read:
        io_uring_prep_readv(entry, fd, operation.vectors.data(), vectors, operation.position_bytes);
        break;
      case IoKind::write:
        io_uring_prep_writev2(entry, fd, operation.vectors.data(), vectors,
                              operation.position_bytes, operation.durable ? RWF_DSYNC : 0);
        break;
      case IoKind::flush:
        io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
        break;
    }
  }

  // One vector, the whole of it in a registered buffer.
  void prepare_fixed(io_uring_sqe* entry, const RingOperation& operation) const {
    const int fd = registered_ ? 0 : fd_;
    const iovec& vector = operation.vectors.front();
    const auto length = static_cast<unsigned>(vector.iov_len);
    const auto buffer = static_cast<int>(*operation.buffer);
    if (operation.kind == IoKind::read) {
      io_uring_prep_read_fixed(entry, fd, vector.iov_base, length, operation.position_bytes,
                               buffer);
      return;
    }
    io_uring_prep_write_fixed(entry, fd, vector.iov_base, length, operation.position_bytes, buffer);
    if (operation.durable) entry->rw_flags = RWF_DSYNC;
  }

  io_uring_sqe* next_entry(std::uint64_t id) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    SEQWAL_CHECK(entry != nullptr);
    entry->user_data = id;
    return entry;
  }

  io_uring ring_;
  int fd_;
  int wake_fd_;
  bool registered_ = false;  // the file
  bool has_buffers_ = false;
};

// 0 or a negative errno. Flags that this kernel does not know are refused with EINVAL.
int set_up(std::uint32_t entries, io_uring& ring, io_uring_params& parameters) {
  int result = -EINVAL;
  for (const unsigned flags : kSetupFlags) {
    parameters = {};
    parameters.flags = flags;
    result = io_uring_queue_init_params(entries, &ring, &parameters);
    if (result != -EINVAL) return result;
  }
  return result;
}

}  // namespace

Result<OpenedRing> open_system_ring(int fd, int wake_fd, std::uint32_t entries) {
  io_uring ring{};
  io_uring_params parameters{};
  if (const int result = set_up(entries, ring, parameters); result < 0) {
    return refused("io_uring_setup", -result);
  }
  auto opened = std::make_unique<SystemRing>(ring, fd, wake_fd);
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  if ((parameters.features & kNeeded) != kNeeded || parameters.cq_entries < entries) {
    return fail(ErrorCode::unsupported,
                "io_uring: this kernel's lacks features (needs Linux 5.11)");
  }
  std::string notes;
  if (const int result = opened->register_file(); result < 0) {
    notes = fmt::format("file not registered with io_uring: {}", std::strerror(-result));
  }
  if (const int result = opened->probe(); result < 0) return refused("io_uring_enter", -result);
  return OpenedRing{.ring = std::move(opened), .notes = std::move(notes)};
}

}  // namespace seqwal
