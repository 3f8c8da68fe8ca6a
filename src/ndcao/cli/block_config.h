// --blocks and the [[block]] tables of a config file: how the network is split, and what is
// different for some of the blocks.
//
//   [[block]]
//   pattern = "fc2.*"        # whole names of blocks (ECMAScript)
//   sigma = 0.01             # or: frozen = true, optimizer = "spsa", loss-floor, eps, rate
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// Sets spec.blocks, its text (pattern: and file: are read here) and the overrides: what a table
/// does not say is as in spec.options, or as the problem has it for the optimizer that the table
/// names.
Status ResolveBlocks(const std::string& blocks, const std::string& config, RunSpec& spec);

}  // namespace ndcao
