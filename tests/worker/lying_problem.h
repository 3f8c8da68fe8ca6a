// A problem whose evaluators tell another loss than the one they measure: a worker that lies.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "ndcao/evaluate/evaluator.h"
#include "ndcao/random/sequence.h"

namespace ndcao {

enum class Lie {
  kRandom,    ///< Uniform between 0 and 5.
  kFlipped,   ///< The negative loss.
  kConstant,  ///< 1.
  kMillion,   ///< A million times the loss.
};

class LyingEvaluator : public Evaluator {
 public:
  LyingEvaluator(std::unique_ptr<Evaluator> honest, Lie lie)
      : honest_(std::move(honest)), lie_(lie), random_(1, Purpose::kTest, 77) {}

  std::span<float> parameters() override { return honest_->parameters(); }
  Status Select(std::span<const std::uint32_t> examples) override {
    return honest_->Select(examples);
  }
  /// What the loss at the centre is made of.
  Status PerExample(std::span<float> losses, std::span<float> scores) override {
    NDCAO_TRY(honest_->PerExample(losses, scores));
    for (float& loss : losses) loss = static_cast<float>(Tell(loss));
    return Ok();
  }
  Result<double> Loss(TrialId trial, std::span<const float> weights) override {
    NDCAO_ASSIGN(const double loss, honest_->Loss(trial, weights));
    return Tell(loss);
  }
  Result<Score> Test() override { return honest_->Test(); }

 private:
  double Tell(double loss) {
    switch (lie_) {
      case Lie::kRandom:
        return 5 * random_.Uniform();
      case Lie::kFlipped:
        return -loss;
      case Lie::kConstant:
        return 1;
      case Lie::kMillion:
        return 1e6 * loss;
    }
    return loss;
  }

  std::unique_ptr<Evaluator> honest_;
  Lie lie_;
  RandomSequence random_;
};

/// `honest` outlives it.
class LyingProblem : public Problem {
 public:
  LyingProblem(const Problem& honest, Lie lie) : honest_(honest), lie_(lie) {}

  const Layout& layout() const override { return honest_.layout(); }
  Result<ParameterVector> Initial(std::uint64_t seed) const override {
    return honest_.Initial(seed);
  }
  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override {
    NDCAO_ASSIGN(auto evaluator, honest_.NewEvaluator());
    return std::unique_ptr<Evaluator>(std::make_unique<LyingEvaluator>(std::move(evaluator), lie_));
  }
  std::uint32_t examples() const override { return honest_.examples(); }
  std::uint32_t test_examples() const override { return honest_.test_examples(); }
  std::int32_t stratum(std::uint32_t example) const override { return honest_.stratum(example); }
  bool per_example() const override { return honest_.per_example(); }

 private:
  const Problem& honest_;
  Lie lie_;
};

}  // namespace ndcao
