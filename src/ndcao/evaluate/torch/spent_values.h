// Results of a pass whose values nobody reads once the last operation that takes them in has had
// them. A tape that lets go of them is smaller, and what is computed next finds memory that is
// still in the cache. Internal to evaluate/torch.
#pragma once

#include <cstddef>
#include <vector>

#include "ndcao/evaluate/torch/operation_tape.h"
#include "ndcao/evaluate/torch/weight_call.h"

namespace ndcao {

/// What is done with a tape after the pass.
struct TapeUses {
  /// Operations that are changed together in one pass, in order; one entry for each kind of pass.
  std::vector<std::vector<std::size_t>> changes;
  std::vector<std::size_t> tails;  ///< Operations that signals are taken back through.
  std::vector<WeightCall> calls;   ///< Of which outer products are taken.
};

/// What a tape of the same pass on two examples or more need not keep. Its operations write into
/// none of their inputs (no obstacle). `memory`: the parameters' own, which stays.
Spent FindSpent(const OperationTape& tape, const TapeUses& uses, const ParameterMemory& memory);

}  // namespace ndcao
