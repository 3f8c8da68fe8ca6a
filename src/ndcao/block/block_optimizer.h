// The interface of everything that learns: one object looks after the blocks of equal options (a
// cohort), from their own parameters, their own random stream and the global losses. It never
// sees another block's parameters, moves or perturbations, and no gradient of anything.
//
// An optimizer is folded by one thread at a time. What it proposes is immutable, so a worker may
// go on evaluating a proposal while the fold moves on.
//
//   auto proposal = optimizer->Propose(trial, progress);  // a function of these and of the state
//   proposal->Perturb(k, theta, out);                     // evaluation k's parameters
//   optimizer->Observe({trial, …}, theta, theta, executor);  // learns, and moves the slice
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/base/executor.h"
#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"
#include "ndcao/block/options.h"
#include "ndcao/params/slice.h"

namespace ndcao {

/// What a cohort does during one group of evaluations.
class Proposal {
 public:
  virtual ~Proposal() = default;

  /// Whether the slice stands elsewhere than at θ during the group; then Place says where.
  virtual bool places() const { return false; }
  /// Overwrites the cohort's slice in `point` (a copy of the storage of θ).
  virtual void Place(std::span<float> /*point*/) const {}
  /// Writes evaluation k's parameters of the cohort's slice into `out`; `point` and `out` have the
  /// storage's size.
  virtual void Perturb(std::uint32_t k, std::span<const float> point,
                       std::span<float> out) const = 0;
  /// Turns evaluation k − 1's parameters of the cohort's slice, which `out` holds, into those of
  /// evaluation k, if the two lie on opposite sides of `point`: to within rounding what Perturb
  /// writes, and no random number is drawn. False: `out` is as it was.
  virtual bool Mirror(std::uint32_t /*k*/, std::span<const float> /*point*/,
                      std::span<float> /*out*/) const {
    return false;
  }
  /// The distance by which every Perturb moves each parameter, one way or the other: 0 for blocks
  /// that stand still, nothing if distances differ.
  virtual std::optional<float> step() const { return std::nullopt; }
};

/// One accepted group, as every block hears of it.
struct GroupObservation {
  TrialId trial;
  std::uint64_t base_version = 0;  ///< Version of the optimizers' state that proposed it.
  std::uint64_t version = 0;       ///< Version that this observation helps to make.
  double time = 0;                 ///< t: groups accepted before this one.
  double horizon = 1;              ///< T: groups in the budget, at least 1.
  float centre = 0;                ///< Loss at the centre; NaN if it was not measured.
  std::span<const float> losses;   ///< M of them; any may be NaN or infinite.
  double base_progress = 0;        ///< The `progress` that Propose was told.
};

/// A number worth showing: "gB2", "trH", "eta".
struct Statistic {
  std::string name;
  double value = 0;
};

/// What a cohort is given at the start.
struct CohortContext {
  Slice slice;                   ///< The cohort's parameters, in the replica's storage.
  std::uint64_t seed = 0;        ///< The run's.
  std::uint64_t cohort_key = 0;  ///< Keys draws that blocks must not share; independent of others.
  std::uint64_t parameters = 0;  ///< d, of the whole network.
  GroupShape shape;
  std::uint64_t first_block = 0;  ///< Number of the cohort's first block.
  /// Groups that a block gathers at one place before it moves, at most.
  std::uint32_t gathered = 1;
  /// Groups from when a move is decided to when the last block has made it, at most.
  std::uint32_t wait = 1;
};

class BlockOptimizer {
 public:
  virtual ~BlockOptimizer() = default;

  /// `progress`: the part of the budget that is used up, 0 to 1.
  virtual std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const = 0;

  /// Learns from a group and adds the slice's move to `target` (the storage of θ, or a vector of
  /// moves that have not been made yet). `theta` is the storage of θ itself, for reading.
  virtual void Observe(const GroupObservation& group, std::span<const float> theta,
                       std::span<float> target, Executor& executor) = 0;
  /// The same of several groups, one after another; bit for bit what that many calls of Observe
  /// do. An optimizer may make all their moves in one pass over the slice.
  virtual void ObserveAll(std::span<const GroupObservation> groups, std::span<const float> theta,
                          std::span<float> target, Executor& executor) {
    for (const GroupObservation& group : groups) Observe(group, theta, target, executor);
  }

  /// The whole state, so that Load(Save()) goes on bit for bit.
  virtual void Save(ByteWriter& out) const = 0;
  virtual void Load(ByteReader& in) = 0;

  virtual std::vector<Statistic> Statistics() const { return {}; }
  /// Guards' decisions since the last call, in words.
  virtual std::vector<std::string> TakeDecisions() { return {}; }
};

/// Fills in what the chosen optimizer leaves to its authors (σ, rates), and its group shape.
struct OptimizerDefaults {
  BlockOptions options;
  GroupShape shape;
  std::uint32_t batch = 0;  ///< Examples per evaluation; 0: chosen from the budget.
};
/// `name` as in --optimizer; an unknown one is an error that lists what exists.
Result<OptimizerDefaults> DefaultsFor(const std::string& name);

/// The names that DefaultsFor knows, for help texts.
std::vector<std::string> OptimizerNames();

/// Makes the optimizer of a cohort. `initial` is the storage of the initial θ. The options have
/// been validated.
std::unique_ptr<BlockOptimizer> MakeOptimizer(const BlockOptions& options, CohortContext context,
                                              std::span<const float> initial);

}  // namespace ndcao
