// Estimators of the global performance around a block's centre, fitted to the block's window of
// history by ridge regression. Both are linear in their parameters:
//   linear:   Ĵ(u) = w·u + constant, the weights of least norm that fit;
//   monomial: Ĵ(u) = Σ w_j φ_j(u) + constant, φ random products of one to three coordinates.
// u is the offset from the centre in units of the step α, so candidates have |u| ≤ 1.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ndcao/block/cao_history.h"
#include "ndcao/random/sequence.h"

namespace ndcao {

class CaoEstimate {
 public:
  virtual ~CaoEstimate() = default;
  /// Ĵ at the centre plus α·u, without the constant.
  virtual double At(std::span<const double> u) const = 0;
};

/// The window as a regression sees it: offsets u (points × dimension, row-major) and losses.
struct CaoWindow {
  std::size_t points = 0;
  std::size_t dimension = 0;
  std::vector<double> offsets;
  std::vector<double> losses;  ///< Finite; absurdly great ones cut.

  std::span<const double> row(std::size_t i) const {
    return std::span(offsets).subspan(i * dimension, dimension);
  }
};

/// At least one entry; `step` > 0.
CaoWindow MakeWindow(std::span<const CaoEntry> entries, const std::vector<float>& centre,
                     double step);

/// Subtracts from every column its mean; `points` rows.
void CentreColumns(std::vector<double>& features, std::size_t points);

/// Weights w of least λ‖w‖² + Σ (w·x_i − (y_i − ȳ))², the rows x_i centred: ridge regression with a
/// constant that is not penalised, through the Gram matrix of the points (cost T²n + T³, T points
/// of n features). λ > 0. Zeros if there is nothing to fit.
std::vector<double> DualRidge(const std::vector<double>& centred, std::span<const double> losses,
                              double ridge);

/// `ridge` is relative to the mean squared length of the offsets from their mean.
std::unique_ptr<CaoEstimate> FitLinear(CaoWindow window, double ridge);

/// A monomial fit goes on with `kept` and fills up to `count` with new ones drawn from `random`,
/// orders 1, 2 and 3 in turn. Coordinates are scaled to the range of the window and the candidates,
/// features to ±10.
class MonomialEstimate : public CaoEstimate {
 public:
  static std::unique_ptr<MonomialEstimate> Fit(const CaoWindow& window,
                                               const std::vector<Monomial>& kept, std::size_t count,
                                               double ridge, RandomSequence random);

  double At(std::span<const double> u) const override;
  /// The half of the monomials that has the largest weights.
  std::vector<Monomial> Largest() const;

 private:
  void Scale(const CaoWindow& window);
  double Feature(const Monomial& monomial, std::span<const double> u) const;

  std::vector<Monomial> monomials_;
  std::vector<double> weights_;
  std::vector<double> middle_;  // of each coordinate's range, in units of u
  std::vector<double> half_;    // half the range
};

}  // namespace ndcao
