#include "ndcao/evaluate/torch/local_kernels.h"

#include <algorithm>
#include <cstring>

#include "ndcao/base/widest_vectors.h"

namespace ndcao {
namespace {

constexpr std::int64_t kLanes = 16;  // results side by side
// In as many registers as the processor needs.
using Lanes [[gnu::vector_size(64)]] = float;
using HalfLanes [[gnu::vector_size(32)]] = float;
constexpr std::int64_t kTogether = 4;  // outputs that share what is read

/// Results of `Value`'s width from column `x` of row `y` on, of kOuts outputs from `o` on.
template <std::int64_t kOuts, typename Value>
[[gnu::always_inline]] inline void ConvolveTile(const PlainConvolution& shape, const float* input,
                                                const float* weights, const float* bias,
                                                float* result, std::int64_t o, std::int64_t y,
                                                std::int64_t x) {
  const std::int64_t taps = shape.channels * shape.kernel_height * shape.kernel_width;
  Value sum[kOuts];
  for (std::int64_t k = 0; k < kOuts; ++k) sum[k] = Value{} + (bias == nullptr ? 0 : bias[o + k]);
  const float* tap = weights + o * taps;
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t dy = 0; dy < shape.kernel_height; ++dy) {
      const float* from = input + (c * shape.height + y + dy) * shape.width + x;
      for (std::int64_t dx = 0; dx < shape.kernel_width; ++dx, ++tap, ++from) {
        Value values;
        std::memcpy(&values, from, sizeof(Value));
        for (std::int64_t k = 0; k < kOuts; ++k) sum[k] += values * tap[k * taps];
      }
    }
  }
  for (std::int64_t k = 0; k < kOuts; ++k) {
    float* to = result + ((o + k) * shape.result_height() + y) * shape.result_width() + x;
    std::memcpy(to, &sum[k], sizeof(Value));
  }
}

template <std::int64_t kOuts>
[[gnu::always_inline]] inline void ConvolveOutputs(const PlainConvolution& shape,
                                                   const float* input, const float* weights,
                                                   const float* bias, float* result,
                                                   std::int64_t o) {
  const std::int64_t width = shape.result_width();
  for (std::int64_t y = 0; y < shape.result_height(); ++y) {
    std::int64_t x = 0;
    for (; x + kLanes <= width; x += kLanes) {
      ConvolveTile<kOuts, Lanes>(shape, input, weights, bias, result, o, y, x);
    }
    if (x == width) continue;
    if (width >= kLanes) {  // some of them twice, to the same values
      ConvolveTile<kOuts, Lanes>(shape, input, weights, bias, result, o, y, width - kLanes);
      continue;
    }
    for (; x < width; ++x) ConvolveTile<kOuts, float>(shape, input, weights, bias, result, o, y, x);
  }
}

[[gnu::always_inline]] inline void ConvolveBody(const PlainConvolution& shape, const float* input,
                                                const float* weights, const float* bias,
                                                float* result) {
  std::int64_t o = 0;
  for (; o + kTogether <= shape.out; o += kTogether) {
    ConvolveOutputs<kTogether>(shape, input, weights, bias, result, o);
  }
  for (; o < shape.out; ++o) ConvolveOutputs<1>(shape, input, weights, bias, result, o);
}

/// Of kLanes pairs of neighbours in memory: the winners take their signals, the others nothing.
[[gnu::always_inline]] inline void PullNeighboursTile(const float* values, const float* signal,
                                                      float* back) {
  using Picks [[gnu::vector_size(64)]] = std::int32_t;
  constexpr Picks kFirsts = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  constexpr Picks kLower = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  Lanes low, high, signals;
  std::memcpy(&low, values, sizeof(Lanes));
  std::memcpy(&high, values + kLanes, sizeof(Lanes));
  std::memcpy(&signals, signal, sizeof(Lanes));
  const Lanes a = __builtin_shuffle(low, high, kFirsts);
  const Lanes b = __builtin_shuffle(low, high, kFirsts + 1);
  const Lanes to_a = b - a <= 0 ? signals : Lanes{};
  const Lanes to_b = b - a <= 0 ? Lanes{} : signals;
  low = __builtin_shuffle(to_a, to_b, kLower);
  high = __builtin_shuffle(to_a, to_b, kLower + 8);
  std::memcpy(back, &low, sizeof(Lanes));
  std::memcpy(back + kLanes, &high, sizeof(Lanes));
}

/// The same of two rows of `inner` values, one behind the other; no fewer than Value's width.
template <typename Value>
[[gnu::always_inline]] inline void PullRows(std::int64_t inner, const float* rows,
                                            const float* signal, float* back) {
  constexpr std::int64_t kWidth = sizeof(Value) / sizeof(float);
  for (std::int64_t x = 0; x < inner; x += kWidth) {
    x = std::min(x, inner - kWidth);  // the last ones twice, to the same values
    Value a, b, signals;
    std::memcpy(&a, rows + x, sizeof(Value));
    std::memcpy(&b, rows + inner + x, sizeof(Value));
    std::memcpy(&signals, signal + x, sizeof(Value));
    const Value to_a = b - a <= 0 ? signals : Value{};
    const Value to_b = b - a <= 0 ? Value{} : signals;
    std::memcpy(back + x, &to_a, sizeof(Value));
    std::memcpy(back + inner + x, &to_b, sizeof(Value));
  }
}

