#include "ndcao/evaluate/objective.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <functional>

namespace ndcao {
namespace {

std::size_t ArgMax(std::span<const float> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

bool IsNan(std::span<const float> row) {
  return std::any_of(row.begin(), row.end(), [](float x) { return std::isnan(x); });
}

/// 0 for a right answer, 1 for a wrong one, NaN for none.
float Wrong(const Outputs& outputs, std::size_t i) {
  const auto row = outputs.row(i);
  if (IsNan(row)) return NAN;
  return ArgMax(row) == static_cast<std::size_t>(outputs.labels[i]) ? 0.0f : 1.0f;
}

class CrossEntropy : public Objective {
 public:
  void PerExample(const Outputs& outputs, std::span<float> losses,
                  std::span<float> scores) const override {
    using Matrix = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto rows = static_cast<Eigen::Index>(outputs.size());
    const auto columns = static_cast<Eigen::Index>(outputs.classes);
    const Eigen::Map<const Matrix> logits(outputs.values.data(), rows, columns);
    const Eigen::ArrayXf largest = logits.rowwise().maxCoeff();
    const Eigen::ArrayXf partition =
        (logits.colwise() - largest).exp().rowwise().sum().log() + largest;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      losses[i] = partition[static_cast<Eigen::Index>(i)] -
                  outputs.row(i)[static_cast<std::size_t>(outputs.labels[i])];
    }
    if (scores.empty()) return;
    Eigen::Map<Eigen::ArrayXf> score(scores.data(), rows);
    score = 1 - (-Eigen::Map<const Eigen::ArrayXf>(losses.data(), rows)).exp();
  }

  // Of the sum of powers one term changes, by a factor that is the same for all.
  void PerExampleMoved(const Outputs& outputs, float step, std::span<float> losses) const override {
    const float growth = std::expm1(step);
    std::vector<float> powers(outputs.classes);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto row = outputs.row(i);
      const auto label = static_cast<std::size_t>(outputs.labels[i]);
      const float largest = *std::max_element(row.begin(), row.end());
      float sum = 0;
      for (std::size_t c = 0; c < row.size(); ++c) sum += powers[c] = std::exp(row[c] - largest);
      for (std::size_t c = 0; c < row.size(); ++c) {
        const float right = row[label] + (c == label ? step : 0.0f);
        losses[c * outputs.size() + i] = std::log(sum + growth * powers[c]) + largest - right;
      }
    }
  }
};

class MeanSquaredError : public Objective {
 public:
  void PerExample(const Outputs& outputs, std::span<float> losses,
                  std::span<float> scores) const override {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto row = outputs.row(i);
      float sum = 0;
      for (std::size_t c = 0; c < row.size(); ++c) {
        const float target = c == static_cast<std::size_t>(outputs.labels[i]) ? 1.0f : 0.0f;
        sum += (row[c] - target) * (row[c] - target);
      }
      losses[i] = sum / static_cast<float>(row.size());
    }
    std::copy_n(losses.begin(), scores.size(), scores.begin());
  }
};

/// 0 for a right answer, 1 for a wrong one; `accuracy` is the same, less one.
class ZeroOne : public Objective {
 public:
  explicit ZeroOne(float offset) : offset_(offset) {}
  void PerExample(const Outputs& outputs, std::span<float> losses,
                  std::span<float> scores) const override {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const float wrong = Wrong(outputs, i);
      losses[i] = wrong + offset_;
      if (!scores.empty()) scores[i] = wrong;
    }
  }

 private:
  float offset_;
};

/// One minus the mean over the classes of F1 = 2 TP / (2 TP + FP + FN); a class that neither
/// occurs nor is predicted is left out.
class MacroF1 : public Objective {
 public:
  bool per_example() const override { return false; }
  void PerExample(const Outputs&, std::span<float>, std::span<float>) const override {
    NDCAO_CHECK(false && "macro-f1 has no per-example losses");
  }
  double Loss(const Outputs& outputs, std::span<const float>) const override {
    std::vector<double> hits(outputs.classes, 0);
    std::vector<double> involved(outputs.classes, 0);  // 2 TP + FP + FN
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto row = outputs.row(i);
      if (IsNan(row)) return NAN;
      const std::size_t predicted = ArgMax(row);
      const auto label = static_cast<std::size_t>(outputs.labels[i]);
      involved[predicted] += 1;
      involved[label] += 1;
      if (predicted == label) hits[label] += 1;
    }
    double sum = 0;
    int classes = 0;
    for (std::size_t c = 0; c < outputs.classes; ++c) {
      if (involved[c] > 0) sum += 2 * hits[c] / involved[c], ++classes;
    }
    return classes == 0 ? NAN : 1 - sum / classes;
  }
};

using Factory = std::function<std::unique_ptr<Objective>()>;
const std::vector<std::pair<std::string, Factory>>& Factories() {
  static const auto& factories = *new std::vector<std::pair<std::string, Factory>>{
      {"cross-entropy", [] { return std::make_unique<CrossEntropy>(); }},
      {"mse", [] { return std::make_unique<MeanSquaredError>(); }},
      {"accuracy", [] { return std::make_unique<ZeroOne>(-1.0f); }},
      {"zero-one", [] { return std::make_unique<ZeroOne>(0.0f); }},
      {"macro-f1", [] { return std::make_unique<MacroF1>(); }},
  };
  return factories;
}

}  // namespace

void Objective::PerExampleMoved(const Outputs& outputs, float step, std::span<float> losses) const {
  std::vector<float> values(outputs.values.begin(), outputs.values.end());
  for (std::size_t c = 0; c < outputs.classes; ++c) {
    for (std::size_t at = c; at < values.size(); at += outputs.classes) values[at] += step;
    PerExample({values, outputs.labels, outputs.classes},
               losses.subspan(c * outputs.size(), outputs.size()), {});
    for (std::size_t at = c; at < values.size(); at += outputs.classes) {
      values[at] = outputs.values[at];
    }
  }
}

double Objective::Loss(const Outputs& outputs, std::span<const float> weights) const {
  std::vector<float> losses(outputs.size());
  PerExample(outputs, losses, {});
  double sum = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    sum += weights.empty() ? losses[i] : static_cast<double>(weights[i]) * losses[i];
  }
  return sum / static_cast<double>(losses.size());
}

Result<std::unique_ptr<Objective>> MakeObjective(const std::string& name) {
  for (const auto& [candidate, factory] : Factories()) {
    if (candidate == name) return factory();
  }
  return Invalid(fmt::format("--objective {}: unknown; allowed: {}, exec:PROGRAM, function:NAME:N",
                             name, fmt::join(ObjectiveNames(), ", ")));
}

std::vector<std::string> ObjectiveNames() {
  std::vector<std::string> names;
  for (const auto& entry : Factories()) names.push_back(entry.first);
  return names;
}

double Accuracy(const Outputs& outputs) {
  std::size_t correct = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) correct += Wrong(outputs, i) == 0 ? 1 : 0;
  return static_cast<double>(correct) / static_cast<double>(outputs.size());
}

}  // namespace ndcao
