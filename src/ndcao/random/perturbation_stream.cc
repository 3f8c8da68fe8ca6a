#include "ndcao/random/perturbation_stream.h"

#include <algorithm>
#include <array>

#include "ndcao/base/result.h"
#include "ndcao/random/normals.h"
#include "ndcao/random/signs.h"

namespace ndcao {
namespace {

// Parameters handled at a time when many evaluations are summed: the sums stay in the first-level
// cache while the perturbations of every evaluation are regenerated.
constexpr std::size_t kChunk = 4096;

}  // namespace

void PerturbationStream::Perturb(TrialId trial, std::uint32_t k, float scale, std::uint64_t first,
                                 std::span<const float> base, std::span<float> out) const {
  NDCAO_CHECK(base.size() == out.size());
  if (distribution_ == Distribution::kRademacher) {
    signs_internal::AddSigned({seed_, trial.value, k}, scale, first, base.data(), out.data(),
                              out.size());
  } else {
    normals_internal::AddNormals({seed_, trial.value, k}, scale, first, base.data(), out.data(),
                                 out.size());
  }
}

void PerturbationStream::Accumulate(TrialId trial, std::span<const float> coefficients,
                                    std::uint64_t first, std::span<float> sum) const {
  if (distribution_ == Distribution::kRademacher) {
    signs_internal::AddSignedSum({seed_, trial.value, 0}, coefficients, first, sum);
    return;
  }
  std::array<float, kChunk> moves;
  for (std::size_t done = 0; done < sum.size(); done += kChunk) {
    const std::span<float> chunk(moves.data(), std::min(kChunk, sum.size() - done));
    std::fill(chunk.begin(), chunk.end(), 0.0f);
    for (std::uint32_t k = 0; k < coefficients.size(); ++k) {
      if (coefficients[k] == 0) continue;
      Perturb(trial, k, coefficients[k], first + done, chunk, chunk);
    }
    for (std::size_t i = 0; i < chunk.size(); ++i) sum[done + i] += chunk[i];
  }
}

}  // namespace ndcao
