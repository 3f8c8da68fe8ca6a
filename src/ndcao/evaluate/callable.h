// A function of the caller's own as a Problem: a loss of d parameters, no data set, no network.
//
//   CallableProblem problem(50, [](std::span<const float> x) { return Simulate(x); });
//
// The function is called by every worker thread at once, so it must be safe to call so, and must
// not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "ndcao/evaluate/evaluator.h"

namespace ndcao {

class CallableProblem : public Problem {
 public:
  /// The loss, to be minimised. NaN or infinite is an answer too.
  using Function = std::function<double(std::span<const float> parameters)>;

  /// Starts at zeros.
  CallableProblem(std::uint64_t parameters, Function function)
      : CallableProblem(ParameterVector(parameters, 0.0f), std::move(function)) {}
  CallableProblem(ParameterVector initial, Function function)
      : layout_(Layout::Flat(initial.size())),
        initial_(std::move(initial)),
        function_(std::make_shared<const Function>(std::move(function))) {}

  const Layout& layout() const override { return layout_; }
  Result<ParameterVector> Initial(std::uint64_t) const override { return initial_; }
  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override {
    return std::unique_ptr<Evaluator>(std::make_unique<Caller>(initial_, function_));
  }

 private:
  class Caller : public Evaluator {
   public:
    Caller(ParameterVector initial, std::shared_ptr<const Function> function)
        : parameters_(std::move(initial)), function_(std::move(function)) {}

    std::span<float> parameters() override { return parameters_; }
    Status Select(std::span<const std::uint32_t> examples) override {
      return examples.empty() ? Ok() : Status(Invalid("a function has no examples to select"));
    }
    Status PerExample(std::span<float>, std::span<float>) override {
      return Invalid("a function has no losses of examples");
    }
    Result<double> Loss(TrialId, std::span<const float>) override {
      return (*function_)(parameters_);
    }
    Result<Score> Test() override {
      return Score{(*function_)(parameters_), std::numeric_limits<double>::quiet_NaN()};
    }

   private:
    ParameterVector parameters_;
    std::shared_ptr<const Function> function_;
  };

  Layout layout_;
  ParameterVector initial_;
  std::shared_ptr<const Function> function_;
};

}  // namespace ndcao
