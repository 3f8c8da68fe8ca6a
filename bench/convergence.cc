// The rate of convergence on strongly convex quadratics, measured and predicted, over dimensions,
// numbers of blocks, their periods, staleness and noise; and what is lost when an assumption is
// broken. docs/convergence.md has the theory. A table, then one line of JSON.
//
//   convergence --seeds 20
//
// The loss is ½ Σ h_i θ_i². The estimates and moves are the library's own (NoiseStatistics,
// PerturbationStream), with a constant step and no cut. The prediction is the exact recursion of
// the second moments E θ_i(t) θ_i(u), which is closed because the estimate is linear.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "ndcao/block/noise_statistics.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/params/partition.h"
#include "ndcao/random/perturbation_stream.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kEvaluations = 64;
constexpr double kM = kEvaluations;
constexpr double kSigma = 1e-3;

/// What is done to the assumptions.
enum class Broken { kNothing, kSharedSigns, kMovesWithinGroups };

struct Setting {
  std::string name;
  std::uint32_t dimension = 64;
  std::uint32_t blocks = 1;
  std::uint32_t longest_period = 1;  ///< Block b moves every 1 + b mod this many groups.
  std::uint32_t staleness = 0;       ///< Groups between measuring a loss and applying it.
  double condition = 1;              ///< Greatest over least eigenvalue.
  double noise = 0;                  ///< A group sees the minimum displaced by noise · N(0, I).
  double step = 1;                   ///< Relative to the best step of the undisturbed run.
  int groups = 0;                    ///< 0: until the prediction has fallen to 1e-3.
  Broken broken = Broken::kNothing;
};

std::vector<double> Eigenvalues(const Setting& s) {
  std::vector<double> h(s.dimension, 1.0);
  for (std::uint32_t i = 1; i < s.dimension; ++i) {
    h[i] = std::pow(s.condition, -static_cast<double>(i) / (s.dimension - 1));
  }
  return h;
}

/// η M for which the loss of an isotropic quadratic falls fastest: 1/(1 + d/(M−1) − …).
double BestStep(const Setting& s) {
  const double d = s.dimension;
  return s.step / (1 + d / (kM - 1) - (kM - 2) / (kM * (kM - 1)));
}

/// Period of every parameter.
std::vector<std::uint32_t> Periods(const Setting& s) {
  const Partition partition = PartitionRandom(Layout::Flat(s.dimension), s.blocks, 1).value();
  std::vector<std::uint32_t> periods(s.dimension, 1);
  for (std::size_t b = 0; b < partition.blocks().size(); ++b) {
    for (const Run& run : partition.blocks()[b].slice.runs()) {
      for (std::uint64_t i = run.local; i < run.local + run.length; ++i) {
        periods[i] = 1 + static_cast<std::uint32_t>(b) % s.longest_period;
      }
    }
  }
  return periods;
}

/// E of the loss after each group, from E θ_i² = 1 at the start.
std::vector<double> Predict(const Setting& s, int groups) {
  const std::vector<double> h = Eigenvalues(s);
  const std::vector<std::uint32_t> periods = Periods(s);
  const double a = BestStep(s);
  const std::size_t lags = s.staleness + 1;
  // moment[i][u][v] = E θ_i(t−u) θ_i(t−v); of a parameter that waits: pending mean and variance.
  std::vector<std::vector<double>> moment(s.dimension, std::vector<double>(lags * lags, 1.0));
  std::vector<double> waiting(s.dimension, 0.0);
  std::vector<double> losses;
  for (int t = 1; t <= groups; ++t) {
    const std::size_t old = lags - 1;
    double trace = 0;  // E |g|² of the group, which was measured `staleness` groups ago
    for (std::uint32_t i = 0; i < s.dimension; ++i) {
      trace += h[i] * h[i] * (moment[i][old * lags + old] + s.noise * s.noise);
    }
    double loss = 0;
    for (std::uint32_t i = 0; i < s.dimension; ++i) {
      std::vector<double>& c = moment[i];
      const double square = h[i] * h[i] * (c[old * lags + old] + s.noise * s.noise);
      waiting[i] += a * a *
                    (trace / (kM - 1) - (kM - 2) / (kM * (kM - 1)) * square +
                     h[i] * h[i] * s.noise * s.noise);
      std::vector<double> next(c.size());
      const bool moves = t % periods[i] == 0;
      const double b = moves ? a * h[i] * periods[i] : 0;
      for (std::size_t u = 1; u < lags; ++u) {
        for (std::size_t v = 1; v < lags; ++v) next[u * lags + v] = c[(u - 1) * lags + v - 1];
        next[u] = next[u * lags] = c[u - 1] - b * c[old * lags + u - 1];
      }
      next[0] = c[0] - 2 * b * c[old] + b * b * c[old * lags + old];
      if (moves) next[0] += waiting[i], waiting[i] = 0;
      c = std::move(next);
      loss += 0.5 * h[i] * c[0];
    }
    losses.push_back(loss);
  }
  return losses;
}

