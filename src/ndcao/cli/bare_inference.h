// Forward passes and nothing else, and weight-gradient products and nothing else: what training is
// measured against.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/evaluate/activation_evaluator.h"

namespace ndcao {

/// One evaluator for each thread, and one batch for all: the same network in LibTorch as it comes,
/// in float32, each batch in one pass.
class BareInference {
 public:
  static Result<BareInference> Create(const RunSetup& setup, int threads);

  /// Images per second of all threads together, measured for so long.
  double ImagesPerSecond(double seconds);

 private:
  std::vector<std::unique_ptr<Evaluator>> evaluators_;
  std::uint32_t batch_ = 0;
};

/// The same of the products of signals and inputs that a step of activation probing ends with.
class BareProducts {
 public:
  static Result<BareProducts> Create(const RunSetup& setup, int threads);

  double ImagesPerSecond(double seconds);

 private:
  std::vector<std::unique_ptr<ActivationEvaluator>> evaluators_;
  std::vector<std::function<void()>> products_;
  std::uint32_t batch_ = 0;
};

}  // namespace ndcao
