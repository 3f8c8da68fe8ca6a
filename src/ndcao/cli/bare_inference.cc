#include "ndcao/cli/bare_inference.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "ndcao/data/sampler.h"
#include "ndcao/evaluate/torch/network_problem.h"

namespace ndcao {

Result<BareInference> BareInference::Create(const RunSetup& setup, int threads) {
  BareInference inference;
  inference.batch_ = setup.spec.batch;
  std::vector<std::uint32_t> examples(setup.spec.batch);
  DrawExamples(1, {}, setup.problem->examples(), examples);
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
  using Clock = std::chrono::steady_clock;
  std::vector<std::uint64_t> images(evaluators_.size(), 0);
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  {
    std::vector<std::jthread> team;
    for (std::size_t i = 0; i < evaluators_.size(); ++i) {
      team.emplace_back([&, i] {
        while (Clock::now() < end && evaluators_[i]->Loss({}, {}).ok()) images[i] += batch_;
      });
    }
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  return static_cast<double>(std::accumulate(images.begin(), images.end(), std::uint64_t{0})) /
         took.count();
}

}  // namespace ndcao