/// One run: the loss after each group.
class Simulation {
 public:
  Simulation(const Setting& setting, std::uint64_t seed)
      : s_(setting),
        h_(Eigenvalues(setting)),
        periods_(Periods(setting)),
        stream_(seed),
        noise_(seed, Purpose::kTest, 1),
        theta_(setting.dimension),
        pending_(setting.dimension, 0.0f),
        centre_(setting.dimension, 0.0) {
    RandomSequence random(seed, Purpose::kInit, 0);
    for (float& x : theta_) x = random.Below(2) == 0 ? 1.0f : -1.0f;
    // The two halves' gradients cancel, so that sharing signs hides them from one another.
    if (s_.broken == Broken::kSharedSigns) {
      for (std::uint32_t i = 0; i < s_.dimension / 2; ++i)
        theta_[i + s_.dimension / 2] = -theta_[i];
    }
    history_.assign(s_.staleness + 1, theta_);
  }

  double Group(int t) {
    const TrialId trial = TrialId::Sync(static_cast<std::uint64_t>(t), 0);
    for (double& c : centre_) c = s_.noise > 0 ? s_.noise * noise_.Normal() : 0;
    ParameterVector base = history_.front();
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < kEvaluations; ++k) {
      if (s_.broken == Broken::kMovesWithinGroups && k == kEvaluations / 2) base = theta_;
      losses.push_back(static_cast<float>(Loss(Perturbed(trial, k, base))));
    }
    StepContext context;
    context.options.clip = 1e30;
    NoiseStatistics statistics(context);
    if (!statistics.Add(static_cast<float>(Loss(base)), losses, kSigma)) return INFINITY;
    Apply(trial, statistics.Coefficients(BestStep(s_) / kM, losses), t);
    history_.push_back(theta_);
    history_.pop_front();
    std::fill(centre_.begin(), centre_.end(), 0.0);
    return Loss(theta_);
  }

 private:
  double Loss(const ParameterVector& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double offset = x[i] - centre_[i];
      sum += 0.5 * h_[i] * offset * offset;
    }
    return sum;
  }

  ParameterVector Perturbed(TrialId trial, std::uint32_t k, const ParameterVector& base) const {
    ParameterVector out(base.size());
    if (s_.broken != Broken::kSharedSigns) {
      stream_.Perturb(trial, k, kSigma, 0, base, out);
      return out;
    }
    const std::size_t half = base.size() / 2;
    for (const std::size_t from : {std::size_t{0}, half}) {
      stream_.Perturb(trial, k, kSigma, 0, std::span(base).subspan(from, half),
                      std::span(out).subspan(from, half));
    }
    return out;
  }

  void Apply(TrialId trial, const std::vector<float>& coefficients, int t) {
    if (s_.broken == Broken::kSharedSigns) {
      const std::size_t half = theta_.size() / 2;
      for (const std::size_t from : {std::size_t{0}, half}) {
        stream_.Accumulate(trial, coefficients, 0, std::span(pending_).subspan(from, half));
      }
    } else {
      stream_.Accumulate(trial, coefficients, 0, pending_);
    }
    for (std::size_t i = 0; i < theta_.size(); ++i) {
      if (t % static_cast<int>(periods_[i]) != 0) continue;
      theta_[i] += pending_[i];
      pending_[i] = 0;
    }
  }

  const Setting s_;
  const std::vector<double> h_;
  const std::vector<std::uint32_t> periods_;
  const PerturbationStream stream_;
  RandomSequence noise_;
  ParameterVector theta_;
  ParameterVector pending_;
  std::vector<double> centre_;  // of the group under way
  std::deque<ParameterVector> history_;
};

int GroupsFor(const Setting& s) {
  if (s.groups > 0) return s.groups;
  constexpr int kMost = 4000;
  const std::vector<double> predicted = Predict(s, kMost);
  for (int t = 0; t < kMost; ++t) {
    if (predicted[t] < 1e-3 * predicted.front()) return t + 1;
  }
  return kMost;
}

