// The whole network from the stages of a partitioned run.
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

struct JoinedStages {
  RunSpec spec;
  ParameterVector parameters;  ///< All of θ.
  std::uint64_t groups = 0;    ///< Folded into it.
};

/// Reads DIR/stage-1.ndcao and so on, and each one's newest snapshot (without any: its initial
/// parameters). kInvalid if a stage is missing, is of another split, or stands elsewhere in the
/// run than the others.
Result<JoinedStages> JoinStages(const std::string& directory);

}  // namespace ndcao
