// Probes a network's activations and makes the local outer products (docs/activations.md).
// Internal to evaluate/torch.
#pragma once

#include <memory>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/evaluate/torch/script_model.h"

namespace ndcao {

/// `model` has not been run yet; `objective` outlives the result.
Result<std::unique_ptr<ActivationEvaluator>> MakeActivationNetwork(
    std::unique_ptr<ScriptModel> model, std::shared_ptr<const Dataset> data,
    const Objective* objective);

}  // namespace ndcao
