// Does a network do what training relies on? Internal to evaluate/torch.
#pragma once

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/network_evaluator.h"

namespace ndcao {

/// That the network takes the examples selected and answers in the right shape, and that a write to
/// the flat vector changes the answer: a module that was frozen, or that keeps its weights
/// elsewhere, would train silently on nothing. Leaves the parameters as they were.
Status CheckNetwork(NetworkEvaluator& evaluator);

/// That normalising with batch statistics changes the answer: it cannot where the network has no
/// BatchNorm layers, or was traced in evaluation mode. Leaves the network in batch mode.
Status CheckBatchNorm(NetworkEvaluator& evaluator);

/// That the network runs in bfloat16 (it may name another type, or use an operation that has none)
/// and answers much the same there.
Status CheckBfloat16(NetworkEvaluator& evaluator);

}  // namespace ndcao
