#include "tail.h"

namespace seqwal {

ErrorCode to_error_code(Refusal refusal, bool failed) {
  switch (refusal) {
    case Refusal::over_capacity:
      return ErrorCode::over_capacity;
    case Refusal::would_block:
      return ErrorCode::would_block;
    case Refusal::offset_exhausted:
      return ErrorCode::offset_exhausted;
    case Refusal::none:
    case Refusal::stopped:
      break;
  }
  return failed ? ErrorCode::log_failed : ErrorCode::log_closed;
}

}  // namespace seqwal
