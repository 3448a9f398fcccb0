#include "tests/support/recording_device.h"

#include <algorithm>

namespace seqwal::testing_support {

RecordingDevice::RecordingDevice(Device& device, bool volatile_cache, DurableWrite durable_write)
    : device_(device), limits_(device.limits()) {
  limits_.volatile_cache = volatile_cache;
  limits_.durable_write = durable_write;
}

std::size_t RecordingDevice::submit(std::span<const IoRequest> requests) {
  const std::size_t taken = device_.submit(requests);
  for (const IoRequest& request : requests.first(taken)) {
    if (request.kind == IoKind::read) continue;
    RecordedIo io{.token = request.token,
                  .kind = request.kind,
                  .durable = request.durable,
                  .position = request.position.value,
                  .bytes = {},
                  .submitted = ++moment_};
    for (const IoSegment& segment : request.segments) {
      io.bytes.insert(io.bytes.end(), segment.data, segment.data + segment.length_bytes);
    }
    history_.push_back(std::move(io));
  }
  return taken;
}

std::size_t RecordingDevice::reap(std::span<IoCompletion> completions) {
  const std::size_t count = device_.reap(completions);
  for (const IoCompletion& completion : completions.first(count)) {
    const auto io = std::find_if(history_.rbegin(), history_.rend(), [&](const RecordedIo& past) {
      return past.token == completion.token;
    });
    if (io == history_.rend() || io->completed != 0 || completion.os_error != 0) continue;
    io->completed = ++moment_;
    if (io->kind == IoKind::flush) {
      settle(*io);
    } else if (io->durable || !limits_.volatile_cache) {
      io->settled = io->completed;
    }
  }
  return count;
}

// A flush covers the writes whose completions were reaped before it was submitted.
void RecordingDevice::settle(const RecordedIo& flush) {
  for (RecordedIo& io : history_) {
    if (io.kind == IoKind::flush || io.settled != 0) continue;
    if (io.completed != 0 && io.completed < flush.submitted) io.settled = flush.completed;
  }
}

void Replay::advance(std::uint64_t moment) {
  moment_ = moment;
  while (end_ < history_.size() && history_[end_].submitted <= moment) ++end_;
  while (first_ < end_) {
    const RecordedIo& io = history_[first_];
    if (io.kind == IoKind::write) {
      if (!is_settled(io)) return;
      std::ranges::copy(io.bytes, image_.begin() + static_cast<std::ptrdiff_t>(io.position));
    }
    ++first_;
  }
}

std::size_t Replay::unsettled() const {
  return static_cast<std::size_t>(std::count_if(
      history_.begin() + static_cast<std::ptrdiff_t>(first_),
      history_.begin() + static_cast<std::ptrdiff_t>(end_),
      [this](const RecordedIo& io) { return io.kind == IoKind::write && !is_settled(io); }));
}

std::vector<std::byte> Replay::cut(const Fate& fate) const {
  std::vector<std::byte> image = image_;
  for (std::size_t i = first_; i < end_; ++i) {
    const RecordedIo& io = history_[i];
    if (io.kind != IoKind::write) continue;
    const auto sectors = std::span(image).subspan(io.position, io.bytes.size());
    if (is_settled(io)) {
      std::ranges::copy(io.bytes, sectors.begin());
    } else {
      fate(sectors, io.bytes);
    }
  }
  return image;
}

}  // namespace seqwal::testing_support
