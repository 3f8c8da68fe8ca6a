// Loops over plain arrays that activation probing spends its time in, where LibTorch would need
// several passes over memory. Internal to evaluate/torch.
#pragma once

#include <cstdint>

namespace ndcao {

/// A convolution with a stride and dilation of 1, over inputs that are padded already.
struct PlainConvolution {
  std::int64_t channels = 0;  ///< Of the input.
  std::int64_t height = 0;    ///< Of the padded input.
  std::int64_t width = 0;
  std::int64_t out = 0;
  std::int64_t kernel_height = 0;
  std::int64_t kernel_width = 0;

  std::int64_t result_height() const { return height - kernel_height + 1; }
  std::int64_t result_width() const { return width - kernel_width + 1; }
};

/// Of one example: `result` [out, result height, result width] = `bias` [out] + `input`
/// [channels, height, width] convolved with `weights` [out, channels, kernel height, kernel width].
/// The taps are added in their order. `bias` may be null.
void ConvolveOne(const PlainConvolution& shape, const float* input, const float* weights,
                 const float* bias, float* result);

/// Where neighbours along a dimension compete and the larger one goes on, its signal goes back to
/// it: `values` and `back` are [outer, 2 · pairs, inner], `signal` [outer, pairs, inner]. Of equal
/// neighbours the first wins.
struct PairShape {
  std::int64_t outer = 0;
  std::int64_t pairs = 0;
  std::int64_t inner = 0;
};
void PullPairs(const PairShape& shape, const float* values, const float* signal, float* back);

/// back = left · right · the derivative of a curve whose results are `result`. All are rows one
/// behind the other, but the rows of `back` lie `stride` apart.
enum class Curve { kSigmoid, kTanh };
struct RowShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};
void PullProductThroughCurve(Curve curve, const RowShape& shape, const float* left,
                             const float* right, const float* result, float* back);

/// dots[i] = Σ_j x[i][j] · y[i][j] of `rows` rows of `columns` values; returns Σ x². The products
/// are added in sixteen sums side by side.
double DotRows(std::int64_t rows, std::int64_t columns, const float* x, const float* y,
               float* dots);

/// sums[j] += Σ_i x[i][j] of `rows` rows of `columns` values, one row after the other.
void AddColumnSums(std::int64_t rows, std::int64_t columns, const float* x, float* sums);

/// back[i] = x[i] ≤ 0 ? 0 : signal[i], of `count` values. `signal` may be null: ones.
void PullThroughGates(std::int64_t count, const float* x, const float* signal, float* back);

/// Σ x² of `count` values; of every 4,096 of them in sixteen sums side by side.
double SumOfSquares(std::int64_t count, const float* x);

}  // namespace ndcao
