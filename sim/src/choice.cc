#include "seqwal/sim/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "seqwal/check.h"

namespace seqwal::sim {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;
constexpr std::array<std::string_view, kStreams> kNames = {"world",   "workload", "schedule",
                                                           "latency", "crash",    "fault"};

constexpr std::string_view kPart = "part";

std::size_t index_of(Stream stream) { return static_cast<std::size_t>(stream); }

}  // namespace

std::string_view to_string(Stream stream) { return kNames.at(index_of(stream)); }

SeedChoices::SeedChoices(std::uint64_t seed) {
  for (std::size_t i = 0; i < kStreams; ++i) states_.at(i) = mix(mix(seed + kGolden) + i * kGolden);
}

std::uint64_t SeedChoices::choose(Stream stream, std::uint64_t n, const char* /*label*/) {
  SEQWAL_REQUIRE(n > 0);
  std::uint64_t& state = states_[index_of(stream)];
  state += kGolden;
  const std::uint64_t bits = mix(state);
  // The high half of a product is uniform enough where n is small, and needs no division.
  return n <= 0xFFFFFFFFU ? (bits >> 32U) * n >> 32U : bits % n;
}

std::uint64_t FunctionChoices::choose(Stream stream, std::uint64_t n, const char* /*label*/) {
  return std::min(function_(stream, n), n - 1);
}

std::size_t ChoiceList::size() const {
  std::size_t size = 0;
  for (const Part& part : parts) {
    for (const Answers& answers : part) {
      size += answers.size() -
              static_cast<std::size_t>(std::ranges::count(answers, 0U, &Answer::value));
    }
  }
  return size;
}

std::string ChoiceList::to_text() const {
  std::string text;
  for (const Part& part : parts) {
    if (&part != &parts.front()) text += fmt::format("{}\n", kPart);
    for (std::size_t i = 0; i < kStreams; ++i) {
      if (part.at(i).empty()) continue;
      text += kNames.at(i);
      for (const Answer& answer : part.at(i)) {
        text += fmt::format(" {}{}", answer.begins_group ? "|" : "", answer.value);
      }
      text += '\n';
    }
  }
  return text;
}

std::expected<ChoiceList, std::string> ChoiceList::from_text(std::string_view text) {
  ChoiceList list;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line == kPart) {
      list.parts.emplace_back();
      continue;
    }
    Answers* answers = nullptr;
    while (!line.empty()) {
      std::string_view word = line.substr(0, line.find(' '));
      line.remove_prefix(std::min(line.size(), word.size() + 1));
      if (word.empty()) continue;
      if (answers == nullptr) {
        const auto name = std::ranges::find(kNames, word);
        if (name == kNames.end()) {
          return std::unexpected(fmt::format("line {}: no stream is named '{}'", number, word));
        }
        answers = &list.parts.back().at(static_cast<std::size_t>(name - kNames.begin()));
        continue;
      }
      Answer answer;
      answer.begins_group = word.front() == '|';
      if (answer.begins_group) word.remove_prefix(1);
      const auto parsed = std::from_chars(word.data(), word.data() + word.size(), answer.value);
      if (word.empty() || parsed.ec != std::errc{} || parsed.ptr != word.data() + word.size()) {
        return std::unexpected(fmt::format("line {}: '{}' is no answer", number, word));
      }
      answers->push_back(answer);
    }
  }
  return list;
}

std::uint64_t RecordingChoices::choose(Stream stream, std::uint64_t n, const char* label) {
  const std::uint64_t value = from_.choose(stream, n, label);
  const std::size_t index = index_of(stream);
  list_.parts.back()[index].push_back({.value = value, .begins_group = group_begins_[index]});
  group_begins_[index] = false;
  return value;
}

void RecordingChoices::begin_group(Stream stream) {
  from_.begin_group(stream);
  group_begins_[index_of(stream)] = true;
}

void RecordingChoices::begin_part() {
  from_.begin_part();
  list_.parts.emplace_back();
  group_begins_ = {};
}

const ChoiceList::Answers* ListChoices::answers(std::size_t stream) const {
  return part_ < list_.parts.size() ? &list_.parts[part_][stream] : nullptr;
}

std::uint64_t ListChoices::choose(Stream stream, std::uint64_t n, const char* /*label*/) {
  const std::size_t index = index_of(stream);
  const ChoiceList::Answers* all = answers(index);
  Place& place = places_[index];
  if (all == nullptr || place.next >= all->size()) return 0;
  const ChoiceList::Answer& answer = (*all)[place.next];
  if (answer.begins_group && !place.group_open) return 0;
  ++place.next;
  place.group_open = false;
  return std::min(answer.value, n - 1);
}

// To where the next group begins; one that has begun and asked for nothing goes on.
void ListChoices::begin_group(Stream stream) {
  const std::size_t index = index_of(stream);
  const ChoiceList::Answers* all = answers(index);
  Place& place = places_[index];
  if (all == nullptr || place.group_open) return;
  while (place.next < all->size() && !(*all)[place.next].begins_group) ++place.next;
  place.group_open = true;
}

void ListChoices::begin_part() {
  ++part_;
  places_ = {};
}

}  // namespace seqwal::sim
