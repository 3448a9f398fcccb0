// The commands. Each adds itself to the command line and, when it is the one that was asked for,
// puts what is to be run into `action`.
#pragma once

#include "cli.h"

namespace seqwal::tool {

void add_create(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);
void add_append(CLI::App& app, Action& action);
void add_recover(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_trim(CLI::App& app, Action& action);
void add_reset(CLI::App& app, Action& action);

}  // namespace seqwal::tool
