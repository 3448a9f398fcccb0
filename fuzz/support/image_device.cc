#include "fuzz/support/image_device.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "fuzz/support/fuzzer.h"
#include "seqwal/format.h"

namespace seqwal::fuzz {

ImageMemory::ImageMemory() : touched_(kBytes / kBlockBytes) {
  void* memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  demand(memory != MAP_FAILED, "no memory for images");
  data_ = static_cast<std::byte*>(memory);
}

ImageMemory::~ImageMemory() { ::munmap(data_, kBytes); }

std::span<std::byte> ImageMemory::at(std::uint64_t position, std::size_t length) {
  demand(position <= kBytes && length <= kBytes - position, "the image does not fit");
  for (std::uint64_t block = position / kBlockBytes; block * kBlockBytes < position + length;
       ++block) {
    touched_[block] = true;
  }
  return std::span(data_, kBytes).subspan(position, length);
}

void ImageMemory::clear() {
  for (std::size_t block = 0; block < touched_.size(); ++block) {
    if (!touched_[block]) continue;
    std::memset(data_ + block * kBlockBytes, 0, kBlockBytes);
    touched_[block] = false;
  }
}

ImageDevice::ImageDevice(const HostileImage& image, std::uint64_t log_end_bytes)
    : image_(image), limits_(image.limits), log_end_bytes_(log_end_bytes) {}

ImageDevice::~ImageDevice() { demand(pending_.empty(), "the device is left with reads in flight"); }

std::size_t ImageDevice::submit(std::span<const IoRequest> requests) {
  const std::size_t taken = std::min(requests.size(), limits_.depth - pending_.size());
  for (const IoRequest& request : requests.first(taken)) accept(request);
  return taken;
}

void ImageDevice::accept(const IoRequest& request) {
  demand(request.kind != IoKind::write, "recovery writes");
  Pending pending;
  pending.token = request.token;
  pending.position = request.position;
  if (request.kind == IoKind::read) {
    demand(request.segments.size() <= kMaxSegments, "a read in too many pieces");
    std::ranges::copy(request.segments, pending.segments.begin());
    pending.segment_count = request.segments.size();
    std::uint64_t length = 0;
    for (const IoSegment& segment : request.segments) {
      demand(std::bit_cast<std::uintptr_t>(segment.data) % limits_.buffer_alignment_bytes == 0 &&
                 segment.length_bytes % limits_.block_bytes == 0 && segment.length_bytes > 0,
             "a misaligned read");
      length += segment.length_bytes;
    }
    demand(request.position.value % limits_.block_bytes == 0, "a misaligned read");
    demand(length > 0 && length <= limits_.max_transfer_bytes, "a read too long for the device");
    demand(request.position.value <= log_end_bytes_ &&
               length <= log_end_bytes_ - request.position.value,
           "I11: a read behind the end of the log");
    read_bytes_ += length;
  }
  pending_.push_back(pending);
}

// What a failed read leaves behind is not to be believed, least of all when it looks well.
int ImageDevice::transfer(const Pending& pending) const {
  int os_error = 0;
  std::uint64_t position = pending.position.value;
  for (const IoSegment& segment : std::span(pending.segments).first(pending.segment_count)) {
    const auto from = image_.bytes.subspan(position, segment.length_bytes);
    std::memcpy(segment.data, from.data(), from.size());
    for (std::uint64_t block = position / kBlockBytes;
         block * kBlockBytes < position + segment.length_bytes; ++block) {
      if (block < image_.unreadable.size() && image_.unreadable[block]) os_error = EIO;
    }
    if (os_error != 0 && !image_.errors_keep_bytes) {
      std::memset(segment.data, 0xA5, segment.length_bytes);
    }
    position += segment.length_bytes;
  }
  return os_error;
}

std::size_t ImageDevice::reap(std::span<IoCompletion> completions) {
  std::size_t count = 0;
  // One at a time, so that the order matters.
  if (!pending_.empty() && !completions.empty()) {
    const auto chosen = image_.last_first ? pending_.end() - 1 : pending_.begin();
    completions[count++] = {.token = chosen->token, .os_error = transfer(*chosen)};
    pending_.erase(chosen);
  }
  return count;
}

void ImageDevice::wait(Nanoseconds /*deadline*/) {
  demand(!pending_.empty(), "recovery waits, and nothing is in flight");
}

}  // namespace seqwal::fuzz
