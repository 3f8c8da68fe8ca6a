#include "ndcao/cli/bare_inference.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <thread>

#include "ndcao/data/sampler.h"
#include "ndcao/evaluate/torch/network_problem.h"

namespace ndcao {
namespace {

std::vector<std::uint32_t> SomeExamples(const RunSetup& setup) {
  std::vector<std::uint32_t> examples(setup.spec.batch);
  DrawExamples(1, {}, setup.problem->examples(), examples);
  return examples;
}

/// Batches per second of all of them together, each on a thread of its own. `batch` is false if it
/// failed.
double BatchesPerSecond(std::size_t threads, double seconds,
                        const std::function<bool(std::size_t thread)>& batch) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::uint64_t> batches(threads, 0);
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  {
    std::vector<std::jthread> team;
    for (std::size_t i = 0; i < threads; ++i) {
      team.emplace_back([&, i] {
        while (Clock::now() < end && batch(i)) ++batches[i];
      });
    }
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  return static_cast<double>(std::accumulate(batches.begin(), batches.end(), std::uint64_t{0})) /
         took.count();
}

}  // namespace

Result<BareInference> BareInference::Create(const RunSetup& setup, int threads) {
  BareInference inference;
  inference.batch_ = setup.spec.batch;
  const std::vector<std::uint32_t> examples = SomeExamples(setup);
  for (int i = 0; i < threads; ++i) {
    NDCAO_ASSIGN(auto evaluator, NewPlainEvaluator(*setup.problem));
    std::copy(setup.initial.begin(), setup.initial.end(), evaluator->parameters().begin());
    NDCAO_TRY(evaluator->Select(examples));
    NDCAO_TRY(evaluator->Loss({}, {}));
    inference.evaluators_.push_back(std::move(evaluator));
  }
  return inference;
}

double BareInference::ImagesPerSecond(double seconds) {
  return batch_ * BatchesPerSecond(evaluators_.size(), seconds, [&](std::size_t i) {
           return evaluators_[i]->Loss({}, {}).ok();
         });
}

Result<BareProducts> BareProducts::Create(const RunSetup& setup, int threads) {
  BareProducts bare;
  bare.batch_ = setup.spec.batch;
  const std::vector<std::uint32_t> examples = SomeExamples(setup);
  for (int i = 0; i < threads; ++i) {
    NDCAO_ASSIGN(auto evaluator, NewActivationEvaluator(*setup.problem));
    const std::span<float> parameters = evaluator->network().parameters();
    std::copy(setup.initial.begin(), setup.initial.end(), parameters.begin());
    NDCAO_ASSIGN(auto products, evaluator->Products(examples));
    bare.evaluators_.push_back(std::move(evaluator));
    bare.products_.push_back(std::move(products));
  }
  return bare;
}

double BareProducts::ImagesPerSecond(double seconds) {
  return batch_ * BatchesPerSecond(products_.size(), seconds, [&](std::size_t i) {
           products_[i]();
           return true;
         });
}

}  // namespace ndcao
