// IoTable: what a running log has in flight, by token. Every completion is matched against the slot
// and generation that its request was given, so a stray or doubled one is caught at once.
#ifndef SEQWAL_IO_TABLE_H
#define SEQWAL_IO_TABLE_H

#include <cstdint>
#include <span>
#include <vector>

#include "pacer.h"
#include "seqwal/device.h"
#include "seqwal/types.h"

namespace seqwal {

// Why a request was made.
struct IoPurpose {
  enum class Kind : std::uint8_t { block, header, flush, trim_read };
  Kind kind = Kind::block;
  std::uint32_t number = 0;  // block: which block write
  std::uint8_t half = 0;     // block: which half of its staging memory, if it stages
};

class IoTable {
 public:
  // At most `depth` in flight. Whatever is submitted is counted by `pacer`; to ask it before is the
  // caller's.
  IoTable(Device& device, std::uint32_t depth, const Pacer& pacer = {0, 0});

  [[nodiscard]] std::uint32_t in_flight() const { return in_flight_; }
  [[nodiscard]] std::uint32_t depth() const { return static_cast<std::uint32_t>(slots_.size()); }
  [[nodiscard]] bool full() const { return in_flight_ == depth(); }

  [[nodiscard]] Pacer& pacer() { return pacer_; }
  [[nodiscard]] const Pacer& pacer() const { return pacer_; }

  // Whether what is submitted from now on may begin with the caller's next wait, which then costs
  // one system call and not two.
  void defer(bool may_defer) { defers_ = may_defer; }
  // When what is submitted from now on is submitted.
  void set_time(Nanoseconds time) { time_ = time; }
  // `request.token` is filled in here. Precondition: !full().
  void submit(IoRequest request, const IoPurpose& purpose);

  // Reaps one completion. False: none there.
  struct Done {
    IoPurpose purpose;
    int os_error = 0;
    Nanoseconds latency = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] bool reap(Done& done);

  struct InFlight {
    IoPurpose purpose;
    Nanoseconds since = 0;
  };
  // What is in flight for longest. Looks at every slot. Precondition: in_flight() > 0.
  [[nodiscard]] InFlight oldest() const;

 private:
  struct Slot {
    std::uint32_t generation = 0;
    bool busy = false;
    IoPurpose purpose;
    Nanoseconds since = 0;
    std::uint64_t bytes = 0;
    std::uint64_t number = 0;  // of submission
  };

  Device& device_;
  Pacer pacer_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint32_t in_flight_ = 0;
  bool defers_ = false;
  Nanoseconds time_ = 0;
  std::uint64_t submitted_ = 0;
};

}  // namespace seqwal

#endif  // SEQWAL_IO_TABLE_H
