#include "describe.h"

#include <fmt/format.h>

#include <algorithm>

#include "seqwal/geometry.h"

namespace seqwal::tool {
namespace {

std::string_view to_string(DurableWrite cost) {
  switch (cost) {
    case DurableWrite::free:
      return "free";
    case DurableWrite::fua:
      return "fua";
    case DurableWrite::flush:
      return "flush";
  }
  return "unknown";
}

}  // namespace

std::string_view to_string(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::automatic:
      return "auto";
    case DeviceKind::uring:
      return "uring";
    case DeviceKind::threads:
      return "threads";
  }
  return "unknown";
}

std::string_view to_string(SlotState state) {
  switch (state) {
    case SlotState::valid:
      return "valid";
    case SlotState::blank:
      return "blank";
    case SlotState::damaged:
      return "damaged";
    case SlotState::foreign:
      return "foreign";
  }
  return "unknown";
}

std::string_view to_string(ShutdownType shutdown) {
  return shutdown == ShutdownType::graceful ? "graceful" : "ungraceful";
}

int to_number(FormatVersion version) { return version == FormatVersion::v0 ? 0 : 1; }

Choice device_choice(const OpenedDevice& opened, DeviceKind asked) {
  std::string reason = asked == DeviceKind::automatic ? "chosen by auto" : "asked for";
  if (!opened.kind_reason.empty()) reason += "; " + opened.kind_reason;
  return {.name = to_string(opened.kind), .reason = reason};
}

Choice durability_choice(const DeviceLimits& limits, Durability asked) {
  switch (asked) {
    case Durability::dsync:
      return {.name = "dsync", .reason = "asked for: every write is a durable one"};
    case Durability::none:
      return {.name = "none",
              .reason = "asked for: survives a kill, not a power failure of a caching device"};
    case Durability::automatic:
      break;
  }
  switch (limits.durable_write) {
    case DurableWrite::free:
      return {.name = "plain", .reason = "no volatile cache: a completed write is durable"};
    case DurableWrite::fua:
      return {.name = "dsync", .reason = "volatile cache with FUA: every write goes through it"};
    case DurableWrite::flush:
      break;
  }
  return {.name = "flush", .reason = "volatile cache without FUA: one flush covers many writes"};
}

void add_choices(Json& object, const OpenedDevice& opened, DeviceKind device,
                 Durability durability) {
  const Choice how = device_choice(opened, device);
  const Choice durable = durability_choice(opened.device->limits(), durability);
  object["device"] = how.name;
  object["device_reason"] = how.reason;
  object["durability"] = durable.name;
  object["durability_reason"] = durable.reason;
}

std::string choices_text(const OpenedDevice& opened, DeviceKind device, Durability durability) {
  const Choice how = device_choice(opened, device);
  const Choice durable = durability_choice(opened.device->limits(), durability);
  return fmt::format("device {} ({}), durability {} ({})", how.name, how.reason, durable.name,
                     durable.reason);
}

Json to_json(Offset offset) { return offset == kNoOffset ? Json() : Json(offset.value); }

Json to_json(const std::vector<OffsetRange>& ranges) {
  Json list = Json::array();
  for (const OffsetRange& range : ranges) {
    list.push_back({{"offset", range.begin.value}, {"length", range.length_bytes()}});
  }
  return list;
}

Json to_json(const HeaderEvidence& evidence) {
  return {{"log_id", fmt::format("{:016x}", evidence.lineage.log_id)},
          {"incarnation", evidence.lineage.incarnation},
          {"watermark", to_json(evidence.watermark)},
          {"resumed", evidence.has(HeaderEvidence::kResumed)}};
}

void add_evidence(Json& object, const RecoveryReport& report) {
  object["evidence"] = report.evidence ? to_json(*report.evidence) : Json();
  object["watermark"] = to_json(report.watermark);
  object["newest_incarnation"] = report.newest_incarnation;
  object["orphans"] = report.orphans;
}

std::string evidence_text(const RecoveryReport& report) {
  if (!report.evidence) {
    return "none: damage at the end of the log looks like its end";
  }
  return fmt::format("log id {:016x}, incarnation {}, durable up to {}",
                     report.evidence->lineage.log_id, report.evidence->lineage.incarnation,
                     report.watermark.value);
}

Json to_json(const HeaderState& headers) {
  Json list = Json::array();
  for (std::uint32_t i = 0; i < kHeaderSlots; ++i) {
    const HeaderSlot& slot = headers.slots.at(i);
    Json object = {{"slot", i}, {"state", to_string(slot.state)}};
    if (slot.state == SlotState::valid) {
      const WalHeader& header = slot.header;
      object.update({{"counts", i == headers.current},
                     {"format", to_number(header.version)},
                     {"capacity", header.capacity_bytes},
                     {"trim", header.trim.value},
                     {"stamp", header.stamp},
                     {"window", header.window_bytes},
                     {"shutdown", to_string(header.shutdown)},
                     {"node_id", header.node_id},
                     {"epoch", header.epoch},
                     {"checksum", slot.checksum},
                     {"evidence", slot.evidence ? to_json(*slot.evidence) : Json()}});
    }
    list.push_back(object);
  }
  return list;
}

Json to_json(const DeviceLimits& limits) {
  return {{"size", limits.size_bytes},
          {"size_is_exact", limits.size_is_exact},
          {"block", limits.block_bytes},
          {"buffer_alignment", limits.buffer_alignment_bytes},
          {"max_transfer", limits.max_transfer_bytes},
          {"best_transfer", limits.best_transfer_bytes},
          {"depth", limits.depth},
          {"atomic_write", limits.atomic_write_bytes},
          {"volatile_cache", limits.volatile_cache},
          {"durable_write", to_string(limits.durable_write)}};
}

SpaceUse space_use(const WalHeader& header, const RecoveryReport& report) {
  const Geometry geometry(header.capacity_bytes);
  // A record that begins in the last byte of a block keeps that block too: it is not counted here.
  const Offset keep = round_down_to_block(saturating_add(header.trim, 1));
  const std::int64_t used =
      std::clamp<std::int64_t>(round_up_to_block(report.end) - keep, 0, geometry.section_bytes());
  return {.used_bytes = used, .free_bytes = geometry.section_bytes() - used};
}

}  // namespace seqwal::tool
