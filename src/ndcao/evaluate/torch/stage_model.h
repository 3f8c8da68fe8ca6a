// Where a network can be cut into stages, and the stages. (No Torch in this header.)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ndcao/evaluate/activation_stage.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/evaluate/stage_network.h"
#include "ndcao/evaluate/torch/network_problem.h"

namespace ndcao {

/// A stretch of a network's forward pass that takes one value for each example and hands on one.
struct SectionInfo {
  std::string name;                        ///< "fc1": the layer of its first parameter.
  std::uint32_t end = 0;                   ///< As StageModel counts sections.
  std::uint64_t parameters = 0;            ///< At least one.
  std::vector<std::int64_t> output_shape;  ///< Of one example, behind it.
};

/// The sections of a network in order: one for each layer of mlp:, lenet5 and cnn11k, for each
/// residual block of resnet8 and resnet20, for each module with parameters of a TorchScript
/// `Sequential`. kInvalid, naming the operation, for a network that is no sequence of such.
Result<std::vector<SectionInfo>> DescribeSections(const NetworkOptions& options,
                                                  const Dataset& data);

/// StageModel::module for these sections; empty for networks of the zoo.
Result<std::string> CutModule(const std::string& model, std::uint32_t from, std::uint32_t to);

/// Builds one stage and nothing else of the network.
Result<std::unique_ptr<StageNetwork>> MakeStageNetwork(const StageModel& model);

/// The same for a run that probes activations. `first_site`: sites of the stages before.
/// `objective`: of the last stage, outlives it and has a loss for each example; null in the others.
Result<std::unique_ptr<ActivationStage>> MakeActivationStage(const StageModel& model,
                                                             std::size_t first_site,
                                                             const Objective* objective);

}  // namespace ndcao
