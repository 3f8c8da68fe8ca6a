#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "ndcao/random/philox.h"
#include "ndcao/random/signs_kernels.h"

namespace ndcao::signs_internal {
namespace {

// The definition, bit by bit, from Random123's own function.
float Reference(const SignKey& key, float scale, std::uint64_t index, float base) {
  const auto bits = PhiloxBits(key.seed, Purpose::kSigns, key.trial, key.evaluation,
                               static_cast<std::uint32_t>(index / kSignsPerPosition));
  const bool minus = (bits[index % 128 / 32] >> (index % 32) & 1) != 0;
  return base + (minus ? -scale : scale);
}

std::vector<std::uint32_t> Bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

SignKey AnyKey() {
  return {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>(),
          *rc::gen::inRange<std::uint32_t>(0, 1u << 24)};
}

std::vector<float> AnyValues(std::size_t size) {
  std::vector<float> values(size);
  const auto factor = static_cast<float>(*rc::gen::inRange(-1000, 1000)) * 1e-3f;
  for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(i % 97) * factor;
  return values;
}

// Positions near the end of the counter too, where adding to it may carry.
std::uint64_t AnyFirst() {
  const auto near = *rc::gen::inRange<std::uint64_t>(0, 5000);
  const bool high = *rc::gen::arbitrary<bool>();
  return near + (high ? (std::uint64_t{0xffffff00u} * kSignsPerPosition) : 0);
}

RC_GTEST_PROP(SignKernelsTest, EachKernelAddsTheSignsOfRandom123, ()) {
  const SignKey key = AnyKey();
  const std::uint64_t first = AnyFirst() / kSignsPerPosition * kSignsPerPosition;
  const std::size_t count = *rc::gen::inRange<std::size_t>(1, 70) * kSignsPerPosition;
  const std::vector<float> base = AnyValues(count);
  const float scale = 3e-3f;
  std::vector<float> expected(count);
  for (std::size_t i = 0; i < count; ++i) {
    expected[i] = Reference(key, scale, first + i, base[i]);
  }
  for (const Kernels& kernels : SupportedKernels()) {
    std::vector<float> out(count + 1, 7.0f);
    kernels.add(key, scale, first, base.data(), out.data(), count);
    RC_ASSERT(out.back() == 7.0f);
    out.pop_back();
    RC_ASSERT(Bits(out) == Bits(expected));
    std::vector<float> in_place = base;
    kernels.add(key, scale, first, in_place.data(), in_place.data(), count);
    RC_ASSERT(Bits(in_place) == Bits(expected));
  }
}

// Weights of both signs and of very different sizes; of up to 70 of them the absolute values add up
// to less than 2^31.
std::vector<Term> AnyTerms() {
  const auto count = *rc::gen::inRange<std::size_t>(0, 71);
  const auto first = *rc::gen::inRange<std::uint32_t>(0, (1u << 24) - 71);
  std::vector<Term> terms;
  for (std::uint32_t t = 0; t < count; ++t) {
    const auto bits = *rc::gen::inRange(1, 25);
    terms.push_back({first + t, *rc::gen::inRange(-(1 << bits), 1 << bits)});
  }
  return terms;
}

RC_GTEST_PROP(SignKernelsTest, EachKernelSumsTheSignsOfRandom123, ()) {
  const SignKey key = AnyKey();
  const std::uint64_t first = AnyFirst() / kSignsPerPosition * kSignsPerPosition;
  const std::size_t count = *rc::gen::inRange<std::size_t>(1, 40) * kSignsPerPosition;
  const std::vector<Term> terms = AnyTerms();
  const std::vector<float> base = AnyValues(count);
  constexpr float kUnit = 0x1p-20f;
  std::vector<std::int64_t> sums(count, 0);
  for (const Term& term : terms) {
    for (std::size_t i = 0; i < count; ++i) {
      const float sign = Reference({key.seed, key.trial, term.evaluation}, 1, first + i, 0);
      sums[i] += sign < 0 ? -std::int64_t{term.weight} : term.weight;
    }
  }
  std::vector<float> expected = base;
  for (std::size_t i = 0; i < count; ++i) expected[i] += kUnit * static_cast<float>(sums[i]);
  for (const Kernels& kernels : SupportedKernels()) {
    std::vector<float> sum = base;
    sum.push_back(7.0f);
    kernels.add_terms(key, terms, kUnit, first, sum.data(), count);
    RC_ASSERT(sum.back() == 7.0f);
    sum.pop_back();
    RC_ASSERT(Bits(sum) == Bits(expected));
  }
}

RC_GTEST_PROP(SignKernelsTest, OneEvaluationAloneIsExact, ()) {
  const SignKey key = AnyKey();
  const std::uint64_t first = AnyFirst();
  const std::size_t count = *rc::gen::inRange<std::size_t>(0, 9000);
  const float scale = static_cast<float>(*rc::gen::inRange(-1000000, 1000000)) * 1e-9f;
  const std::vector<float> base = AnyValues(count);
  std::vector<float> expected(count);
  for (std::size_t i = 0; i < count; ++i) {
    expected[i] = Reference(key, scale, first + i, base[i]);
  }
  std::vector<float> out(count);
  AddSigned(key, scale, first, base.data(), out.data(), count);
  RC_ASSERT(Bits(out) == Bits(expected));
  std::vector<float> sum = base;
  std::vector<float> scales(*rc::gen::inRange<std::size_t>(1, 9), 0.0f);
  scales.back() = scale;
  const SignKey last = {key.seed, key.trial, static_cast<std::uint32_t>(scales.size() - 1)};
  for (std::size_t i = 0; i < count; ++i) {
    expected[i] = base[i] + Reference(last, scale, first + i, 0);
  }
  AddSignedSum(key, scales, first, sum);
  RC_ASSERT(Bits(sum) == Bits(expected));
}

// However a range is cut, wherever in a position, the sums are the same.
RC_GTEST_PROP(SignKernelsTest, ASumOfAnyRangeIsThatRangeOfTheWhole, ()) {
  const SignKey key = AnyKey();
  const std::uint64_t first = AnyFirst();
  const std::size_t count = *rc::gen::inRange<std::size_t>(1, 9000);
  const auto cut = *rc::gen::inRange<std::size_t>(0, count + 1);
  std::vector<float> scales(*rc::gen::inRange<std::size_t>(1, 71));
  for (float& scale : scales) {
    scale = static_cast<float>(*rc::gen::inRange(-1000000, 1000000)) * 1e-7f;
  }
  const std::vector<float> base = AnyValues(count);
  std::vector<float> whole = base;
  AddSignedSum(key, scales, first, whole);
  std::vector<float> parts = base;
  AddSignedSum(key, scales, first, std::span(parts).first(cut));
  AddSignedSum(key, scales, first + cut, std::span(parts).subspan(cut));
  RC_ASSERT(Bits(whole) == Bits(parts));
}

// The sum is as near to the real one as a float can be, but for a rounding of each scale.
RC_GTEST_PROP(SignKernelsTest, ASumIsAsPreciseAsItsTerms, ()) {
  const SignKey key = AnyKey();
  std::vector<float> scales(*rc::gen::inRange<std::size_t>(1, 71));
  double total = 0;
  for (float& scale : scales) {
    scale =
        std::ldexp(static_cast<float>(*rc::gen::inRange(-1000, 1000)), *rc::gen::inRange(-60, 20));
    total += std::abs(scale);
  }
  std::vector<float> sum(300, 0.0f);
  AddSignedSum(key, scales, 0, sum);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    double expected = 0;
    for (std::uint32_t k = 0; k < scales.size(); ++k) {
      expected += Reference({key.seed, key.trial, k}, scales[k], i, 0);
    }
    const double rounding = 0.5 * static_cast<double>(scales.size()) * std::ldexp(total, -29);
    RC_ASSERT(std::abs(sum[i] - expected) <= rounding + std::ldexp(std::abs(expected), -23));
  }
}

TEST(SignKernelsTest, AScaleThatIsNotFiniteSpoilsTheSum) {
  std::vector<float> sum(10, 1.0f);
  AddSignedSum({1, 2, 0}, std::vector<float>{1.0f, std::numeric_limits<float>::infinity()}, 5, sum);
  for (const float value : sum) EXPECT_TRUE(std::isnan(value));
}

TEST(SignKernelsTest, SumsOfNothingAndOfTheSmallestScalesAreExact) {
  std::vector<float> sum(10, 1.0f);
  AddSignedSum({1, 2, 0}, std::vector<float>{0.0f, 0.0f}, 5, sum);
  EXPECT_EQ(sum, std::vector<float>(10, 1.0f));
  std::fill(sum.begin(), sum.end(), 0.0f);
  AddSignedSum({1, 2, 0}, std::vector<float>{0x1p-126f}, 5, sum);
  for (const float value : sum) EXPECT_EQ(std::abs(value), 0x1p-126f);
}

TEST(SignKernelsTest, TheFirstIsForAnyProcessor) {
  EXPECT_STREQ(SupportedKernels().front().name, "portable");
}

}  // namespace
}  // namespace ndcao::signs_internal
