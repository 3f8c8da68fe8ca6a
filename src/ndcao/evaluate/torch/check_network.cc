#include "ndcao/evaluate/torch/check_network.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "ndcao/params/parameter_vector.h"

namespace ndcao {
namespace {

Result<std::vector<float>> Answer(NetworkEvaluator& evaluator) {
  NDCAO_ASSIGN(const Outputs outputs, evaluator.Forward());
  return std::vector<float>(outputs.values.begin(), outputs.values.end());
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

// Writes to try. One alone may leave the outputs of a network as they are, where they saturate.
const std::function<float(float x, std::size_t i)> kWrites[] = {
    [](float x, std::size_t) { return x * 1.5f + 0.25f; },
    [](float x, std::size_t) { return x * 0.5f; },
    [](float x, std::size_t) { return -x; },
    [](float x, std::size_t i) { return i % 2 == 0 ? x + 0.01f : x - 0.01f; },
    [](float, std::size_t i) { return i % 3 == 0 ? 1.0f : -0.5f; },
};

}  // namespace

Status CheckNetwork(NetworkEvaluator& evaluator) {
  NDCAO_ASSIGN(const std::vector<float> before, Answer(evaluator));
  const std::span<float> parameters = evaluator.parameters();
  const ParameterVector saved(parameters.begin(), parameters.end());
  bool changes = false;
  for (const auto& write : kWrites) {
    for (std::size_t i = 0; i < saved.size(); ++i) parameters[i] = write(saved[i], i);
    const auto after = Answer(evaluator);
    std::copy(saved.begin(), saved.end(), parameters.begin());
    if (!after.ok()) return after.error();
    changes = !SameBits(before, after.value());
    if (changes) return Ok();
  }
  return Invalid("its outputs do not depend on its parameters; was the module frozen?");
}

Status CheckBatchNorm(NetworkEvaluator& evaluator) {
  if (evaluator.model().SetBatchNorm(BatchNorm::kEval) == 0) {
    return Invalid("--batch-norm batch: the network has no BatchNorm layers");
  }
  NDCAO_ASSIGN(const std::vector<float> constant, Answer(evaluator));
  evaluator.model().SetBatchNorm(BatchNorm::kBatch);
  NDCAO_ASSIGN(const std::vector<float> batch, Answer(evaluator));
  if (!SameBits(constant, batch)) return Ok();
  return Invalid(
      "--batch-norm batch has no effect: the module was traced in "
      "evaluation mode; script it");
}

}  // namespace ndcao
