// seqwal verify: reads everything, says everything that is odd, and changes nothing.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"

namespace seqwal::tool {
namespace {

// One odd thing. Only `damage` makes a log a bad one.
struct Finding {
  std::string_view kind;
  std::string text;
  std::optional<OffsetRange> range = std::nullopt;
  bool damage = false;
};
using Findings = std::vector<Finding>;

void check_slots(const HeaderState& headers, Findings& findings) {
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    const SlotState state = headers.slots.at(i).state;
    if (state == SlotState::valid) continue;
    findings.push_back({.kind = "header-slot",
                        .text = fmt::format("header slot {} is {}: slot {} serves, and the next "
                                            "write of the headers mends it",
                                            i, to_string(state), headers.current)});
  }
}

// A log between two header writes, or after a crash there, has slots that differ. What follows is
// what the rules make of it.
void compare_slots(const HeaderState& headers, Findings& findings) {
  const HeaderSlot& first = headers.slots[0];
  const HeaderSlot& second = headers.slots[1];
  if (first.state != SlotState::valid || second.state != SlotState::valid) return;
  const auto compare = [&](const char* what, auto left, auto right, const char* rule) {
    if (left == right) return;
    findings.push_back(
        {.kind = "header-slots-differ",
         .text = fmt::format("{} is {} in slot 0 and {} in slot 1: {}", what, left, right, rule)});
  };
  const WalHeader& a = first.header;
  const WalHeader& b = second.header;
  const char* newer = "the one with the greater stamp counts";
  compare("capacity", a.capacity_bytes, b.capacity_bytes, newer);
  compare("format", to_number(a.version), to_number(b.version), newer);
  compare("the trim offset", a.trim.value, b.trim.value,
          "recovery starts at the newer one, space is reused up to the smaller");
  compare("the window", a.window_bytes, b.window_bytes,
          "recovery scans by the newer one, the writer keeps to the smaller");
  compare("the node id", a.node_id, b.node_id, newer);
  compare("the epoch", a.epoch, b.epoch, newer);
  compare("shutdown", to_string(a.shutdown), to_string(b.shutdown), newer);
  if (a.stamp == b.stamp && a != b) {
    findings.push_back(
        {.kind = "header-stamps",
         .text = fmt::format("both slots carry stamp {} and differ: slot 0 counts", a.stamp)});
  }
}

void check_header(const WalHeader& header, Findings& findings) {
  if (header.shutdown == ShutdownType::ungraceful) {
    findings.push_back({.kind = "ungraceful",
                        .text = "the last writer did not close the log: records at the end that "
                                "it had not acknowledged may be lost or kept"});
  }
  const std::int64_t section = Geometry(header.capacity_bytes).section_bytes();
  if (header.window_bytes > section) {
    findings.push_back({.kind = "window",
                        .text = fmt::format("the window of {} bytes is longer than the record "
                                            "section of {}: read as the section",
                                            header.window_bytes, section)});
  } else if (header.window_bytes <= 0 && header.version == FormatVersion::v0) {
    findings.push_back(
        {.kind = "window",
         .text = fmt::format("a window of {} bytes tolerates no hole", header.window_bytes)});
  }
}

void check_records(const RecoveryReport& report, std::uint64_t records_after_hole,
                   Findings& findings) {
  for (const OffsetRange& hole : report.holes) {
    findings.push_back({.kind = "hole",
                        .text = fmt::format("hole of {} bytes at offset {}", hole.length_bytes(),
                                            hole.begin.value),
                        .range = hole});
  }
  if (records_after_hole > 0) {
    findings.push_back({.kind = "records-after-hole",
                        .text = fmt::format("{} records lie behind the first hole: an ordered "
                                            "writer had not acknowledged them",
                                            records_after_hole)});
  }
  if (report.orphans > 0) {
    findings.push_back({.kind = "orphans",
                        .text = fmt::format("{} block writes of a timeline that a resume cut off",
                                            report.orphans)});
  }
  for (const OffsetRange& range : report.unreadable) {
    findings.push_back({.kind = "unreadable",
                        .text = fmt::format("the device cannot read {} bytes at offset {}",
                                            range.length_bytes(), range.begin.value),
                        .range = range});
  }
  for (const OffsetRange& range : report.damage) {
    findings.push_back({.kind = "damage",
                        .text = fmt::format(
                            "{} bytes at offset {} that were durable are lost: restore them from a "
                            "replica",
                            range.length_bytes(), range.begin.value),
                        .range = range,
                        .damage = true});
  }
}

// Counts what is delivered once a hole was met.
class HoleSink final : public EventSink {
 public:
  void on_event(const Event& event) override { met_ = met_ || event.kind == EventKind::hole; }
  [[nodiscard]] bool met() const { return met_; }

