#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "bench/clients/clients.h"

namespace seqwal::bench {
namespace {

constexpr Nanoseconds kRoomWait = 1'000'000;

class ThreadClients final : public Clients {
 public:
  ThreadClients(Target& target, Host& host, Meter& meter, const ClientOptions& options)
      : target_(target), host_(host), meter_(meter), options_(options) {}

  void start() override {
    running_.store(options_.clients);
    for (std::uint32_t client = 0; client < options_.clients; ++client) {
      threads_.emplace_back([this, client] {
        run(client);
        running_.fetch_sub(1);
      });
    }
  }
  void nudge() override {}
  void stop() override { stopping_.store(true); }
  [[nodiscard]] bool idle() const override { return running_.load() == 0; }

 private:
  struct Flight {
    std::atomic<std::uint32_t> done{1};
    Nanoseconds began = 0;
    bool durable = false;  // written before `done` says so
  };

  void run(std::uint32_t client) {
    const std::vector<std::byte> body = make_body(options_.record_bytes, client);
    std::deque<Flight> flights(options_.pipeline);
    bool taken = true;
    for (std::size_t next = 0; taken && !stopping_.load(std::memory_order_relaxed); ++next) {
      Flight& flight = flights[next % flights.size()];
      wait_for(flight);
      taken = begin(client, flight, body);
    }
    for (Flight& flight : flights) wait_for(flight);
  }

  void wait_for(Flight& flight) {
    while (flight.done.load(std::memory_order_acquire) == 0) host_.park(flight.done, 0, kNever);
    if (std::exchange(flight.durable, false)) meter_.latency(host_.now() - flight.began);
  }

  // False: the log takes no more.
  bool begin(std::uint32_t client, Flight& flight, std::span<const std::byte> body) {
    flight.began = host_.now();
    flight.done.store(0, std::memory_order_relaxed);
    while (true) {
      const auto offset = target_.append(
          body,
          [this, &flight](const AppendResult& result) {
            meter_.called_back(result);
            flight.durable = result.status == AppendStatus::durable;
            flight.done.store(1, std::memory_order_release);
            host_.unpark_all(flight.done);
          },
          client);
      if (offset) return true;
      const ErrorCode code = offset.error().code;
      if (code != ErrorCode::would_block) meter_.refused(code);
      const bool full = code == ErrorCode::would_block || code == ErrorCode::over_capacity;
      if (!full || stopping_.load(std::memory_order_relaxed)) {
        flight.done.store(1, std::memory_order_relaxed);
        return full;
      }
      host_.park(flight.done, 0, host_.now() + kRoomWait);
    }
  }

  Target& target_;
  Host& host_;
  Meter& meter_;
  const ClientOptions options_;
  std::atomic<std::uint32_t> running_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> threads_;
};

}  // namespace

std::unique_ptr<Clients> make_thread_clients(Target& target, Host& host, Meter& meter,
                                             const ClientOptions& options) {
  return std::make_unique<ThreadClients>(target, host, meter, options);
}

}  // namespace seqwal::bench
