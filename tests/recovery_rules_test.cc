// What the rules of recovery make of what stands on the disk, step by step, beside what whole
// images show (tests/conformance_test.cc and its neighbours).
#include "core/src/recovery_rules.h"

#include <gtest/gtest.h>

#include "seqwal/geometry.h"

namespace seqwal {
namespace {

constexpr std::int64_t kBlock = kBlockBytes;

RecoveryRules rules_of(FormatVersion version, RecoveryMode mode) {
  WalHeader header;
  header.version = version;
  header.capacity_bytes = 64 << 10;
  header.trim = kNoOffset;
  header.window_bytes = 1 << 20;
  return {Geometry(header.capacity_bytes), header, mode};
}

Parsed record(std::int64_t offset) {
  return {.found = Found::data, .offset = Offset{offset}, .end = Offset{offset + 124}};
}
Parsed nothing(std::int64_t offset) {
  return {.found = Found::invalid_header, .offset = Offset{offset}, .end = Offset{offset}};
}

TEST(RecoveryRules, DamageIsWhatBeginsBelowTheWatermark) {
  RecoveryRules rules = rules_of(FormatVersion::v0, RecoveryMode::prefix);
  rules.raise_watermark(Offset{2 * kBlock});
  rules.note_damage({Offset{2 * kBlock}, Offset{3 * kBlock}});
  EXPECT_FALSE(rules.damaged());
  rules.note_damage({Offset{kBlock}, Offset{2 * kBlock}});
  EXPECT_TRUE(rules.damaged());
  EXPECT_EQ(rules.missing().size(), 1U);
}

// A whole record of a timeline that a resume has cut off, above every watermark.
TEST(RecoveryRules, AnOrphanEndsWhatIsContiguousAndIsAHoleToOthers) {
  for (const auto version : {FormatVersion::v0, FormatVersion::v1}) {
    for (const auto mode : {RecoveryMode::standard, RecoveryMode::strict, RecoveryMode::prefix}) {
      RecoveryRules rules = rules_of(version, mode);
      EXPECT_TRUE(rules.advance(record(0)));
      EXPECT_FALSE(rules.advance(nothing(124), Proof::proven));
      ASSERT_EQ(rules.next(), Offset{kBlock});
      EXPECT_FALSE(rules.advance(record(kBlock), Proof::refuted));
      EXPECT_EQ(rules.verdict(), Verdict::orphan);
      EXPECT_EQ(rules.tail().end, Offset{124});
      EXPECT_FALSE(rules.damaged());
      if (version == FormatVersion::v1 || mode == RecoveryMode::prefix) {
        EXPECT_TRUE(rules.done());
        continue;
      }
      ASSERT_EQ(rules.next(), Offset{2 * kBlock});
      EXPECT_TRUE(rules.advance(record(2 * kBlock)));
      EXPECT_EQ(rules.hole(), (OffsetRange{Offset{kBlock}, Offset{2 * kBlock}}));
      EXPECT_TRUE(rules.tail().is_followed);
    }
  }
}

// The same below the watermark: something newer was durable there.
TEST(RecoveryRules, AnOrphanBelowTheWatermarkIsDamage) {
  RecoveryRules rules = rules_of(FormatVersion::v0, RecoveryMode::prefix);
  rules.raise_watermark(Offset{kBlock});
  EXPECT_FALSE(rules.advance(record(0), Proof::refuted));
  EXPECT_EQ(rules.verdict(), Verdict::damage);
  ASSERT_EQ(rules.next(), Offset{kBlock});
  EXPECT_FALSE(rules.damaged()) << "what follows is not known yet";
  EXPECT_TRUE(rules.advance(record(kBlock)));
  EXPECT_TRUE(rules.damaged());
}

}  // namespace
}  // namespace seqwal
