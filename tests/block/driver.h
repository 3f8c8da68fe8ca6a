// A run in its simplest form: optimizers, one group after another, in one thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ndcao/base/executor.h"
#include "ndcao/base/result.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {

/// What was measured in one group.
struct DriverGroup {
  TrialId trial;
  float centre = 0;
  std::vector<float> losses;
  double progress = 0;  ///< When it was measured.
};

class Driver {
 public:
  using Loss = std::function<double(TrialId, std::span<const float>)>;

  Driver(Loss loss, ParameterVector theta, GroupShape shape, double horizon)
      : loss_(std::move(loss)), theta_(std::move(theta)), shape_(shape), horizon_(horizon) {}

  /// `key` is the cohort's, as in CohortContext.
  void Add(const BlockOptions& options, Slice slice, std::uint64_t seed = 1,
           std::uint64_t key = 0) {
    CohortContext context{std::move(slice), seed, key, theta_.size(), shape_, 0, shape_.slots};
    optimizers_.push_back(MakeOptimizer(options, std::move(context), theta_));
  }

  /// Measures group number groups() at the present version.
  DriverGroup Measure() const {
    DriverGroup group{TrialId::Sync(groups_, 0),
                      std::numeric_limits<float>::quiet_NaN(),
                      {},
                      static_cast<double>(groups_) / horizon_};
    std::vector<std::shared_ptr<const Proposal>> proposals;
    ParameterVector point = theta_;
    for (const auto& optimizer : optimizers_) {
      proposals.push_back(optimizer->Propose(group.trial, group.progress));
      if (proposals.back()->places()) proposals.back()->Place(point);
    }
    if (shape_.centre) group.centre = static_cast<float>(loss_(group.trial, point));
    for (std::uint32_t k = 0; k < shape_.evaluations; ++k) {
      ParameterVector perturbed = point;
      for (const auto& proposal : proposals) proposal->Perturb(k, point, perturbed);
      group.losses.push_back(static_cast<float>(loss_(group.trial, perturbed)));
    }
    return group;
  }

  void Observe(const DriverGroup& group) {
    const GroupObservation observation{
        group.trial, groups_,      groups_ + 1,  static_cast<double>(groups_),
        horizon_,    group.centre, group.losses, group.progress};
    ++groups_;
    for (const auto& optimizer : optimizers_) {
      optimizer->Observe(observation, theta_, theta_, *executor_);
    }
  }

  void Run(std::uint64_t groups) {
    for (std::uint64_t i = 0; i < groups; ++i) Observe(Measure());
  }

  void set_executor(Executor* executor) { executor_ = executor; }
  void set_loss(Loss loss) { loss_ = std::move(loss); }
  const ParameterVector& theta() const { return theta_; }
  ParameterVector& mutable_theta() { return theta_; }
  BlockOptimizer& optimizer(std::size_t i = 0) { return *optimizers_[i]; }
  std::uint64_t groups() const { return groups_; }
  void set_groups(std::uint64_t groups) { groups_ = groups; }
  bool finite() const {
    for (const float x : theta_) {
      if (!std::isfinite(x)) return false;
    }
    return true;
  }

 private:
  Loss loss_;
  ParameterVector theta_;
  GroupShape shape_;
  double horizon_;
  std::vector<std::unique_ptr<BlockOptimizer>> optimizers_;
  std::uint64_t groups_ = 0;
  SerialExecutor serial_;
  Executor* executor_ = &serial_;
};

}  // namespace ndcao
