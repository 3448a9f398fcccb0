// seqwal info: what a log is, without changing it.
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/geometry.h"
#include "seqwal/recovery.h"

namespace seqwal::tool {
namespace {

void write_json(const LogFlags& flags, const OpenedDevice& opened, const HeaderState& headers,
                const RecoveryReport& report, Stdout& out) {
  const WalHeader& header = headers.header();
  const SpaceUse space = space_use(header, report);
  Json object = {{"path", flags.path},
                 {"format", to_number(header.version)},
                 {"capacity", header.capacity_bytes},
                 {"section", Geometry(header.capacity_bytes).section_bytes()},
                 {"window", header.window_bytes},
                 {"trim", header.trim.value},
                 {"shutdown", to_string(header.shutdown)},
                 {"node_id", header.node_id},
                 {"epoch", header.epoch},
                 {"current", headers.current},
                 {"slots", to_json(headers)},
                 {"records", report.records},
                 {"bytes", report.body_bytes},
                 {"first", to_json(report.first)},
                 {"last", to_json(report.last)},
                 {"end", report.end.value},
                 {"used", space.used_bytes},
                 {"free", space.free_bytes}};
  add_evidence(object, report);
  object["damage"] = to_json(report.damage);
  add_choices(object, opened, flags.device, flags.durability);
  object["block_device"] = opened.block_device;
  object["direct"] = opened.direct;
  object["limits"] = to_json(opened.device->limits());
  out.write_line(object);
}

void write_slots(const HeaderState& headers, Stdout& out) {
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    const HeaderSlot& slot = headers.slots.at(i);
    out.write(fmt::format("slot {}      {}{}", i, to_string(slot.state),
                          i == headers.current ? ", the one that counts" : ""));
    if (slot.state == SlotState::valid) {
      const WalHeader& header = slot.header;
      out.write(
          fmt::format("\n            format {}, capacity {}, stamp {}, trim {}, window {}, {},\n"
                      "            node id {}, epoch {}, checksum {}",
                      to_number(header.version), header.capacity_bytes, header.stamp,
                      header.trim.value, header.window_bytes, to_string(header.shutdown),
                      header.node_id, header.epoch, slot.checksum));
    }
    out.write("\n");
  }
}

void write_device(const LogFlags& flags, const OpenedDevice& opened, Stdout& out) {
  const DeviceLimits& limits = opened.device->limits();
  const Choice how = device_choice(opened, flags.device);
  const Choice durable = durability_choice(limits, flags.durability);
  out.write(
      fmt::format("device      {}: {}\n"
                  "            {}, {}, {}\n"
                  "            block {}, buffer alignment {}, transfers up to {}, depth {}\n"
                  "            atomic write {}, {}\n"
                  "durability  {}: {}\n",
                  how.name, how.reason, opened.block_device ? "block device" : "file",
                  to_text_size(limits.size_bytes), opened.direct ? "direct I/O" : "buffered I/O",
                  limits.block_bytes, limits.buffer_alignment_bytes,
                  to_text_size(limits.max_transfer_bytes), limits.depth, limits.atomic_write_bytes,
                  limits.volatile_cache ? "volatile cache" : "no volatile cache", durable.name,
                  durable.reason));
}

void write_text(const LogFlags& flags, const OpenedDevice& opened, const HeaderState& headers,
                const RecoveryReport& report, Stdout& out) {
  const WalHeader& header = headers.header();
  const SpaceUse space = space_use(header, report);
  const Geometry geometry(header.capacity_bytes);
  out.write(fmt::format(
      "log         {}\n"
      "format      {} ({})\n"
      "capacity    {}\n"
      "section     {}\n"
      "window      {}\n"
      "trim        {}\n"
      "shutdown    {}\n"
      "node id     {}, epoch {}\n",
      flags.path, to_number(header.version),
      header.version == FormatVersion::v0 ? "tolerates holes" : "contiguous",
      to_text_size(header.capacity_bytes),
      to_text_size(static_cast<std::uint64_t>(geometry.section_bytes())), header.window_bytes,
      header.trim == kNoOffset ? "nothing" : fmt::format("up to {}", header.trim.value),
      to_string(header.shutdown), header.node_id, header.epoch));
  out.write(fmt::format("records     {}, {} in bodies\n", report.records,
                        to_text_size(report.body_bytes)));
  if (report.records > 0) {
    out.write(fmt::format("offsets     first {}, last {}, end {}\n", report.first.value,
                          report.last.value, report.end.value));
  }
  out.write(fmt::format("evidence    {}\n", evidence_text(report)));
  for (const OffsetRange& range : report.damage) {
    out.write(fmt::format("DAMAGE      {} bytes at offset {} are lost\n", range.length_bytes(),
                          range.begin.value));
  }
  out.write(fmt::format("space       used {}, free {}\n",
                        to_text_size(static_cast<std::uint64_t>(space.used_bytes)),
                        to_text_size(static_cast<std::uint64_t>(space.free_bytes))));
  write_slots(headers, out);
  write_device(flags, opened, out);
}

Exit info(const LogFlags& flags) {
  const auto opened = open_log_device(flags, Access::read_only);
  if (!opened) return explain(opened.error(), flags.path);
  PosixHost host;
  const auto recovery = Recovery::open(*opened->device, host, {.salvage = true});
  if (!recovery) return explain(recovery.error(), flags.path);
  {
    // How much of the ring is used is written nowhere: it is what recovery finds.
    Progress progress("reading");
    while (true) {
      const auto record = (*recovery)->next();
      if (!record) return explain(record.error(), flags.path);
      if (!*record) break;
      progress.show((*recovery)->report().body_bytes);
    }
  }
  Stdout out;
  const auto write = flags.json ? write_json : write_text;
  write(flags, *opened, (*recovery)->headers(), (*recovery)->report(), out);
  return out.finish(Exit::done);
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<LogFlags>();
  CLI::App& command = *app.add_subcommand("info", "Show what a log is and how full");
  add_log_flags(command, *flags);
  command.footer("Reads the whole log, changes nothing.\n\nExample:\n  seqwal info /tmp/log");
  command.callback([flags, &action] { action = [flags] { return info(*flags); }; });
}

}  // namespace seqwal::tool
