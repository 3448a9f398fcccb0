#include "bench/baseline/block.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace seqwal::bench {

Offset Block::add(PendingRecord record) {
  const Offset offset{start_ + bytes_};
  bytes_ += kRecordHeaderBytes + std::ssize(record.body);
  records_.push_back(std::move(record));
  return offset;
}

void BlockImage::Free::operator()(std::byte* memory) const {
  ::operator delete[](memory, std::align_val_t{kBlockBytes});
}

void BlockImage::resize(std::size_t bytes) {
  used_bytes_ = bytes;
  if (bytes <= allocated_bytes_) return;
  memory_.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{kBlockBytes})));
  allocated_bytes_ = bytes;
}

void BlockImage::compose(const Block& block) {
  resize(static_cast<std::size_t>(block.end() - block.start()));
  Offset offset{block.start()};
  std::span<std::byte> left = bytes();
  for (const PendingRecord& record : block.records()) {
    encode_record_header({.kind = RecordKind::data,
                          .body_length_bytes = static_cast<std::uint32_t>(record.body.size()),
                          .offset = offset,
                          .body_checksum = checksum(record.body)},
                         left.first<kRecordHeaderBytes>());
    std::memcpy(left.data() + kRecordHeaderBytes, record.body.data(), record.body.size());
    const std::size_t length = kRecordHeaderBytes + record.body.size();
    left = left.subspan(length);
    offset = offset + static_cast<std::int64_t>(length);
  }
  std::ranges::fill(left, std::byte{0});
}

void BlockImage::compose(const WalHeader& header) {
  resize(kBlockBytes);
  encode_wal_header(header, bytes().first<kBlockBytes>());
}

}  // namespace seqwal::bench
