#include "ndcao/evaluate/torch/signed_sums.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "ndcao/base/result.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define NDCAO_VNNI [[gnu::target("avx512f,avx512dq,avx512bw,avx512vnni")]]
#endif

namespace ndcao {
namespace {

constexpr std::size_t kFour = 4;  // bytes that one instruction adds up

#if defined(__x86_64__)

// The signs of one row, and the sum of sign · offset.
NDCAO_VNNI float ReadRow(const float* still, const float* moved, const float* offset,
                         std::size_t features, std::int8_t* signs) {
  constexpr std::size_t kStep = 16;
  __m512 up = _mm512_setzero_ps();
  __m512 down = _mm512_setzero_ps();
  for (std::size_t j = 0; j < features; j += kStep) {
    const std::size_t count = std::min(kStep, features - j);
    const auto there = static_cast<__mmask16>((1u << count) - 1);
    const __m512 a = _mm512_maskz_loadu_ps(there, still + j);
    const __m512 b = _mm512_maskz_loadu_ps(there, moved + j);
    const __m512 x = _mm512_maskz_loadu_ps(there, offset + j);
    const __mmask16 more = _mm512_cmp_ps_mask(b, a, _CMP_GT_OQ);
    const __mmask16 less = _mm512_cmp_ps_mask(b, a, _CMP_LT_OQ);
    up = _mm512_mask_add_ps(up, more, up, x);
    down = _mm512_mask_add_ps(down, less, down, x);
    const __m512i wide =
        _mm512_sub_epi32(_mm512_maskz_set1_epi32(more, 1), _mm512_maskz_set1_epi32(less, 1));
    const __m128i bytes = _mm512_cvtepi32_epi8(wide);
    if (count == kStep) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(signs + j), bytes);
    } else {
      std::memcpy(signs + j, &bytes, count);
    }
  }
  std::array<float, kStep> sums;
  _mm512_storeu_ps(sums.data(), _mm512_sub_ps(up, down));
  return std::accumulate(sums.begin(), sums.end(), 0.0f);
}

// kUnits rows of signs against kBlocks vectors of 16 examples.
template <std::size_t kUnits, std::size_t kBlocks>
NDCAO_VNNI void SumTile(const std::int8_t* signs, std::size_t row_bytes, const std::uint8_t* packed,
                        std::size_t quads, std::int32_t* sums, std::size_t stride) {
  __m512i sum[kUnits][kBlocks] = {};
  for (std::size_t q = 0; q < quads; ++q) {
    __m512i bytes[kBlocks];
    for (std::size_t b = 0; b < kBlocks; ++b) {
      bytes[b] = _mm512_loadu_si512(packed + (b * quads + q) * sizeof(__m512i));
    }
    for (std::size_t u = 0; u < kUnits; ++u) {
      std::int32_t four;
      std::memcpy(&four, signs + u * row_bytes + kFour * q, kFour);
      const __m512i sign = _mm512_set1_epi32(four);
      for (std::size_t b = 0; b < kBlocks; ++b) {
        sum[u][b] = _mm512_dpbusd_epi32(sum[u][b], bytes[b], sign);
      }
    }
  }
  for (std::size_t u = 0; u < kUnits; ++u) {
    for (std::size_t b = 0; b < kBlocks; ++b) {
      _mm512_storeu_si512(sums + u * stride + b * 16, sum[u][b]);
    }
  }
}

template <std::size_t kBlocks>
void SumBlocks(const SignRows& rows, const std::uint8_t* packed, std::size_t quads,
               std::int32_t* sums, std::size_t stride) {
  constexpr std::size_t kUnits = 8;
  const std::int8_t* signs = rows.signs().data();
  const std::size_t bytes = rows.row_bytes();
  std::size_t u = 0;
  for (; u + kUnits <= rows.units(); u += kUnits) {
    SumTile<kUnits, kBlocks>(signs + u * bytes, bytes, packed, quads, sums + u * stride, stride);
  }
  for (; u < rows.units(); ++u) {
    SumTile<1, kBlocks>(signs + u * bytes, bytes, packed, quads, sums + u * stride, stride);
  }
}

#else

float ReadRow(const float*, const float*, const float*, std::size_t, std::int8_t*) {
  NDCAO_CHECK(false);
  return 0;
}

template <std::size_t kBlocks>
void SumBlocks(const SignRows&, const std::uint8_t*, std::size_t, std::int32_t*, std::size_t) {
  NDCAO_CHECK(false);
}

#endif

}  // namespace

bool SignedSumsAreFast() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

SignRows::SignRows(std::size_t features)
    : features_(features), row_bytes_((features + kFour - 1) / kFour * kFour) {}

void SignRows::Read(std::span<const float> still, std::span<const float> moved,
                    std::span<const float> offset) {
  const std::size_t units = still.size() / features_;
  signs_.resize(units * row_bytes_);  // what lies behind a row's features stays 0
  offset_sums_.resize(units);
  for (std::size_t u = 0; u < units; ++u) {
    offset_sums_[u] = ReadRow(still.data() + u * features_, moved.data() + u * features_,
                              offset.data(), features_, signs_.data() + u * row_bytes_);
  }
}

ByteBatch::ByteBatch(std::size_t examples, std::size_t features)
    : features_(features),
      blocks_((examples + kLanes - 1) / kLanes),
      quads_((features + kFour - 1) / kFour) {}

std::size_t ByteBatch::packed_bytes() const { return blocks_ * quads_ * kLanes * kFour; }

void ByteBatch::Pack(std::span<const std::uint8_t> bytes, std::span<const std::uint32_t> examples,
                     std::span<std::uint8_t> memory) {
  NDCAO_CHECK(examples.size() <= stride() && memory.size() >= packed_bytes());
  packed_ = memory.first(packed_bytes());
  std::fill_n(memory.begin(), packed_.size(), std::uint8_t{0});
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::uint8_t* row = bytes.data() + examples[i] * features_;
    std::uint8_t* out = memory.data() + (i / kLanes * quads_ * kLanes + i % kLanes) * kFour;
    for (std::size_t j = 0; j < features_; j += kFour) {
      std::memcpy(out + j * kLanes, row + j, std::min(kFour, features_ - j));
    }
  }
}

void ByteBatch::Sum(const SignRows& rows, std::span<std::int32_t> sums) const {
  NDCAO_CHECK(rows.row_bytes() == quads_ * kFour && sums.size() == rows.units() * stride());
  const std::size_t block_bytes = quads_ * kLanes * kFour;
  std::size_t b = 0;
  for (; b + 2 <= blocks_; b += 2) {
    SumBlocks<2>(rows, packed_.data() + b * block_bytes, quads_, sums.data() + b * kLanes,
                 stride());
  }
  if (b < blocks_) {
    SumBlocks<1>(rows, packed_.data() + b * block_bytes, quads_, sums.data() + b * kLanes,
                 stride());
  }
}

}  // namespace ndcao
