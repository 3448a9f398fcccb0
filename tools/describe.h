// Headers, devices and recovery reports as JSON and as words.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "seqwal/backends/open.h"
#include "seqwal/format.h"
#include "seqwal/recovery.h"
#include "seqwal/types.h"

namespace seqwal::tool {

using Json = nlohmann::ordered_json;

[[nodiscard]] std::string_view to_string(DeviceKind kind);
[[nodiscard]] std::string_view to_string(SlotState state);
[[nodiscard]] std::string_view to_string(ShutdownType shutdown);
[[nodiscard]] int to_number(FormatVersion version);

// What a choice came to, and why.
struct Choice {
  std::string_view name;
  std::string reason;
};
[[nodiscard]] Choice device_choice(const OpenedDevice& opened, DeviceKind asked);
// plain (completed writes are durable), dsync, flush, or none (nothing is made durable).
[[nodiscard]] Choice durability_choice(const DeviceLimits& limits, Durability asked);

// Adds "device", "device_reason", "durability" and "durability_reason".
void add_choices(Json& object, const OpenedDevice& opened, DeviceKind device,
                 Durability durability);
// "uring (asked for), durability plain (…)"
[[nodiscard]] std::string choices_text(const OpenedDevice& opened, DeviceKind device,
                                       Durability durability);

// An offset, or null where there is none.
[[nodiscard]] Json to_json(Offset offset);
// [{"offset","length"}, …]
[[nodiscard]] Json to_json(const std::vector<OffsetRange>& ranges);
[[nodiscard]] Json to_json(const HeaderState& headers);
[[nodiscard]] Json to_json(const HeaderEvidence& evidence);
// Adds "evidence", "watermark", "newest_incarnation" and "orphans".
void add_evidence(Json& object, const RecoveryReport& report);
// "log id 1234567890abcdef, incarnation 3, durable up to 8192"
[[nodiscard]] std::string evidence_text(const RecoveryReport& report);
[[nodiscard]] Json to_json(const DeviceLimits& limits);

// Bytes of the ring from the first block that recovery needs to the end of what it found.
struct SpaceUse {
  std::int64_t used_bytes = 0;
  std::int64_t free_bytes = 0;
};
[[nodiscard]] SpaceUse space_use(const WalHeader& header, const RecoveryReport& report);

}  // namespace seqwal::tool
