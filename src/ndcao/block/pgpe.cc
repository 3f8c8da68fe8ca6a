#include "ndcao/block/pgpe.h"

#include <algorithm>
#include <utility>

#include "ndcao/block/perturbing.h"
#include "ndcao/block/schedule.h"

namespace ndcao {
namespace {

constexpr float kGreatestChange = 0.2f;  // of a deviation in one group
constexpr float kDeviationRange = 1000;  // deviations stay within this factor of the first one
constexpr std::size_t kChunk = 1024;

class PgpeProposal : public Proposal {
 public:
  PgpeProposal(const Slice* slice, PerturbationStream stream, TrialId trial,
               std::shared_ptr<const std::vector<float>> deviations)
      : slice_(slice), stream_(stream), trial_(trial), deviations_(std::move(deviations)) {}

  void Perturb(std::uint32_t k, std::span<const float> point, std::span<float> out) const override {
    const float sign = k % 2 == 1 ? -1.0f : 1.0f;
    const std::vector<float> zeros(kChunk, 0.0f);
    std::vector<float> noise(kChunk);
    const float* deviation = deviations_->data();
    for (const Run& run : slice_->runs()) {
      for (std::uint64_t done = 0; done < run.length; done += kChunk) {
        const std::size_t length = std::min<std::size_t>(kChunk, run.length - done);
        stream_.Perturb(trial_, k / 2, sign, run.global + done, std::span(zeros).first(length),
                        std::span(noise).first(length));
        const std::size_t local = run.local + done;
        for (std::size_t i = 0; i < length; ++i) {
          out[local + i] = point[local + i] + *deviation++ * noise[i];
        }
      }
    }
  }

  bool Mirror(std::uint32_t k, std::span<const float> point, std::span<float> out) const override {
    return MirrorPair(*slice_, k, point, out);
  }

 private:
  const Slice* slice_;
  PerturbationStream stream_;
  TrialId trial_;
  std::shared_ptr<const std::vector<float>> deviations_;
};

}  // namespace

PgpeOptimizer::PgpeOptimizer(const BlockOptions& options, CohortContext context)
    : options_(options),
      context_(std::move(context)),
      stream_(context_.seed, Distribution::kGaussian),
      moments_(context_.slice.size()),
      deviations_(std::make_shared<Deviations>(context_.slice.size(),
                                               static_cast<float>(options_.sigma))) {}

std::shared_ptr<const Proposal> PgpeOptimizer::Propose(TrialId trial, double) const {
  return std::make_shared<PgpeProposal>(&context_.slice, stream_, trial, deviations_);
}

void PgpeOptimizer::Observe(const GroupObservation& group, std::span<const float>,
                            std::span<float> target, Executor& executor) {
  std::vector<LossPair> ranks = FinitePairs(group.losses);
  if (ranks.size() < 2) return;
  RankPairs(ranks);
  rate_ = options_.peer.rate * RateSchedule(group.time, group.horizon);
  moments_.Advance();
  auto next = std::make_shared<Deviations>(*deviations_);
  ForEachPiece(context_.slice, executor, [&](const Run& run, std::uint64_t packed) {
    LearnPiece(ranks, group.trial, run, packed, *next, target);
  });
  deviations_ = std::move(next);
}

void PgpeOptimizer::LearnPiece(const std::vector<LossPair>& ranks, TrialId trial, const Run& run,
                               std::uint64_t packed, Deviations& next, std::span<float> target) {
  const std::vector<float> zeros(run.length, 0.0f);
  std::vector<float> noise(run.length), gradient(run.length, 0.0f), growth(run.length, 0.0f);
  const auto count = static_cast<float>(ranks.size());
  for (const LossPair& pair : ranks) {
    stream_.Perturb(trial, pair.index, 1.0f, run.global, zeros, noise);
    const float slope = static_cast<float>(pair.plus - pair.minus) / (2 * count);
    const float mean = static_cast<float>(pair.plus + pair.minus) / (2 * count);
    for (std::size_t i = 0; i < noise.size(); ++i) {
      gradient[i] += slope * noise[i];
      growth[i] += mean * (noise[i] * noise[i] - 1);
    }
  }
  const auto first = static_cast<float>(options_.sigma);
  const auto rate = static_cast<float>(options_.peer.sigma_rate);
  for (std::size_t i = 0; i < noise.size(); ++i) {
    float& deviation = next[packed + i];
    gradient[i] *= deviation;
    const float change = std::clamp(rate * growth[i], -kGreatestChange, kGreatestChange);
    deviation =
        std::clamp(deviation * (1 - change), first / kDeviationRange, first * kDeviationRange);
  }
  moments_.Step(rate_, packed, gradient, target.subspan(run.local, run.length));
}

void PgpeOptimizer::Save(ByteWriter& out) const {
  moments_.Save(out);
  out.PutAll(std::span<const float>(*deviations_));
  out.Put(rate_);
}

void PgpeOptimizer::Load(ByteReader& in) {
  moments_.Load(in);
  auto deviations = std::make_shared<Deviations>(context_.slice.size());
  in.GetAll(std::span<float>(*deviations));
  deviations_ = std::move(deviations);
  rate_ = in.Get<double>();
}

std::vector<Statistic> PgpeOptimizer::Statistics() const {
  double sum = 0;
  for (const float deviation : *deviations_) sum += deviation;
  return {{"rate", rate_}, {"deviation", sum / static_cast<double>(deviations_->size())}};
}

}  // namespace ndcao
