// A network, a data set and an objective, as a Problem. (No Torch in this header.)
#pragma once

#include <memory>
#include <span>
#include <string>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/objective.h"

namespace ndcao {

struct NetworkOptions {
  std::string model;  ///< A name of the zoo, or a TorchScript file (ends in .pt).
  std::string objective = "cross-entropy";
  /// Statistics that BatchNorm layers use, in training, tests and export: "eval", those that a file
  /// came with, or "batch", those of the examples in a forward pass.
  std::string batch_norm = "eval";
  /// Of the forward passes that training takes: "float32", or "bf16": parameters and examples are
  /// rounded to bfloat16. Tests, exported models and activation probing are float32.
  std::string precision = "float32";
};

/// Builds the network once to check that it takes the data's examples, answers with one row of
/// `classes` outputs for each, and depends on its parameters; the error says both shapes. A model
/// file is read again for every evaluator, so it must stay as it is.
Result<std::unique_ptr<Problem>> MakeNetworkProblem(const NetworkOptions& options,
                                                    std::shared_ptr<const Dataset> data);

/// Looks for the places where the network can be probed. `problem` is one that MakeNetworkProblem
/// made; fails if its layers couple examples.
Result<std::unique_ptr<ActivationEvaluator>> NewActivationEvaluator(const Problem& problem);

/// An evaluator that does what a user of LibTorch would: one forward pass of all examples selected,
/// in float32.
/// It is what benchmarks compare with.
Result<std::unique_ptr<Evaluator>> NewPlainEvaluator(const Problem& problem);

/// The bytes of a TorchScript file with the network and these parameters, which gives the same
/// outputs. Binary and integer networks have int8 weights in it. `problem` is one that
/// MakeNetworkProblem made.
Result<std::string> ExportNetwork(const Problem& problem, std::span<const float> parameters);

/// A model file as it is, so that a run can keep a copy of it.
Result<std::string> ReadModelBytes(const std::string& path);

}  // namespace ndcao
