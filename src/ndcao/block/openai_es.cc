#include "ndcao/block/openai_es.h"

#include <utility>

#include "ndcao/block/pairs.h"
#include "ndcao/block/perturbing.h"
#include "ndcao/block/schedule.h"

namespace ndcao {

OpenAiEsOptimizer::OpenAiEsOptimizer(const BlockOptions& options, CohortContext context)
    : options_(options),
      context_(std::move(context)),
      stream_(context_.seed, Distribution::kGaussian),
      moments_(context_.slice.size()) {}

std::shared_ptr<const Proposal> OpenAiEsOptimizer::Propose(TrialId trial, double) const {
  return std::make_shared<StreamProposal>(&context_.slice, stream_, trial,
                                          static_cast<float>(options_.sigma), true);
}

void OpenAiEsOptimizer::Observe(const GroupObservation& group, std::span<const float>,
                                std::span<float> target, Executor& executor) {
  std::vector<LossPair> pairs = FinitePairs(group.losses);
  if (pairs.size() < 2) return;
  RankPairs(pairs);
  rate_ = options_.peer.rate * RateSchedule(group.time, group.horizon);
  const double scale = 1 / (2 * options_.sigma * static_cast<double>(pairs.size()));
  std::vector<float> coefficients(group.losses.size() / 2, 0.0f);
  for (const LossPair& pair : pairs) {
    coefficients[pair.index] = static_cast<float>(scale * (pair.plus - pair.minus));
  }
  moments_.Advance();
  ForEachPiece(context_.slice, executor, [&](const Run& run, std::uint64_t packed) {
    std::vector<float> gradient(run.length, 0.0f);
    stream_.Accumulate(group.trial, coefficients, run.global, gradient);
    moments_.Step(rate_, packed, gradient, target.subspan(run.local, run.length));
  });
}

void OpenAiEsOptimizer::Save(ByteWriter& out) const {
  moments_.Save(out);
  out.Put(rate_);
}

void OpenAiEsOptimizer::Load(ByteReader& in) {
  moments_.Load(in);
  rate_ = in.Get<double>();
}

std::vector<Statistic> OpenAiEsOptimizer::Statistics() const { return {{"rate", rate_}}; }

}  // namespace ndcao
