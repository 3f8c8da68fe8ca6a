#include "ndcao/random/perturbation_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ndcao/base/result.h"
#include "ndcao/random/normal.h"
#include "ndcao/random/philox.h"
#include "ndcao/random/signs.h"

namespace ndcao {
namespace {

// Parameters handled at a time when many evaluations are summed: the sums stay in the first-level
// cache while the perturbations of every evaluation are regenerated.
constexpr std::size_t kChunk = 4096;
constexpr std::size_t kNormalsPerPosition = 4;

void AddGaussian(std::uint64_t seed, TrialId trial, std::uint32_t k, float scale,
                 std::uint64_t first, const float* base, float* out, std::size_t count) {
  std::array<float, kNormalsPerPosition> normals{};
  std::size_t done = 0;
  while (done < count) {
    const std::uint64_t index = first + done;
    const auto bits = PhiloxBits(seed, Purpose::kGaussians, trial.value, k,
                                 static_cast<std::uint32_t>(index / kNormalsPerPosition));
    const NormalPair a = BoxMuller(bits[0], bits[1]);
    const NormalPair b = BoxMuller(bits[2], bits[3]);
    normals = {a.first, a.second, b.first, b.second};
    const std::size_t offset = index % kNormalsPerPosition;
    const std::size_t take = std::min(kNormalsPerPosition - offset, count - done);
    for (std::size_t i = 0; i < take; ++i) {
      out[done + i] = base[done + i] + scale * normals[offset + i];
    }
    done += take;
  }
}

}  // namespace

void PerturbationStream::Perturb(TrialId trial, std::uint32_t k, float scale, std::uint64_t first,
                                 std::span<const float> base, std::span<float> out) const {
  NDCAO_CHECK(base.size() == out.size());
  if (distribution_ == Distribution::kRademacher) {
    signs_internal::AddSigned({seed_, trial.value, k}, scale, first, base.data(), out.data(),
                              out.size());
  } else {
    AddGaussian(seed_, trial, k, scale, first, base.data(), out.data(), out.size());
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
