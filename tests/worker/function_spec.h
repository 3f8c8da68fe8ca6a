// A small run on a test function.
#pragma once

#include "ndcao/block/options.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

inline RunSpec FunctionSpec(std::uint64_t groups, RunMode mode = RunMode::kSync) {
  RunSpec spec;
  spec.objective = "function:sphere:30";
  spec.options = DefaultsFor("noise-budget").value().options;
  spec.shape = {16, true, false, 4};
  spec.batch = 0;
  spec.screening = 0;
  spec.mode = mode;
  spec.blocks = "size:7";
  spec.budget = groups * spec.group_cost();
  return spec;
}

}  // namespace ndcao
