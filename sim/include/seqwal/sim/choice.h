// The one choice point: everything in the simulated world that could be otherwise asks here.
//
//   choose(stream, n, label) → 0 .. n-1
//
// Who answers is exchangeable: a generator seeded by one number, a recorded list (which replays a
// run, and which shrinking works on), an odometer that goes through all of them, a fuzzer's bytes,
// RapidCheck. Convention: 0 is the simplest answer (no fault, nothing kept, the first in order), so
// that a list that ends early, or whose numbers shrink, describes a simpler run.
//
// Streams are independent of each other: leaving out what one of them asks for does not shift the
// answers of the others.
#ifndef SEQWAL_SIM_CHOICE_H
#define SEQWAL_SIM_CHOICE_H

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace seqwal::sim {

enum class Stream : std::uint8_t {
  world,     // geometry, options, which features and faults there are
  workload,  // what clients do
  schedule,  // who goes on
  latency,   // how long the disk takes
  crash,     // when the power goes, and what is left
  fault,     // which request meets which fault
};
inline constexpr std::size_t kStreams = 6;
[[nodiscard]] std::string_view to_string(Stream stream);

class Choices {
 public:
  virtual ~Choices() = default;

  // Precondition: n > 0. `label` says what is asked, for people; static storage.
  [[nodiscard]] virtual std::uint64_t choose(Stream stream, std::uint64_t n, const char* label) = 0;

  // A list that is replayed keeps in step at these two, whatever was dropped or added before.
  // What follows in this stream belongs together (an operation): shrinking drops it as a whole.
  virtual void begin_group(Stream /*stream*/) {}
  // What follows in all streams belongs together (a life of the log).
  virtual void begin_part() {}

  // True once in n times, false when n is 0. No is the simpler answer.
  [[nodiscard]] bool one_in(Stream stream, std::uint64_t n, const char* label) {
    return n != 0 && choose(stream, n, label) == n - 1;
  }
  // An integer in low .. high.
  [[nodiscard]] std::uint64_t between(Stream stream, std::uint64_t low, std::uint64_t high,
                                      const char* label) {
    return low + choose(stream, high - low + 1, label);
  }
};

// Bijective mixing of 64 bits (SplitMix64's finaliser).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}

// Answers by a seed alone: one SplitMix64 generator a stream.
class SeedChoices final : public Choices {
 public:
  explicit SeedChoices(std::uint64_t seed);
  std::uint64_t choose(Stream stream, std::uint64_t n, const char* label) override;

 private:
  std::array<std::uint64_t, kStreams> states_{};
};

// Answers by a function: RapidCheck's generators, a fuzzer's bytes.
class FunctionChoices final : public Choices {
 public:
  using Function = std::function<std::uint64_t(Stream stream, std::uint64_t n)>;
  explicit FunctionChoices(Function function) : function_(std::move(function)) {}
  std::uint64_t choose(Stream stream, std::uint64_t n, const char* label) override;

 private:
  Function function_;
};

// The answers of one run.
struct ChoiceList {
  struct Answer {
    std::uint64_t value = 0;
    bool begins_group = false;
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  using Answers = std::vector<Answer>;
  using Part = std::array<Answers, kStreams>;  // by stream
  std::vector<Part> parts{1};                  // the first one is before any begin_part

  // How many answers are not the simplest one.
  [[nodiscard]] std::size_t size() const;
  // One line a stream: its name, then the answers; an answer that begins a group has a | before it.
  // A line "part" before all parts but the first.
  [[nodiscard]] std::string to_text() const;
  // The error says which line is wrong, and how.
  [[nodiscard]] static std::expected<ChoiceList, std::string> from_text(std::string_view text);
  friend bool operator==(const ChoiceList&, const ChoiceList&) = default;
};

// Passes the answers of another on, and keeps them.
class RecordingChoices final : public Choices {
 public:
  explicit RecordingChoices(Choices& from) : from_(from) {}
  std::uint64_t choose(Stream stream, std::uint64_t n, const char* label) override;
  void begin_group(Stream stream) override;
  void begin_part() override;
  [[nodiscard]] const ChoiceList& list() const { return list_; }

 private:
  Choices& from_;
  ChoiceList list_;
  std::array<bool, kStreams> group_begins_{};
};

// Answers from a list, which must outlive this; an answer that is too large is the largest, and
// past the end (of the list, of a part, of a group) it is 0.
class ListChoices final : public Choices {
 public:
  explicit ListChoices(const ChoiceList& list) : list_(list) {}
  std::uint64_t choose(Stream stream, std::uint64_t n, const char* label) override;
  void begin_group(Stream stream) override;
  void begin_part() override;

 private:
  struct Place {
    std::size_t next = 0;
    bool group_open = false;  // the answer there begins a group, and that one has begun
  };
  [[nodiscard]] const ChoiceList::Answers* answers(std::size_t stream) const;

  const ChoiceList& list_;
  std::size_t part_ = 0;
  std::array<Place, kStreams> places_{};
};

}  // namespace seqwal::sim

#endif  // SEQWAL_SIM_CHOICE_H