nlohmann::ordered_json Measure(const Setting& s, int seeds) {
  const int groups = GroupsFor(s);
  double start = 0;
  for (const double h : Eigenvalues(s)) start += 0.5 * h;
  const std::vector<double> predicted = Predict(s, groups);
  std::vector<double> measured(groups, 0.0);
  for (int seed = 1; seed <= seeds; ++seed) {
    Simulation simulation(s, static_cast<std::uint64_t>(seed));
    for (int t = 1; t <= groups; ++t) measured[t - 1] += simulation.Group(t) / seeds;
  }
  // The rate is that of the last half; with noise the end is a floor and has none.
  const int half = groups / 2;
  const auto rate = [&](const std::vector<double>& losses) {
    return std::pow(losses.back() / losses[half - 1], 1.0 / (groups - half));
  };
  return {{"name", s.name},
          {"dimension", s.dimension},
          {"blocks", s.blocks},
          {"longest_period", s.longest_period},
          {"staleness", s.staleness},
          {"condition", s.condition},
          {"noise", s.noise},
          {"step", s.step},
          {"groups", groups},
          {"predicted_rate", rate(predicted)},
          {"measured_rate", rate(measured)},
          {"predicted_end", predicted.back() / start},
          {"measured_end", measured.back() / start}};
}

std::vector<Setting> Settings() {
  std::vector<Setting> all;
  for (const std::uint32_t d : {16u, 64u, 256u, 1024u}) {
    all.push_back({.name = "dimension", .dimension = d});
  }
  all.push_back({.name = "condition 10", .condition = 10});
  for (const std::uint32_t blocks : {4u, 64u}) {
    all.push_back({.name = "blocks", .dimension = 256, .blocks = blocks});
  }
  all.push_back(
      {.name = "periods", .dimension = 256, .blocks = 16, .longest_period = 4, .step = .5});
  all.push_back(
      {.name = "periods", .dimension = 256, .blocks = 64, .longest_period = 10, .step = .25});
  for (const std::uint32_t late : {1u, 4u, 16u}) {
    all.push_back({.name = "staleness", .dimension = 256, .staleness = late, .step = .25});
  }
  for (const double step : {1.0, .5, .25}) {
    all.push_back({.name = "noise", .noise = .1, .step = step, .groups = 200});
  }
  // Broken: the prediction holds in the first three, and says that it diverges.
  all.push_back({.name = "! step above 2", .dimension = 256, .step = 2.2, .groups = 100});
  all.push_back(
      {.name = "! too stale for its step", .dimension = 16, .staleness = 8, .groups = 60});
  all.push_back(
      {.name = "  the same, step / 16", .dimension = 16, .staleness = 8, .step = 1. / 16});
  all.push_back(
      {.name = "! two halves share signs", .groups = 200, .broken = Broken::kSharedSigns});
  all.push_back({.name = "! moves within a group",
                 .staleness = 1,
                 .step = .25,
                 .groups = 200,
                 .broken = Broken::kMovesWithinGroups});
  return all;
}

int Compare(int seeds) {
  fmt::print("{:<26} {:>5} {:>6} {:>7} {:>6} {:>5} {:>6} {:>5} {:>6}  {:>9} {:>9}  {:>9} {:>9}\n",
             "", "d", "blocks", "periods", "stale", "cond", "noise", "step", "groups", "rate pred.",
             "measured", "end pred.", "measured");
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Setting& s : Settings()) {
    const auto row = Measure(s, seeds);
    fmt::print(
        "{:<26} {:>5} {:>6} {:>7} {:>6} {:>5} {:>6} {:>5.2f} {:>6}  {:>9.5f} {:>9.5f}  "
        "{:>9.2e} {:>9.2e}\n",
        s.name, s.dimension, s.blocks, s.longest_period, s.staleness, s.condition, s.noise, s.step,
        row["groups"].get<int>(), row["predicted_rate"].get<double>(),
        row["measured_rate"].get<double>(), row["predicted_end"].get<double>(),
        row["measured_end"].get<double>());
    std::fflush(stdout);
    rows.push_back(row);
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"seeds", seeds}, {"rows", rows}}.dump());
  return 0;
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  CLI::App app("Rates of convergence on quadratics, measured and predicted");
  int seeds = 20;
  app.add_option("--seeds", seeds, "runs behind each line")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ndcao::Compare(seeds);
}
