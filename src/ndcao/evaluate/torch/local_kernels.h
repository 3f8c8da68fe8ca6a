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

/// back = left · right · the derivative of a curve whose results are `result`.
enum class Curve { kSigmoid, kTanh };
void PullProductThroughCurve(Curve curve, std::int64_t count, const float* left, const float* right,
                             const float* result, float* back);

}  // namespace ndcao
