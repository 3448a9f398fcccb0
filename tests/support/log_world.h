// LogWorld: a running log on a MemoryDevice, driven step by step by a single-threaded test.
//
//   LogWorld world({.capacity_bytes = 64_KiB});
//   Offset a = world.append(100);         // accepted, or the test fails
//   world.run();                          // poll until nothing moves any more
//   EXPECT_EQ(world.acked(), …);
//   LogWorld after = … world.crash_image() …
//
// Bodies are a function of their offset's order of appending, so that a recovered record can be
// checked byte for byte.
#ifndef SEQWAL_TESTS_SUPPORT_LOG_WORLD_H
#define SEQWAL_TESTS_SUPPORT_LOG_WORLD_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "seqwal/log.h"
#include "tests/support/manual_host.h"
#include "tests/support/memory_device.h"

namespace seqwal::testing_support {

struct LogWorldOptions {
  std::uint64_t capacity_bytes = 64 << 10;
  FormatVersion version = FormatVersion::v0;
  LogOptions log = {.blocks = 8, .slots = 1024};
  DeviceLimits limits = MemoryDevice::default_limits();
};

// A record as recovery delivered it.
struct Recovered {
  Offset offset;
  std::vector<std::byte> body;
  friend bool operator==(const Recovered&, const Recovered&) = default;
};

class EventRecorder final : public EventSink {
 public:
  void on_event(const Event& event) override { events.push_back(event); }
  [[nodiscard]] std::size_t count(EventKind kind) const;
  std::vector<Event> events;
};

class LogWorld {
 public:
  // A new log: created, recovered (empty), reset.
  explicit LogWorld(const LogWorldOptions& options);
  // A log found on `image`: recovered into found(), then reset if `reset`.
  LogWorld(std::vector<std::byte> image, const LogWorldOptions& options, bool reset = true);
  ~LogWorld();
  LogWorld(const LogWorld&) = delete;
  LogWorld& operator=(const LogWorld&) = delete;

  // Appends a body of this length; the callback's result lands in results().
  Result<Offset> try_append(std::size_t body_bytes);
  Offset append(std::size_t body_bytes);
  // Trims and remembers the outcome in trims().
  Result<void> trim(Offset offset);
  // Polls until nothing moves: with held completions that may leave much in flight.
  void run();
  void poll() { (void)log().poll(host.now()); }
  void close();
  // The process is gone. The world is only good for device() afterwards.
  void kill();

  [[nodiscard]] Log& log() { return *log_; }
  [[nodiscard]] MemoryDevice& device() { return *device_; }
  [[nodiscard]] const std::vector<Recovered>& found() const { return found_; }
  [[nodiscard]] Offset start() const { return start_; }
  // Accepted appends: offset → body.
  [[nodiscard]] const std::map<Offset, std::vector<std::byte>>& appended() const {
    return appended_;
  }
  // Callbacks, in the order in which they ran.
  [[nodiscard]] const std::vector<AppendResult>& results() const { return results_; }
  [[nodiscard]] std::vector<Offset> acked() const;  // of them, the durable ones
  [[nodiscard]] const std::vector<Result<Offset>>& trims() const { return trims_; }
  // The highest offset that a trim was asked for: what lies above it must stay.
  [[nodiscard]] Offset trim_asked() const { return trim_asked_; }

  ManualHost host;
  EventRecorder events;

 private:
  void open(const LogWorldOptions& options, bool reset);
  // Moves the clock where the log waits for the pacer.
  void poll_paced();

  std::unique_ptr<MemoryDevice> device_;
  std::unique_ptr<Log> log_;
  std::vector<Recovered> found_;
  Offset start_;
  std::uint64_t appends_ = 0;
  std::map<Offset, std::vector<std::byte>> appended_;
  std::vector<AppendResult> results_;
  std::vector<Result<Offset>> trims_;
  Offset trim_asked_ = kNoOffset;
};

// Deterministic bytes.
[[nodiscard]] std::vector<std::byte> make_body(std::uint64_t seed, std::size_t length_bytes);

// What recovery gives on an image; fails the test when it can't be opened.
[[nodiscard]] std::vector<Recovered> recover_image(const std::vector<std::byte>& image,
                                                   RecoveryMode mode = RecoveryMode::standard,
                                                   bool salvage = false);
// What recovery says of an image that it may refuse.
[[nodiscard]] Result<RecoveryReport> read_image(const std::vector<std::byte>& image,
                                                const RecoveryOptions& options = {});

}  // namespace seqwal::testing_support

#endif  // SEQWAL_TESTS_SUPPORT_LOG_WORLD_H