 private:
  bool met_ = false;
};

void write_json(const LogFlags& flags, const OpenedDevice& opened, const Recovery& recovery,
                const Findings& findings, Stdout& out) {
  const RecoveryReport& report = recovery.report();
  const SpaceUse space = space_use(recovery.headers().header(), report);
  Json list = Json::array();
  for (const Finding& finding : findings) {
    Json object = {{"kind", finding.kind}, {"text", finding.text}};
    if (finding.range) {
      object["offset"] = finding.range->begin.value;
      object["length"] = finding.range->length_bytes();
    }
    list.push_back(object);
  }
  Json object = {{"path", flags.path},
                 {"ok", report.damage.empty()},
                 {"format", to_number(recovery.headers().header().version)},
                 {"records", report.records},
                 {"bytes", report.body_bytes},
                 {"first", to_json(report.first)},
                 {"last", to_json(report.last)},
                 {"end", report.end.value},
                 {"used", space.used_bytes},
                 {"free", space.free_bytes},
                 {"read", report.read_bytes},
                 {"current", recovery.headers().current},
                 {"slots", to_json(recovery.headers())},
                 {"holes", to_json(report.holes)},
                 {"unreadable", to_json(report.unreadable)},
                 {"damage", to_json(report.damage)},
                 {"findings", list}};
  add_evidence(object, report);
  add_choices(object, opened, flags.device, flags.durability);
  out.write_line(object);
}

void write_text(const LogFlags& flags, const OpenedDevice&, const Recovery& recovery,
                const Findings& findings, Stdout& out) {
  const RecoveryReport& report = recovery.report();
  const WalHeader& header = recovery.headers().header();
  out.write(fmt::format("{}: format {}, {} records, {} in bodies\n", flags.path,
                        to_number(header.version), report.records,
                        to_text_size(report.body_bytes)));
  if (report.records > 0) {
    out.write(
        fmt::format("first record at {}, last at {}\n", report.first.value, report.last.value));
  }
  out.write(
      fmt::format("the log ends at {}; trimmed {}; read {}\n", report.end.value,
                  header.trim == kNoOffset ? "nothing" : fmt::format("up to {}", header.trim.value),
                  to_text_size(report.read_bytes)));
  out.write(fmt::format("evidence: {}\n", evidence_text(report)));
  for (const Finding& finding : findings) {
    out.write(fmt::format("{}: {}\n", finding.damage ? "DAMAGE" : "odd", finding.text));
  }
  out.write(report.damage.empty() ? "ok\n" : "damaged\n");
}

Exit verify(const LogFlags& flags) {
  const auto opened = open_log_device(flags, Access::read_only);
  if (!opened) return explain(opened.error(), flags.path);
  PosixHost host;
  HoleSink hole;
  const auto recovery = Recovery::open(*opened->device, host, {.salvage = true}, &hole);
  if (!recovery) return explain(recovery.error(), flags.path);

  std::uint64_t records_after_hole = 0;
  {
    Progress progress("verifying");
    while (true) {
      const auto record = (*recovery)->next();
      if (!record) return explain(record.error(), flags.path);
      if (!*record) break;
      records_after_hole += hole.met() ? 1U : 0U;
      progress.show((*recovery)->report().body_bytes);
    }
  }
  Findings findings;
  const RecoveryReport& report = (*recovery)->report();
  check_slots((*recovery)->headers(), findings);
  compare_slots((*recovery)->headers(), findings);
  check_header((*recovery)->headers().header(), findings);
  check_records(report, records_after_hole, findings);
  for (const Finding& finding : findings) {
    if (finding.damage) diagnose("damaged", flags.path, finding.text);
  }
  Stdout out;
  const auto write = flags.json ? write_json : write_text;
  write(flags, *opened, **recovery, findings, out);
  return out.finish(report.damage.empty() ? Exit::done : Exit::damage);
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<LogFlags>();
  CLI::App& command = *app.add_subcommand("verify", "Check everything and say what is odd");
  add_log_flags(command, *flags);
  command.footer(
      "Changes nothing. Holes are not damage. Exit 1 when acknowledged data is damaged.\n\n"
      "Example:\n  seqwal verify /tmp/log");
  command.callback([flags, &action] { action = [flags] { return verify(*flags); }; });
}

}  // namespace seqwal::tool
