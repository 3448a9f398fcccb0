// How a block write becomes durable, by what the caller asks for and the device needs.
#ifndef SEQWAL_DURABLE_BY_H
#define SEQWAL_DURABLE_BY_H

#include <cstdint>

#include "seqwal/device.h"
#include "seqwal/types.h"

namespace seqwal {

enum class DurableBy : std::uint8_t { completion, durable_write, flush };

[[nodiscard]] inline DurableBy choose_durability(Durability durability,
                                                 const DeviceLimits& limits) {
  switch (durability) {
    case Durability::none:
      return DurableBy::completion;
    case Durability::dsync:
      return DurableBy::durable_write;
    case Durability::automatic:
      break;
  }
  switch (limits.durable_write) {
    case DurableWrite::free:
      return DurableBy::completion;
    case DurableWrite::fua:
      return DurableBy::durable_write;
    case DurableWrite::flush:
      break;
  }
  return DurableBy::flush;
}

}  // namespace seqwal

#endif  // SEQWAL_DURABLE_BY_H
