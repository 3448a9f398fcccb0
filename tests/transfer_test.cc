// Transfer over a raw device that is scripted: every short size, every boundary, every bound.
#include "seqwal/transfer.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

namespace seqwal {
namespace {

using Step = Transfer::Step;

constexpr std::uint32_t kGranule = 512;
constexpr DevicePosition kStart{8192};

// Memory cut into segments of the given lengths, each in an allocation of its own, so that a
// sanitizer sees a transfer that runs over a segment's end.
class Segments {
 public:
  explicit Segments(const std::vector<std::size_t>& lengths) {
    for (const std::size_t length : lengths) memory_.emplace_back(length);
    for (auto& piece : memory_) list_.push_back({piece.data(), piece.size()});
  }

  [[nodiscard]] std::span<const IoSegment> list() const { return list_; }
  [[nodiscard]] std::size_t total_bytes() const { return bytes().size(); }

  void fill_with_pattern() {
    std::size_t i = 0;
    for (auto& piece : memory_) {
      for (auto& byte : piece) byte = static_cast<std::byte>(i++ * 31 >> 3U);
    }
  }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> all;
    for (const auto& piece : memory_) all.insert(all.end(), piece.begin(), piece.end());
    return all;
  }

 private:
  std::vector<std::vector<std::byte>> memory_;
  std::vector<IoSegment> list_;
};

std::size_t listed_bytes(const Transfer& transfer) {
  return std::accumulate(
      transfer.segments().begin(), transfer.segments().end(), std::size_t{0},
      [](std::size_t sum, const IoSegment& segment) { return sum + segment.length_bytes; });
}

// Writes the first `bytes` of what the transfer wants written, as a kernel would.
void write_some(const Transfer& transfer, std::size_t bytes, std::vector<std::byte>& image) {
  std::size_t at = transfer.position().value - kStart.value;
  for (const IoSegment& segment : transfer.segments()) {
    const std::size_t step = std::min(bytes, segment.length_bytes);
    if (step > 0) std::memcpy(&image.at(at), segment.data, step);
    at += step;
    bytes -= step;
  }
}

TEST(Transfer, AWholeResultIsDoneAtOnce) {
  const Segments segments({4096});
  Transfer transfer(kStart, segments.list(), kGranule);
  EXPECT_EQ(transfer.position(), kStart);
  EXPECT_EQ(transfer.remaining_bytes(), 4096U);
  ASSERT_EQ(transfer.segments().size(), 1U);
  EXPECT_EQ(transfer.segments()[0].data, segments.list()[0].data);
  EXPECT_EQ(transfer.advance(4096), Step::done);
  EXPECT_EQ(transfer.remaining_bytes(), 0U);
  EXPECT_TRUE(transfer.segments().empty());
  EXPECT_EQ(transfer.os_error(), 0);
  EXPECT_EQ(transfer.retries(), 0U);
}

TEST(Transfer, EveryShortSizeGoesOnFromTheGranuleBelow) {
  const std::vector<std::vector<std::size_t>> shapes = {
      {4096}, {512, 3584}, {1024, 1024, 2048}, {512, 512, 512, 2560}};
  for (const auto& shape : shapes) {
    for (std::size_t done = 1; done < 4096; ++done) {
      Segments segments(shape);
      segments.fill_with_pattern();
      std::vector<std::byte> image(4096);
      Transfer transfer(kStart, segments.list(), kGranule);
      write_some(transfer, done, image);
      ASSERT_EQ(transfer.advance(static_cast<std::int64_t>(done)), Step::again);
      const std::size_t kept = done / kGranule * kGranule;
      ASSERT_EQ(transfer.position().value, kStart.value + kept);
      ASSERT_EQ(transfer.remaining_bytes(), 4096 - kept);
      ASSERT_EQ(listed_bytes(transfer), 4096 - kept);
      ASSERT_EQ(transfer.retries(), 1U);
      write_some(transfer, 4096 - kept, image);
      ASSERT_EQ(transfer.advance(static_cast<std::int64_t>(4096 - kept)), Step::done);
      ASSERT_EQ(image, segments.bytes());
    }
  }
}

TEST(Transfer, EveryPairOfShortResultsWritesEveryByte) {
  for (std::size_t first = 1; first < 3072; first += 17) {
    for (std::size_t second = 1; second < 3072; second += 29) {
      Segments segments({512, 1536, 1024});
      segments.fill_with_pattern();
      std::vector<std::byte> image(3072);
      Transfer transfer(kStart, segments.list(), kGranule);
      for (const std::size_t wanted : {first, second, std::size_t{3072}}) {
        const std::size_t done = std::min(wanted, transfer.remaining_bytes());
        write_some(transfer, done, image);
        if (transfer.advance(static_cast<std::int64_t>(done)) == Step::done) break;
      }
      ASSERT_EQ(transfer.remaining_bytes(), 0U);
      ASSERT_EQ(image, segments.bytes());
    }
  }
}

TEST(Transfer, AResultAtASegmentBoundaryDropsTheSegment) {
  const Segments segments({1024, 512, 2048, 512});
  Transfer transfer(kStart, segments.list(), kGranule);
  EXPECT_EQ(transfer.advance(1024), Step::again);
  ASSERT_EQ(transfer.segments().size(), 3U);
  EXPECT_EQ(transfer.segments()[0].data, segments.list()[1].data);
  EXPECT_EQ(transfer.advance(512 + 1024), Step::again);
  ASSERT_EQ(transfer.segments().size(), 2U);
  EXPECT_EQ(transfer.segments()[0].data, segments.list()[2].data + 1024);
  EXPECT_EQ(transfer.segments()[0].length_bytes, 1024U);
  EXPECT_EQ(transfer.advance(1024), Step::again);
  ASSERT_EQ(transfer.segments().size(), 1U);
  EXPECT_EQ(transfer.advance(512), Step::done);
  EXPECT_EQ(transfer.position().value, kStart.value + segments.total_bytes());
}

TEST(Transfer, OneGranuleAtATimeEnds) {
  const Segments segments({64 * kGranule, 64 * kGranule});
  Transfer transfer(kStart, segments.list(), kGranule);
  for (std::size_t i = 1; i < 128; ++i) ASSERT_EQ(transfer.advance(kGranule), Step::again);
  EXPECT_EQ(transfer.advance(kGranule), Step::done);
  EXPECT_EQ(transfer.retries(), 127U);
}

TEST(Transfer, AnyGranularityKeepsTheRestAligned) {
  for (const std::uint32_t granule : {1U, 512U, 4096U, 16384U}) {
    const Segments segments({std::size_t{16384} * 2});
    Transfer transfer(DevicePosition{0}, segments.list(), granule);
    ASSERT_EQ(transfer.advance(30001), Step::again);
    EXPECT_EQ(transfer.position().value, 30001U / granule * granule);
    EXPECT_EQ(transfer.position().value % granule, 0U);
  }
}

TEST(Transfer, ATailBelowTheGranuleCountsWhenItIsTheWholeRest) {
  const Segments segments({700});
  Transfer transfer(kStart, segments.list(), kGranule);
  EXPECT_EQ(transfer.advance(600), Step::again);
  EXPECT_EQ(transfer.remaining_bytes(), 188U);
  EXPECT_EQ(transfer.advance(188), Step::done);
}

class TransferRetries : public testing::TestWithParam<int> {};

TEST_P(TransferRetries, AreBoundedAndThenTheErrorItself) {
  const Segments segments({4096});
  Transfer transfer(kStart, segments.list(), kGranule);
  for (int i = 0; i < Transfer::kMaxRetries; ++i) {
    ASSERT_EQ(transfer.advance(-GetParam()), Step::again) << i;
  }
  EXPECT_EQ(transfer.advance(-GetParam()), Step::failed);
  EXPECT_EQ(transfer.os_error(), GetParam());
  EXPECT_EQ(transfer.retries(), static_cast<std::uint32_t>(Transfer::kMaxRetries));
}

TEST_P(TransferRetries, ChangeNothing) {
  const Segments segments({1024, 3072});
  Transfer transfer(kStart, segments.list(), kGranule);
  ASSERT_EQ(transfer.advance(-GetParam()), Step::again);
  EXPECT_EQ(transfer.position(), kStart);
  EXPECT_EQ(transfer.remaining_bytes(), 4096U);
  EXPECT_EQ(transfer.segments().size(), 2U);
  EXPECT_EQ(transfer.advance(4096), Step::done);
}

TEST_P(TransferRetries, StartOverAfterProgress) {
  const Segments segments({8 * kGranule});
  Transfer transfer(kStart, segments.list(), kGranule);
  for (int granule = 0; granule < 7; ++granule) {
    for (int i = 0; i < Transfer::kMaxRetries; ++i) {
      ASSERT_EQ(transfer.advance(-GetParam()), Step::again);
    }
    ASSERT_EQ(transfer.advance(kGranule), Step::again);
  }
  EXPECT_EQ(transfer.advance(kGranule), Step::done);
}

INSTANTIATE_TEST_SUITE_P(Both, TransferRetries, testing::Values(EAGAIN, EINTR));

TEST(Transfer, StallsOfDifferentKindsShareOneBound) {
  const Segments segments({4096});
  Transfer transfer(kStart, segments.list(), kGranule);
  const std::vector<std::int64_t> stalls = {-EAGAIN, -EINTR, 100};
  for (int i = 0; i < Transfer::kMaxRetries; ++i) {
    ASSERT_EQ(transfer.advance(stalls.at(static_cast<std::size_t>(i) % 3)), Step::again);
  }
  EXPECT_EQ(transfer.advance(-EINTR), Step::failed);
  EXPECT_EQ(transfer.os_error(), EINTR);
}

TEST(Transfer, LessThanAGranuleAgainAndAgainIsAnIoError) {
  const Segments segments({4096});
  Transfer transfer(kStart, segments.list(), kGranule);
  for (int i = 0; i < Transfer::kMaxRetries; ++i) {
    ASSERT_EQ(transfer.advance(511), Step::again);
    ASSERT_EQ(transfer.position(), kStart);
  }
  EXPECT_EQ(transfer.advance(511), Step::failed);
  EXPECT_EQ(transfer.os_error(), EIO);
}

TEST(Transfer, ZeroBytesIsAnIoErrorAtOnce) {
  const Segments segments({4096});
  Transfer fresh(kStart, segments.list(), kGranule);
  EXPECT_EQ(fresh.advance(0), Step::failed);
  EXPECT_EQ(fresh.os_error(), EIO);
  Transfer begun(kStart, segments.list(), kGranule);
  ASSERT_EQ(begun.advance(1024), Step::again);
  EXPECT_EQ(begun.advance(0), Step::failed);
  EXPECT_EQ(begun.os_error(), EIO);
}

TEST(Transfer, MoreThanWasAskedIsAnIoError) {
  const Segments segments({4096});
  for (const std::int64_t excess : {std::int64_t{4097}, std::numeric_limits<std::int64_t>::max()}) {
    Transfer transfer(kStart, segments.list(), kGranule);
    EXPECT_EQ(transfer.advance(excess), Step::failed);
    EXPECT_EQ(transfer.os_error(), EIO);
  }
  // Judged by what is left, not by what the transfer once was.
  Transfer transfer(kStart, segments.list(), kGranule);
  ASSERT_EQ(transfer.advance(1024), Step::again);
  EXPECT_EQ(transfer.advance(4096), Step::failed);
  EXPECT_EQ(transfer.os_error(), EIO);
}

TEST(Transfer, AnyOtherErrorIsFinalAtOnce) {
  const Segments segments({4096});
  for (const int os_error : {EIO, ENOSPC, EINVAL, ECANCELED, EBADF, ENXIO, EROFS, ETIMEDOUT}) {
    Transfer transfer(kStart, segments.list(), kGranule);
    EXPECT_EQ(transfer.advance(-os_error), Step::failed);
    EXPECT_EQ(transfer.os_error(), os_error);
    EXPECT_EQ(transfer.retries(), 0U);
  }
}

TEST(Transfer, CopiesTheSegmentList) {
  Segments segments({1024, 1024});
  std::vector<IoSegment> list(segments.list().begin(), segments.list().end());
  Transfer transfer(kStart, list, kGranule);
  list.assign(2, IoSegment{});
  ASSERT_EQ(transfer.advance(512), Step::again);
  EXPECT_EQ(transfer.segments()[0].data, segments.list()[0].data + 512);
  EXPECT_EQ(list[0].data, nullptr);
}

TEST(TransferDeathTest, RefusesWhatItDocuments) {
  const Segments five({512, 512, 512, 512, 512});
  const Segments one({512});
  EXPECT_DEATH(Transfer(kStart, five.list(), kGranule), "precondition");
  EXPECT_DEATH(Transfer(kStart, {}, kGranule), "precondition");
  EXPECT_DEATH(Transfer(kStart, one.list(), 768), "precondition");
  Transfer done(kStart, one.list(), kGranule);
  ASSERT_EQ(done.advance(512), Step::done);
  EXPECT_DEATH(static_cast<void>(done.advance(512)), "precondition");
}

}  // namespace
}  // namespace seqwal
