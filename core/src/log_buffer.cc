#include "log_buffer_impl.h"

namespace seqwal {

template class BasicLogBuffer<StdAtomics>;

}  // namespace seqwal
