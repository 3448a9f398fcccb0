// The commands of seqwal-bench. Each adds itself to the command line and, when it is the one that
// was asked for, puts what is to be run into `action`.
#pragma once

#include "cli.h"

namespace seqwal::bench {

void add_write(CLI::App& app, tool::Action& action);
void add_raw(CLI::App& app, tool::Action& action);
void add_compare(CLI::App& app, tool::Action& action);
void add_memory(CLI::App& app, tool::Action& action);
void add_recover(CLI::App& app, tool::Action& action);
void add_volume(CLI::App& app, tool::Action& action);
void add_plot(CLI::App& app, tool::Action& action);

}  // namespace seqwal::bench
