// Streams over one log: what a layer above does with callbacks in order.
#include "stream_store.h"

#include <cinttypes>
#include <cstdio>
#include <string>

#include "seqwal/backends/callback_threads.h"
#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/open.h"
#include "seqwal/backends/posix_host.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  constexpr std::uint64_t kCapacity = 4 << 20;
  constexpr std::uint64_t kStreams = 3;
  seqwal::PosixHost host;
  auto opened = seqwal::open_device_for_create({.path = argv[1]}, kCapacity, false).value().opened;
  seqwal::create_log(*opened.device, host, {.capacity_bytes = kCapacity}).value();

  // Streams do not wait for each other's callbacks.
  seqwal::CallbackThreads callbacks({.threads = 2});
  auto log = seqwal::Log::open(*opened.device, host, {.executor = &callbacks}).value();
  log->recover([](const seqwal::RecoveredRecord&) { return true; }).value();
  log->reset().value();
  stream_store::StreamStore store(*log);
  {
    seqwal::LogThread thread(*log, *opened.device, host);
    for (std::uint64_t i = 0; i < 300; ++i) {
      const std::string text = "record " + std::to_string(i);
      static_cast<void>(store.append(i % kStreams, std::as_bytes(std::span(text))).value());
    }
    thread.close().value();
  }
  for (std::uint64_t stream = 0; stream < kStreams; ++stream) {
    std::printf("stream %" PRIu64 ": confirmed up to %" PRIu64 "\n", stream, store.confirm(stream));
  }
}
