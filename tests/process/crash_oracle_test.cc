// The oracle of the crash test finds what it is there to find.
#include "tests/process/crash_oracle.h"

#include <gtest/gtest.h>

namespace seqwal::process {
namespace {

class CrashOracle : public testing::Test {
 protected:
  CrashOracle() {
    for (std::uint64_t i = 0; i < 6; ++i) found_.push_back({offset_of(i), source_.record(i)});
    life_.offered = 8;
    for (std::uint64_t i = 0; i < 4; ++i) life_.acknowledged.push_back(offset_of(i));
  }
  static std::int64_t offset_of(std::uint64_t index) {
    return static_cast<std::int64_t>(index) * 1000;
  }
  [[nodiscard]] bool content() const { return !complaint(life_, source_, found_); }

  RecordSource source_{1, Mix::small};
  Life life_;
  std::vector<Recovered> found_;  // 0 to 5 of 8 offered, 4 of them acknowledged
};

TEST_F(CrashOracle, IsContentWithWhatWasAcknowledgedAndMore) {
  EXPECT_TRUE(content());
  found_.resize(4);
  EXPECT_TRUE(content());
}

TEST_F(CrashOracle, MissesAnAcknowledgedRecordAtTheEnd) {
  found_.resize(3);
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, MissesAnAcknowledgedRecordInTheMiddle) {
  found_.erase(found_.begin() + 1);
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, ExpectsFromAResumeWhatWasThere) {
  life_.resumes = true;
  life_.before = {{-500, "kept"}};
  EXPECT_FALSE(content()) << "it is not there";
  found_.insert(found_.begin(), life_.before[0]);
  EXPECT_TRUE(content());
  found_.pop_back();
  found_.back().offset += 1;
  EXPECT_TRUE(content()) << "nobody was told of that one";
  found_[4].offset += 1;
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, NoticesAChangedByte) {
  found_[2].body[0] ^= 1;
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, NoticesAnotherOffset) {
  found_[2].offset += 1;
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, NoticesRecordsThatAreSwapped) {
  std::swap(found_[4].body, found_[5].body);
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, AllowsAHoleBehindTheAcknowledgedInVersion0Only) {
  found_.erase(found_.begin() + 4);
  EXPECT_TRUE(content());
  life_.contiguous = true;
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, NoticesARecordThatWasNeverOffered) {
  found_.push_back({offset_of(8), source_.record(8)});
  EXPECT_FALSE(content());
  found_.back().body = source_.record(7);
  EXPECT_TRUE(content());
}

TEST_F(CrashOracle, NoticesARecordThatComesTwice) {
  found_.push_back({offset_of(6), source_.record(5)});
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, NoticesARecordOfAnEarlierLife) {
  found_.push_back({offset_of(6), RecordSource(2, Mix::small).record(6)});
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, AllowsThatNothingChangedBeforeAnythingWasAcknowledged) {
  life_.acknowledged.clear();
  const RecordSource earlier(2, Mix::small);
  life_.before = {{10, earlier.record(0)}, {2000, earlier.record(1)}};
  found_ = life_.before;
  EXPECT_TRUE(content());
  found_.pop_back();
  EXPECT_FALSE(content());
  life_.acknowledged = {10};
  found_ = life_.before;
  EXPECT_FALSE(content());
}

TEST_F(CrashOracle, RecordsAreAFunctionOfTheSeed) {
  for (const Mix mix : {Mix::tiny, Mix::small, Mix::blocks, Mix::mixed, Mix::long_ones}) {
    EXPECT_EQ(RecordSource(5, mix).record(3), RecordSource(5, mix).record(3));
    EXPECT_NE(RecordSource(5, mix).record(3), RecordSource(6, mix).record(3));
    EXPECT_FALSE(RecordSource(5, mix).record(3).empty());
  }
}

}  // namespace
}  // namespace seqwal::process
