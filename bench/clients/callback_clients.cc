#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

#include "bench/clients/clients.h"

namespace seqwal::bench {
namespace {

class CallbackClients final : public Clients {
 public:
  CallbackClients(Target& target, Host& host, Meter& meter, const ClientOptions& options)
      : target_(target), host_(host), meter_(meter) {
    for (std::uint32_t client = 0; client < options.clients; ++client) {
      bodies_.push_back(make_body(options.record_bytes, client));
    }
    flights_.resize(std::size_t{options.clients} * options.pipeline);
    for (std::size_t i = 0; i < flights_.size(); ++i) {
      const std::size_t client = i % bodies_.size();
      flights_[i] = {.client = client, .body = bodies_[client]};
    }
  }

  void start() override {
    in_flight_.store(flights_.size());
    for (Flight& flight : flights_) begin(flight);
  }

  void nudge() override {
    while (Flight* flight = next_waiting()) {
      if (!append(*flight)) return;
    }
  }

  void stop() override {
    stopping_.store(true);
    const std::lock_guard lock(mutex_);
    in_flight_.fetch_sub(waiting_.size());
    waiting_.clear();
    waiters_.store(0);
  }

  [[nodiscard]] bool idle() const override { return in_flight_.load() == 0; }

 private:
  // One of the K of a client.
  struct Flight {
    std::size_t client = 0;
    std::span<const std::byte> body;
    Nanoseconds began = 0;
  };

  void begin(Flight& flight) {
    flight.began = host_.now();
    if (stopping_.load(std::memory_order_relaxed)) {
      in_flight_.fetch_sub(1);
    } else {
      static_cast<void>(append(flight));
    }
  }

  // False: there was no room, it waits.
  bool append(Flight& flight) {
    const auto offset = target_.append(
        flight.body, [this, &flight](const AppendResult& result) { called_back(flight, result); },
        flight.client);
    if (offset) return true;
    const ErrorCode code = offset.error().code;
    if (code != ErrorCode::would_block) meter_.refused(code);
    if (code != ErrorCode::would_block && code != ErrorCode::over_capacity) {
      in_flight_.fetch_sub(1);
      return true;
    }
    wait(flight);
    return false;
  }

  void called_back(Flight& flight, const AppendResult& result) {
    meter_.called_back(result);
    if (result.status == AppendStatus::durable) meter_.latency(host_.now() - flight.began);
    begin(flight);
    // Room that this record left is for those who came first.
    if (waiters_.load(std::memory_order_relaxed) > 0) nudge();
  }

  void wait(Flight& flight) {
    const std::lock_guard lock(mutex_);
    if (stopping_.load()) {
      in_flight_.fetch_sub(1);
      return;
    }
    waiting_.push_back(&flight);
    waiters_.store(waiting_.size());
  }

  Flight* next_waiting() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return nullptr;
    Flight* flight = waiting_.front();
    waiting_.pop_front();
    waiters_.store(waiting_.size());
    return flight;
  }

  Target& target_;
  Host& host_;
  Meter& meter_;
  std::vector<std::vector<std::byte>> bodies_;
  std::vector<Flight> flights_;
  std::atomic<std::size_t> in_flight_{0};  // those that wait for room too
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  std::deque<Flight*> waiting_;  // found no room
  std::atomic<std::size_t> waiters_{0};
};

}  // namespace

std::unique_ptr<Clients> make_callback_clients(Target& target, Host& host, Meter& meter,
                                               const ClientOptions& options) {
  return std::make_unique<CallbackClients>(target, host, meter, options);
}

}  // namespace seqwal::bench
