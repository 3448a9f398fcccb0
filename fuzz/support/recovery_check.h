// Everything that must hold of recovering a hostile image, in every mode: aborts where it does not.
#pragma once

#include "fuzz/support/image_device.h"

namespace seqwal::fuzz {

// - it opens exactly what holds a log, and otherwise gives the right reason;
// - without evidence it delivers exactly what the naive reader finds, and its report tells what it
//   delivered;
// - with evidence it delivers exactly the prefix that the naive reader finds (or calls what is
// missing
//   of it damage, because something else contradicts it), behind it only what
//   stands there, refuses what is lost below the watermark and nothing else, and salvages the rest;
// - it writes nothing, reads nothing behind the log, and no more than the untrimmed log, two
//   windows, 4 MiB and one record (with evidence twice that, because evidence is read ahead of what
//   it speaks of; what cannot be read at once is read once more, block by block);
// - its memory is what recovery.h says it costs;
// - how far it reads ahead changes nothing.
void check_recovery(const HostileImage& image);

}  // namespace seqwal::fuzz
