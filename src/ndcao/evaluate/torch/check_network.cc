#include "ndcao/evaluate/torch/check_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "ndcao/params/parameter_vector.h"

namespace ndcao {
namespace {

// Outputs in bfloat16 may differ from those in float32 by this share of their size: rounding moves
// those of a sound network by a hundredth or two.
constexpr double kBfloat16Difference = 0.2;

std::vector<float> Copy(const Outputs& outputs) {
  return {outputs.values.begin(), outputs.values.end()};
}

Result<std::vector<float>> Answer(NetworkEvaluator& evaluator) {
  NDCAO_ASSIGN(const Outputs outputs, evaluator.Forward());
  return Copy(outputs);
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

Status CheckBfloat16(NetworkEvaluator& evaluator) {
  NDCAO_ASSIGN(const std::vector<float> exact, Answer(evaluator));
  const auto measured = evaluator.Measure();
  if (!measured.ok()) {
    return Invalid(fmt::format("--precision bf16: the network does not run in bfloat16 ({})",
                               measured.error().message()));
  }
  const std::vector<float> rounded = Copy(measured.value());
  double size = 0, difference = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    size += std::pow(static_cast<double>(exact[i]), 2);
    difference += std::pow(static_cast<double>(rounded[i]) - exact[i], 2);
  }
  const double share = std::sqrt(difference / std::max(size, 1e-30));
  if (size == 0 || share <= kBfloat16Difference) return Ok();
  return Invalid(
      fmt::format("--precision bf16: the network's outputs in bfloat16 differ from those in "
                  "float32 by {:.2g} of their size; allowed: {}",
                  share, kBfloat16Difference));
}

}  // namespace ndcao
