#include "ndcao/report/fold_history.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ndcao {
namespace {

constexpr double kSamples = 256;
constexpr std::size_t kCohorts = 8;
constexpr std::size_t kBlocks = 48;
constexpr std::uint64_t kParametersPerBlock = 64;

/// At most `kParametersPerBlock` local indices, evenly spread over the slice.
std::vector<std::uint64_t> ChooseParameters(const Slice& slice) {
  const std::uint64_t count = std::min(kParametersPerBlock, slice.size());
  std::vector<std::uint64_t> chosen;
  std::uint64_t before = 0;  // parameters of the slice in the runs already passed
  for (const Run& run : slice.runs()) {
    while (chosen.size() < count) {
      const std::uint64_t rank = chosen.size() * slice.size() / count;
      if (rank >= before + run.length) break;
      chosen.push_back(run.local + rank - before);
    }
    before += run.length;
  }
  return chosen;
}

}  // namespace

void FoldHistory::Begin(const Replica& replica) {
  begun_ = true;
  const auto& blocks = replica.partition().blocks();
  blocks_in_run_ = blocks.size();
  const std::size_t shown = std::min(kBlocks, blocks.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const auto id = static_cast<BlockId>(i * blocks.size() / shown);
    blocks_.push_back({id, blocks[id].name, blocks[id].slice.size()});
    watched_.push_back(ChooseParameters(blocks[id].slice));
    values_.emplace_back();
  }
  for (const Replica::CohortView& cohort : replica.cohorts()) {
    if (cohorts_.size() < kCohorts) cohorts_.push_back({cohort.optimizer, cohort.blocks.size()});
  }
  begin_ = replica.next_offset() - 1;
  Moves(replica);  // where the blocks stand at first
  next_groups_ = replica.counters().groups + 1;
}

std::vector<float> FoldHistory::Moves(const Replica& replica) {
  const std::shared_ptr<const ParameterVector> theta = replica.parameters();
  std::vector<float> moved(watched_.size(), 0.0f);
  for (std::size_t b = 0; b < watched_.size(); ++b) {
    std::vector<float> now;
    for (const std::uint64_t i : watched_[b]) now.push_back((*theta)[i]);
    double square = 0;
    for (std::size_t i = 0; i < values_[b].size(); ++i) {
      const double step = static_cast<double>(now[i]) - values_[b][i];
      square += step * step;
    }
    moved[b] = static_cast<float>(std::sqrt(square / static_cast<double>(now.size())));
    values_[b] = std::move(now);
  }
  return moved;
}

void FoldHistory::Add(const Replica& replica) {
  if (!begun_) Begin(replica);
  const ReplicaCounters& counters = replica.counters();
  if (counters.groups < next_groups_) return;
  const double stride = std::max(1.0, std::ceil(replica.horizon() / kSamples));
  next_groups_ = counters.groups + static_cast<std::uint64_t>(stride);
  Sample sample{
      replica.next_offset(), counters.groups, counters.image_forwards, {}, Moves(replica)};
  for (Replica::CohortView& cohort : replica.cohorts()) {
    if (sample.cohorts.size() == cohorts_.size()) break;
    sample.cohorts.push_back(std::move(cohort.statistics));
  }
  samples_.push_back(std::move(sample));
}

}  // namespace ndcao
