// Everything that must hold of recovering a hostile image, in every mode: aborts where it does not.
#pragma once

#include "fuzz/support/image_device.h"

namespace seqwal::fuzz {

// - it opens exactly what holds a log, and otherwise gives the right reason;
// - it delivers exactly what the naive reader finds, and its report tells what it delivered;
// - it writes nothing, reads nothing behind the log, and no more than the untrimmed log, two
//   windows, 4 MiB and one record (what cannot be read at once is read once more, block by block);
// - its memory is what recovery.h says it costs;
// - how far it reads ahead changes nothing.
void check_recovery(const HostileImage& image);

}  // namespace seqwal::fuzz
