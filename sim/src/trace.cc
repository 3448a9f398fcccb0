#include "seqwal/sim/trace.h"

#include <fmt/format.h>

#include <array>

#include "seqwal/error.h"
#include "seqwal/events.h"
#include "seqwal/sim/fault.h"

namespace seqwal::sim {
namespace {

constexpr std::array<std::string_view, 5> kInjuryNames = {
    "harmless", "damage reported, nothing lost", "detected", "silent", "an old timeline revived"};

constexpr std::array<std::string_view, 3> kKinds = {"read", "write", "flush"};
constexpr std::array<std::string_view, 3> kStatuses = {"durable", "rejected", "indeterminate"};

std::string request(const TraceRow& row) {
  const std::string_view kind = kKinds.at(static_cast<std::size_t>(row.a));
  return row.a == 2 ? std::string(kind) : fmt::format("{} of {} at {}", kind, row.c, row.b);
}

std::string code(std::int64_t value) {
  return std::string(to_string(static_cast<ErrorCode>(value)));
}

std::string detail(const TraceRow& row) {
  switch (row.kind) {
    case Happened::world:
      return fmt::format("capacity {}, version {}, profile {}", row.a, row.b, row.c);
    case Happened::run:
      return fmt::format("fiber {}", row.a);
    case Happened::submitted:
      return request(row) + (row.d != 0 ? ", durable" : "");
    case Happened::completed:
      return request(row) + (row.d != 0 ? fmt::format(": errno {}", row.d) : "");
    case Happened::fault:
      return fmt::format("{} at {}", info(static_cast<Fault>(row.a)).name, row.b);
    case Happened::appended:
      return fmt::format("{} ({} bytes)", row.a, row.b);
    case Happened::refused:
      return code(row.b);
    case Happened::called:
      return fmt::format("{} {}", row.a, kStatuses.at(static_cast<std::size_t>(row.b)));
    case Happened::trimming:
      return fmt::format("{}{}", row.a, row.b != 0 ? " refused: " + code(row.b - 1) : "");
    case Happened::trimmed:
      return row.c != 0 ? fmt::format("{} refused: {}", row.a, code(row.c - 1))
                        : fmt::format("{}: durable up to {}", row.a, row.b);
    case Happened::event:
      return fmt::format("{}: offset {}, value {}, errno {}",
                         to_string(static_cast<EventKind>(row.a)), row.b, row.c, row.d);
    case Happened::opened:
      return row.a != 0 ? "refused: " + code(row.a - 1) : "";
    case Happened::recovered:
      return fmt::format("{} records, {} to {}", row.a, row.b, row.c);
    case Happened::reset:
      return fmt::format("starts at {}", row.a);
    case Happened::resumed:
      return fmt::format("goes on at {}", row.a);
    case Happened::injured:
      return fmt::format("kind {} at {}: {}", row.a, row.b,
                         kInjuryNames.at(static_cast<std::size_t>(row.c)));
    case Happened::closed:
      return row.a != 0 ? "gracefully" : "after a failure";
    case Happened::power_cut:
      return fmt::format("{} writes not durable, {} of them in flight", row.a, row.b);
    case Happened::fate:
      return fmt::format("{}: {} at {}", kFateNames.at(static_cast<std::size_t>(row.a)), row.c,
                         row.b);
    case Happened::killed:
      return fmt::format("{} writes in flight", row.a);
    case Happened::silent:
      return {};
    case Happened::violation:
      return fmt::format("I{}", row.a);
  }
  return {};
}

}  // namespace

std::string_view to_string(Happened kind) {
  static constexpr std::array<std::string_view, 22> kNames = {
      "world", "run",     "submitted", "completed", "fault",     "appended", "refused", "called",
      "trim",  "trimmed", "event",     "opened",    "recovered", "reset",    "closed",  "power",
      "fate",  "killed",  "violation", "resumed",   "injured",   "silent"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string to_text(const TraceRow& row) {
  return fmt::format("{:>7} {:>12.3f} us  {:<9}  {}", row.number,
                     static_cast<double>(row.time) / 1000.0, to_string(row.kind), detail(row));
}

}  // namespace seqwal::sim
