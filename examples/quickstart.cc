#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>

#include "seqwal/backends/log_thread.h"
#include "seqwal/backends/open.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  constexpr std::uint64_t kCapacity = 1 << 20;
  seqwal::PosixHost host;
  // What can fail returns a Result. Here value() throws; a program would look at error().
  auto opened = seqwal::open_device_for_create({.path = argv[1]}, kCapacity, false).value().opened;
  seqwal::create_log(*opened.device, host, {.capacity_bytes = kCapacity}).value();

  auto log = seqwal::Log::open(*opened.device, host, {}).value();
  log->recover([](const seqwal::RecoveredRecord&) { return true; }).value();  // what it holds
  log->reset().value();                                                       // discards that
  seqwal::LogThread thread(*log, *opened.device, host);
  // Runs in offset order on the log's thread, which may also append, trim and close.
  const auto told = [](const seqwal::AppendResult& result) {
    const bool durable = result.status == seqwal::AppendStatus::durable;
    std::printf("%jd %s\n", std::intmax_t{result.offset.value}, durable ? "durable" : "failed");
  };
  for (const std::string_view text : {"one", "two", "three"}) {
    log->append(std::as_bytes(std::span(text)), told).value();
  }
  thread.close().value();  // waits for every callback, marks the header graceful
}
