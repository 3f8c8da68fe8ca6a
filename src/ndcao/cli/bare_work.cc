#include "ndcao/cli/bare_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
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

}  // namespace

Status CheckHasExamples(const RunSetup& setup) {
  if (setup.problem->examples() > 0) return Ok();
  return Invalid(fmt::format("--objective {}: only networks are measured here, on examples",
                             setup.spec.objective));
}

Result<BareWork> BareWork::Inference(const RunSetup& setup, int threads) {
  NDCAO_TRY(CheckHasExamples(setup));
  BareWork bare;
  bare.images_ = setup.spec.batch;
  for (int i = 0; i < threads; ++i) {
    NDCAO_ASSIGN(std::shared_ptr<Evaluator> evaluator, NewPlainEvaluator(*setup.problem));
    std::copy(setup.initial.begin(), setup.initial.end(), evaluator->parameters().begin());
    NDCAO_TRY(evaluator->Select(SomeExamples(setup)));
    NDCAO_TRY(evaluator->Loss({}, {}));
    bare.batches_.push_back([evaluator]() -> Status {
      NDCAO_TRY(evaluator->Loss({}, {}));
      return Ok();
    });
  }
  return bare;
}

Result<BareWork> BareWork::Products(const RunSetup& setup, int threads) {
  BareWork bare;
  bare.images_ = setup.spec.batch;
  for (int i = 0; i < threads; ++i) {
    NDCAO_ASSIGN(std::shared_ptr<ActivationEvaluator> evaluator,
                 NewActivationEvaluator(*setup.problem));
    const std::span<float> parameters = evaluator->network().parameters();
    std::copy(setup.initial.begin(), setup.initial.end(), parameters.begin());
    NDCAO_ASSIGN(auto products, evaluator->Products(SomeExamples(setup)));
    bare.batches_.push_back([evaluator, products] { return products(); });
  }
  return bare;
}

double BareWork::ImagesPerSecond(double seconds) const {
  using Clock = std::chrono::steady_clock;
  std::vector<std::uint64_t> images(batches_.size(), 0);
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  {
    std::vector<std::jthread> team;
    for (std::size_t i = 0; i < batches_.size(); ++i) {
      team.emplace_back([&, i] {
        while (Clock::now() < end && batches_[i]().ok()) images[i] += images_;
      });
    }
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  return static_cast<double>(std::accumulate(images.begin(), images.end(), std::uint64_t{0})) /
         took.count();
}

}  // namespace ndcao
