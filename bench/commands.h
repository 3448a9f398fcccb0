// The commands of seqwal-bench. Each adds itself to the command line and, when it is the one that
// was asked for, puts what is to be run into `action`.
#pragma once

#include "cli.h"

namespace seqwal::bench {

void add_write(CLI::App& app, tool::Action& action);
void add_raw(CLI::App& app, tool::Action& action);

}  // namespace seqwal::bench
