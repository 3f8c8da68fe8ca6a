#include "ndcao/evaluate/functions/function_problem.h"

#include <limits>

namespace ndcao {
namespace {

class FunctionEvaluator : public Evaluator {
 public:
  explicit FunctionEvaluator(std::shared_ptr<const TestFunction> function)
      : function_(std::move(function)), parameters_(function_->layout().size()) {}

  std::span<float> parameters() override { return parameters_; }
  Status Select(std::span<const std::uint32_t> examples) override {
    if (examples.empty()) return Ok();
    return Invalid("a test function has no examples to select");
  }
  Status PerExample(std::span<float>, std::span<float>) override {
    return Invalid("a test function has no losses of examples");
  }
  Result<double> Loss(TrialId trial, std::span<const float>) override {
    return function_->Measure(trial, parameters_);
  }
  Result<Score> Test() override {
    return Score{function_->Value(parameters_), std::numeric_limits<double>::quiet_NaN()};
  }

 private:
  std::shared_ptr<const TestFunction> function_;
  ParameterVector parameters_;
};

}  // namespace

Result<std::unique_ptr<Evaluator>> FunctionProblem::NewEvaluator() const {
  return std::unique_ptr<Evaluator>(std::make_unique<FunctionEvaluator>(function_));
}

}  // namespace ndcao