[[gnu::always_inline]] inline void PullPairsBody(const PairShape& shape, const float* values,
                                                 const float* signal, float* back) {
  const std::int64_t inner = shape.inner;
  const std::int64_t all = shape.outer * shape.pairs;
  if (inner == 1) {
    std::int64_t i = 0;
    for (; i + kLanes <= all; i += kLanes) {
      PullNeighboursTile(values + 2 * i, signal + i, back + 2 * i);
    }
    for (; i < all; ++i) {
      const bool first = values[2 * i + 1] - values[2 * i] <= 0;
      back[2 * i] = first ? signal[i] : 0;
      back[2 * i + 1] = first ? 0 : signal[i];
    }
    return;
  }
  for (std::int64_t i = 0; i < all; ++i) {
    const float* a = values + 2 * i * inner;
    const float* s = signal + i * inner;
    float* to_a = back + 2 * i * inner;
    if (inner >= kLanes) {
      PullRows<Lanes>(inner, a, s, to_a);
    } else if (inner >= kLanes / 2) {
      PullRows<HalfLanes>(inner, a, s, to_a);
    } else {
      PullRows<float>(inner, a, s, to_a);
    }
  }
}

[[gnu::always_inline]] inline void PullCurveRow(Curve curve, std::int64_t count,
                                                const float* __restrict left,
                                                const float* __restrict right,
                                                const float* __restrict y, float* __restrict back) {
  if (curve == Curve::kSigmoid) {
    for (std::int64_t i = 0; i < count; ++i) back[i] = left[i] * right[i] * (1 - y[i]) * y[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) back[i] = left[i] * right[i] * (1 - y[i] * y[i]);
  }
}

[[gnu::always_inline]] inline void PullCurveBody(Curve curve, const RowShape& shape,
                                                 const float* left, const float* right,
                                                 const float* y, float* back) {
  for (std::int64_t i = 0; i < shape.rows; ++i) {
    const std::int64_t from = i * shape.columns;
    PullCurveRow(curve, shape.columns, left + from, right + from, y + from,
                 back + i * shape.stride);
  }
}

[[gnu::always_inline]] inline float SumOf(const Lanes& lanes) {
  float sum = 0;
  for (std::int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

[[gnu::always_inline]] inline double DotRowsBody(std::int64_t rows, std::int64_t columns,
                                                 const float* x, const float* y, float* dots) {
  double all = 0;
  for (std::int64_t i = 0; i < rows; ++i, x += columns, y += columns) {
    Lanes dot{}, square{};
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      Lanes a, b;
      std::memcpy(&a, x + j, sizeof(Lanes));
      std::memcpy(&b, y + j, sizeof(Lanes));
      dot += a * b;
      square += a * a;
    }
    float dot_rest = 0;
    float square_rest = 0;
    for (; j < columns; ++j) {
      dot_rest += x[j] * y[j];
      square_rest += x[j] * x[j];
    }
    dots[i] = SumOf(dot) + dot_rest;
    all += SumOf(square) + square_rest;
  }
  return all;
}

[[gnu::always_inline]] inline void ColumnSumsBody(std::int64_t rows, std::int64_t columns,
                                                  const float* __restrict x,
                                                  float* __restrict sums) {
  for (std::int64_t i = 0; i < rows; ++i, x += columns) {
    for (std::int64_t j = 0; j < columns; ++j) sums[j] += x[j];
  }
}

[[gnu::always_inline]] inline void PullGatesBody(std::int64_t count, const float* x,
                                                 const float* signal, float* back) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes values, signals = Lanes{} + 1;
    std::memcpy(&values, x + i, sizeof(Lanes));
    if (signal != nullptr) std::memcpy(&signals, signal + i, sizeof(Lanes));
    const Lanes through = values <= 0 ? Lanes{} : signals;
    std::memcpy(back + i, &through, sizeof(Lanes));
  }
  for (; i < count; ++i) back[i] = x[i] <= 0 ? 0 : signal != nullptr ? signal[i] : 1;
}

}  // namespace

void ConvolveOne(const PlainConvolution& shape, const float* input, const float* weights,
                 const float* bias, float* result) {
  OnWidest<ConvolveBody>(shape, input, weights, bias, result);
}

void PullPairs(const PairShape& shape, const float* values, const float* signal, float* back) {
  OnWidest<PullPairsBody>(shape, values, signal, back);
}

void PullProductThroughCurve(Curve curve, const RowShape& shape, const float* left,
                             const float* right, const float* result, float* back) {
  OnWidest<PullCurveBody>(curve, shape, left, right, result, back);
}

double DotRows(std::int64_t rows, std::int64_t columns, const float* x, const float* y,
               float* dots) {
  return OnWidest<DotRowsBody>(rows, columns, x, y, dots);
}

void AddColumnSums(std::int64_t rows, std::int64_t columns, const float* x, float* sums) {
  OnWidest<ColumnSumsBody>(rows, columns, x, sums);
}

void PullThroughGates(std::int64_t count, const float* x, const float* signal, float* back) {
  OnWidest<PullGatesBody>(count, x, signal, back);
}

double SumOfSquares(std::int64_t count, const float* x) {
  constexpr std::int64_t kTogether = 4096;
  double sum = 0;
  for (std::int64_t done = 0; done < count; done += kTogether) {
    float unused = 0;
    sum += DotRows(1, std::min(kTogether, count - done), x + done, x + done, &unused);
  }
  return sum;
}

}  // namespace ndcao
