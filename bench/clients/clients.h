// Clients: who appends. N of them, each with K appends in flight all the time and no think time; or
// a crowd whose records arrive at a given rate, whatever becomes of those before (open_loop.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/meter.h"
#include "bench/target.h"
#include "seqwal/host.h"

namespace seqwal::bench {

struct ClientOptions {
  std::uint32_t clients = 8;
  std::uint32_t pipeline = 1;
  std::uint64_t record_bytes = 1024;
  std::uint64_t arrivals_per_second = 0;  // open loop: instead of clients and their pipelines
  std::uint64_t seed = 1;                 // of the arrivals
};

class Clients {
 public:
  // All of them have stopped.
  virtual ~Clients() = default;

  virtual void start() = 0;
  // Every millisecond or so: whose append found no room tries again.
  virtual void nudge() = 0;
  // No more appends from now on.
  virtual void stop() = 0;
  // Nothing is in flight any more: after stop(), or because the log takes nothing.
  [[nodiscard]] virtual bool idle() const = 0;
};

// Each append is followed by the next one from inside its callback. Nobody ever waits.
[[nodiscard]] std::unique_ptr<Clients> make_callback_clients(Target& target, Host& host,
                                                             Meter& meter,
                                                             const ClientOptions& options);
// Each is a thread, which waits for the oldest of its appends. Destroyed after stop() only.
[[nodiscard]] std::unique_ptr<Clients> make_thread_clients(Target& target, Host& host, Meter& meter,
                                                           const ClientOptions& options);

// A body that does not compress, different for each client.
[[nodiscard]] std::vector<std::byte> make_body(std::uint64_t bytes, std::uint64_t client);

}  // namespace seqwal::bench
