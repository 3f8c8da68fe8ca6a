// Common parts of the optimizers that perturb a slice by a keyed stream.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "ndcao/base/executor.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/move.h"
#include "ndcao/params/slice.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {

/// Evaluation k stands at θ + scale(k) · e(stream index of k).
class StreamProposal : public Proposal {
 public:
  /// `antithetic`: evaluations 2i and 2i+1 use the stream's index i with opposite signs.
  StreamProposal(const Slice* slice, PerturbationStream stream, TrialId trial, float sigma,
                 bool antithetic)
      : slice_(slice), stream_(stream), trial_(trial), sigma_(sigma), antithetic_(antithetic) {}

  void Perturb(std::uint32_t k, std::span<const float> point, std::span<float> out) const override;
  bool Mirror(std::uint32_t k, std::span<const float> point, std::span<float> out) const override;
  std::optional<float> step() const override;

 private:
  const Slice* slice_;
  PerturbationStream stream_;
  TrialId trial_;
  float sigma_;
  bool antithetic_;
};

/// Evaluation k stands at θ: frozen blocks.
class StillProposal : public Proposal {
 public:
  explicit StillProposal(const Slice* slice) : slice_(slice) {}
  void Perturb(std::uint32_t k, std::span<const float> point, std::span<float> out) const override;
  std::optional<float> step() const override { return 0.0f; }

 private:
  const Slice* slice_;
};

/// Proposal::Mirror for evaluations 2i and 2i + 1 at equal distances from the point.
bool MirrorPair(const Slice& slice, std::uint32_t k, std::span<const float> point,
                std::span<float> out);

/// Cuts a slice into pieces of bounded size and calls work(run piece, packed offset of the piece)
/// for each, through the executor.
void ForEachPiece(const Slice& slice, Executor& executor,
                  const std::function<void(const Run&, std::uint64_t packed)>& work);

/// Adds the moves to `target` on the slice, one after another, as one blocked pass.
void AddMoves(const Slice& slice, const PerturbationStream& stream, std::span<const Move> moves,
              std::span<float> target, Executor& executor);

}  // namespace ndcao
