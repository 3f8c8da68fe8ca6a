#include "ndcao/block/cao_estimator.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace ndcao {
namespace {

constexpr double kFeatureScale = 10;
constexpr double kLossRange = 4;  // losses are cut at the median + 4 (median − least)

// Four partial sums in a fixed order: the same bits on every machine, and no waiting for an adder.
double Dot(const double* a, const double* b, std::size_t n) {
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < n; ++i) s0 += a[i] * b[i];
  return (s0 + s1) + (s2 + s3);
}

// One absurd loss would otherwise be all that a fit sees.
void CutLosses(std::vector<double>& losses) {
  std::vector<double> sorted = losses;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  const double limit = median + kLossRange * (median - sorted.front());
  for (double& loss : losses) loss = std::min(loss, limit);
}

class LinearEstimate : public CaoEstimate {
 public:
  explicit LinearEstimate(std::vector<double> weights) : weights_(std::move(weights)) {}
  double At(std::span<const double> u) const override {
    return Dot(weights_.data(), u.data(), u.size());
  }

 private:
  std::vector<double> weights_;
};

}  // namespace

CaoWindow MakeWindow(std::span<const CaoEntry> entries, const std::vector<float>& centre,
                     double step) {
  CaoWindow window{entries.size(), centre.size(), {}, {}};
  window.offsets.reserve(entries.size() * centre.size());
  for (const CaoEntry& entry : entries) {
    for (std::size_t j = 0; j < centre.size(); ++j) {
      window.offsets.push_back((static_cast<double>((*entry.point)[j]) - centre[j]) / step);
    }
    window.losses.push_back(entry.loss);
  }
  CutLosses(window.losses);
  return window;
}

void CentreColumns(std::vector<double>& features, std::size_t points) {
  const std::size_t width = features.size() / points;
  std::vector<double> mean(width, 0.0);
  for (std::size_t i = 0; i < points; ++i) {
    for (std::size_t j = 0; j < width; ++j) mean[j] += features[i * width + j];
  }
  for (double& m : mean) m /= static_cast<double>(points);
  for (std::size_t i = 0; i < points; ++i) {
    for (std::size_t j = 0; j < width; ++j) features[i * width + j] -= mean[j];
  }
}

std::vector<double> DualRidge(const std::vector<double>& centred, std::span<const double> losses,
                              double ridge) {
  const std::size_t points = losses.size();
  const std::size_t width = centred.size() / points;
  Eigen::MatrixXd gram(points, points);
  for (std::size_t i = 0; i < points; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      gram(i, j) = gram(j, i) = Dot(&centred[i * width], &centred[j * width], width);
    }
  }
  gram.diagonal().array() += ridge;
  Eigen::VectorXd target(points);
  const double mean =
      std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(points);
  for (std::size_t i = 0; i < points; ++i) target[i] = losses[i] - mean;
  std::vector<double> weights(width, 0.0);
  const Eigen::LLT<Eigen::MatrixXd> factors(gram);
  if (factors.info() != Eigen::Success) return weights;
  const Eigen::VectorXd dual = factors.solve(target);
  if (!dual.allFinite()) return weights;
  for (std::size_t i = 0; i < points; ++i) {
    for (std::size_t j = 0; j < width; ++j) weights[j] += dual[i] * centred[i * width + j];
  }
  return weights;
}

std::unique_ptr<CaoEstimate> FitLinear(CaoWindow window, double ridge) {
  CentreColumns(window.offsets, window.points);
  const double square = Dot(window.offsets.data(), window.offsets.data(), window.offsets.size()) /
                        static_cast<double>(window.points);
  return std::make_unique<LinearEstimate>(DualRidge(window.offsets, window.losses, ridge * square));
}

std::unique_ptr<MonomialEstimate> MonomialEstimate::Fit(const CaoWindow& window,
                                                        const std::vector<Monomial>& kept,
                                                        std::size_t count, double ridge,
                                                        RandomSequence random) {
  auto estimate = std::make_unique<MonomialEstimate>();
  estimate->monomials_ = kept;
  while (estimate->monomials_.size() < count) {
    Monomial monomial{static_cast<std::uint32_t>(estimate->monomials_.size() % 3 + 1), {}};
    for (std::uint32_t& coordinate : monomial.coordinates) {
      coordinate = random.Below(static_cast<std::uint32_t>(window.dimension));
    }
    estimate->monomials_.push_back(monomial);
  }
  estimate->Scale(window);
  std::vector<double> features;
  features.reserve(window.points * count);
  for (std::size_t i = 0; i < window.points; ++i) {
    for (const Monomial& monomial : estimate->monomials_) {
      features.push_back(estimate->Feature(monomial, window.row(i)));
    }
  }
  CentreColumns(features, window.points);
  estimate->weights_ = DualRidge(features, window.losses, ridge);
  return estimate;
}

void MonomialEstimate::Scale(const CaoWindow& window) {
  std::vector<double> least(window.dimension, -1.0), greatest(window.dimension, 1.0);
  for (std::size_t i = 0; i < window.points; ++i) {
    for (std::size_t j = 0; j < window.dimension; ++j) {
      least[j] = std::min(least[j], window.row(i)[j]);
      greatest[j] = std::max(greatest[j], window.row(i)[j]);
    }
  }
  for (std::size_t j = 0; j < window.dimension; ++j) {
    middle_.push_back(0.5 * (least[j] + greatest[j]));
    half_.push_back(0.5 * (greatest[j] - least[j]));
  }
}

double MonomialEstimate::Feature(const Monomial& monomial, std::span<const double> u) const {
  double product = kFeatureScale;
  for (std::uint32_t i = 0; i < monomial.order; ++i) {
    const std::uint32_t j = monomial.coordinates[i];
    product *= (u[j] - middle_[j]) / half_[j];
  }
  return product;
}

double MonomialEstimate::At(std::span<const double> u) const {
  double sum = 0;
  for (std::size_t i = 0; i < monomials_.size(); ++i) {
    sum += weights_[i] * Feature(monomials_[i], u);
  }
  return sum;
}

std::vector<Monomial> MonomialEstimate::Largest() const {
  std::vector<std::size_t> order(monomials_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(weights_[a]) > std::abs(weights_[b]);
  });
  std::vector<Monomial> largest;
  for (std::size_t i = 0; i < order.size() / 2; ++i) largest.push_back(monomials_[order[i]]);
  return largest;
}

}  // namespace ndcao
