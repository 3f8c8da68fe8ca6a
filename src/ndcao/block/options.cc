#include "ndcao/block/options.h"

#include <fmt/format.h>

#include <cmath>

#include "ndcao/block/block_optimizer.h"

namespace ndcao {
namespace {

struct Range {
  const char* field;
  double value;
  double least;
  double greatest;
};

Status CheckRange(const Range& range) {
  if (range.value >= range.least && range.value <= range.greatest) return Ok();
  return Invalid(fmt::format("block option {} = {}: a value from {} to {} is allowed", range.field,
                             range.value, range.least, range.greatest));
}

}  // namespace

Status BlockOptions::Validate() const {
  NDCAO_TRY(DefaultsFor(optimizer));
  constexpr double kLeastSigma = 1e-12, kGreatest = 1e6;
  if (sigma != 0) NDCAO_TRY(CheckRange({"sigma", sigma, kLeastSigma, kGreatest}));
  if (sigma_end != 0) NDCAO_TRY(CheckRange({"sigma-end", sigma_end, kLeastSigma, kGreatest}));
  if (loss_floor && !std::isfinite(*loss_floor)) {
    return Invalid(
        fmt::format("block option loss-floor = {}: a finite value is wanted", *loss_floor));
  }
  const Range ranges[] = {
      {"noise-budget.eps", noise_budget.eps, 1e-6, kGreatest},
      {"noise-budget.clip", noise_budget.clip, 1e-6, kGreatest},
      {"noise-budget.regain", noise_budget.regain, 0, kGreatest},
      {"noise-budget.guard", static_cast<double>(noise_budget.guard), 1, 2},
      {"rate", peer.rate, 0, kGreatest},
      {"sigma-rate", peer.sigma_rate, 0, kGreatest},
      {"cao.window", static_cast<double>(cao.window), 5, 1000},
      {"cao.monomials", static_cast<double>(cao.monomials), 3, 100'000},
      {"cao.candidates", static_cast<double>(cao.candidates), 1, 1'000'000},
      {"cao.ridge", cao.ridge, 0, 1e12},
      {"cao.step", cao.step, kLeastSigma, kGreatest},
      {"cao.step-floor", cao.step_floor, 0, 1},
  };
  for (const Range& range : ranges) NDCAO_TRY(CheckRange(range));
  return Ok();
}

}  // namespace ndcao
