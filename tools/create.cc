// seqwal create: makes a log where nothing stands, or, when forced, where something does.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "commands.h"
#include "describe.h"
#include "output.h"
#include "progress.h"
#include "seqwal/backends/posix_host.h"
#include "seqwal/log.h"

namespace seqwal::tool {
namespace {

struct CreateFlags : LogFlags {
  std::optional<FormatVersion> format;
  CreateOptions options;
};

void tell(const CreateFlags& flags, const OpenedDevice& opened, Stdout& out) {
  const CreateOptions& options = flags.options;
  if (flags.json) {
    Json object = {{"path", flags.path},
                   {"capacity", options.capacity_bytes},
                   {"format", to_number(options.version)},
                   {"node_id", options.node_id},
                   {"epoch", options.epoch}};
    add_choices(object, opened, flags.device, flags.durability);
    out.write_line(object);
    return;
  }
  out.write(fmt::format("created {}: {}, format {}\n", flags.path,
                        to_text_size(options.capacity_bytes), to_number(options.version)));
}

Exit create(CreateFlags& flags) {
  CreateOptions& options = flags.options;
  options.version = flags.format.value_or(FormatVersion::v0);
  options.log_id = fresh_log_id();
  const auto prepared = [&] {
    const Waiting waiting("preparing " + flags.path);
    return open_device_for_create(open_options(flags, Access::read_write), options.capacity_bytes,
                                  options.force);
  }();
  if (!prepared) return explain(prepared.error(), flags.path);

  PosixHost host;
  Result<void> created;
  {
    Progress progress("writing");
    created = create_log(
        *prepared->opened.device, host, options,
        [&progress](std::uint64_t done, std::uint64_t total) { progress.show(done, total); });
  }
  if (!created) {
    // While the lock is held, so that nobody can have put a log of his own there. What could not be
    // made is the error that counts, not what could not be removed.
    if (prepared->created_file) static_cast<void>(::unlink(flags.path.c_str()));
    return explain(created.error(), flags.path);
  }
  Stdout out;
  tell(flags, prepared->opened, out);
  return out.finish(Exit::done);
}

}  // namespace

void add_create(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<CreateFlags>();
  CLI::App& command = *app.add_subcommand("create", "Make a new log");
  add_log_flags(command, *flags);
  add_size_option(command, "--capacity", flags->options.capacity_bytes,
                  "Bytes of the whole log, a multiple of 4096 (KiB, MiB, GiB)")
      ->required();
  add_format_option(command, flags->format, "0 (default): recovery tolerates holes; 1: contiguous");
  command.add_option("--node-id", flags->options.node_id, "Node id, kept in the header");
  command.add_option("--epoch", flags->options.epoch, "Node epoch, kept in the header");
  command.add_flag("--force", flags->options.force, "Overwrite whatever stands there");
  command.footer(
      "A file is fully written, a device's record section zeroed. Refuses where a log or any data\n"
      "that is not zero stands, unless forced.\n\n"
      "Example:\n  seqwal create /tmp/log --capacity 64MiB");
  command.callback([flags, &action] { action = [flags] { return create(*flags); }; });
}

}  // namespace seqwal::tool
