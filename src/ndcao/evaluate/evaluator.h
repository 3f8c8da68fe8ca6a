// What is being minimised, and how it is measured.
//
// A Problem is shared and immutable: a network with a data set and an objective, a test function,
// a program. Each worker thread takes an Evaluator of its own from it, writes parameters into the
// evaluator's buffer, and measures:
//
//   auto evaluator = problem.NewEvaluator().value();
//   evaluator->Select(examples);                    // which training examples
//   proposal.Materialize(k, evaluator->parameters());
//   double loss = evaluator->Loss(trial, weights).value();
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {

/// How good the parameters are on examples that training does not see. NaN where it has no meaning.
struct Score {
  double loss = 0;
  double accuracy = 0;  ///< In [0, 1].
};

/// One per worker thread; used by that thread alone.
class Evaluator {
 public:
  virtual ~Evaluator() = default;

  /// d floats, which the next measurement reads.
  virtual std::span<float> parameters() = 0;

  /// Chooses the training examples that PerExample and Loss look at. Problems without examples
  /// are called with none.
  virtual Status Select(std::span<const std::uint32_t> examples) = 0;

  /// Says that until the next selection, losses are asked for at parameters that differ from
  /// `centre` by ±step or not at all, each of them, so that work can be shared among evaluations.
  /// Losses stay the same but for the last bits. `centre` outlives them.
  virtual void ShareAround(std::span<const float> /*centre*/, float /*step*/) {}

  /// Loss of every selected example, and its screening score: 1 − probability of the right class,
  /// or the loss where there are no probabilities. Only if the problem has per-example losses.
  virtual Status PerExample(std::span<float> losses, std::span<float> scores) = 0;

  /// Mean over the selected examples of weight × loss; empty weights are ones. Objectives that are
  /// no sum over examples ignore the weights. NaN or infinite is an answer, not an error.
  virtual Result<double> Loss(TrialId trial, std::span<const float> weights) = 0;

  /// On the test part; problems without one measure the objective itself.
  virtual Result<Score> Test() = 0;
};

class Problem {
 public:
  virtual ~Problem() = default;

  virtual const Layout& layout() const = 0;
  /// Initial parameters, keyed by the run's seed.
  virtual Result<ParameterVector> Initial(std::uint64_t seed) const = 0;
  virtual Result<std::unique_ptr<Evaluator>> NewEvaluator() const = 0;

  /// Training examples; 0 for problems that have none.
  virtual std::uint32_t examples() const { return 0; }
  /// Test examples: what a call of Test costs in forward passes.
  virtual std::uint32_t test_examples() const { return 0; }
  /// Whether Test measures anything that Loss does not.
  virtual bool has_test() const { return true; }
  /// What kind of example a training example is (its class): examples are sampled evenly over the
  /// kinds. 0 where there are none.
  virtual std::int32_t stratum(std::uint32_t /*example*/) const { return 0; }
  /// Whether the loss is a mean of per-example losses, so that examples can be screened.
  virtual bool per_example() const { return false; }
};

}  // namespace ndcao
