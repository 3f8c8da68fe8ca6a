// A test function as a Problem: it has no examples, and a measurement is one value.
#pragma once

#include <memory>
#include <utility>

#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/functions/test_function.h"

namespace ndcao {

class FunctionProblem : public Problem {
 public:
  explicit FunctionProblem(std::shared_ptr<const TestFunction> function)
      : function_(std::move(function)) {}

  const Layout& layout() const override { return function_->layout(); }
  Result<ParameterVector> Initial(std::uint64_t seed) const override {
    return function_->Start(seed);
  }
  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override;

 private:
  std::shared_ptr<const TestFunction> function_;
};

}  // namespace ndcao
