#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <bit>
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

RC_GTEST_PROP(SignKernelsTest, EachKernelAddsTermsInTheirOrder, ()) {
  const SignKey key = AnyKey();
  const std::uint64_t first = AnyFirst() / kSignsPerPosition * kSignsPerPosition;
  const std::size_t count = *rc::gen::inRange<std::size_t>(1, 40) * kSignsPerPosition;
  std::vector<Term> terms(*rc::gen::inRange<std::size_t>(0, 40));
  for (std::size_t t = 0; t < terms.size(); ++t) {
    // Of very different sizes, so that another order would round to another sum.
    terms[t] = {static_cast<std::uint32_t>(3 * t + 1), 1e-4f * static_cast<float>(1 + t * t * t)};
  }
  const std::vector<float> base = AnyValues(count);
  std::vector<float> expected = base;
  for (const Term& term : terms) {
    for (std::size_t i = 0; i < count; ++i) {
      expected[i] =
          Reference({key.seed, key.trial, term.evaluation}, term.scale, first + i, expected[i]);
    }
  }
  for (const Kernels& kernels : SupportedKernels()) {
    std::vector<float> sum = base;
    kernels.add_terms(key, terms, first, sum.data(), count);
    RC_ASSERT(Bits(sum) == Bits(expected));
  }
}

RC_GTEST_PROP(SignKernelsTest, AnyRangeIsCutIntoWholePositionsRightly, ()) {
  const SignKey key = AnyKey();
  const std::uint64_t first = AnyFirst();
  const std::size_t count = *rc::gen::inRange<std::size_t>(0, 1000);
  const std::vector<float> base = AnyValues(count);
  std::vector<float> once(count);
  std::vector<float> twice(count);
  for (std::size_t i = 0; i < count; ++i) {
    once[i] = Reference(key, 0.5f, first + i, base[i]);
    // Evaluation 1 has no weight.
    const float sum = Reference({key.seed, key.trial, 0}, 0.25f, first + i, base[i]);
    twice[i] = Reference({key.seed, key.trial, 2}, -3e-7f, first + i, sum);
  }
  std::vector<float> out(count);
  AddSigned(key, 0.5f, first, base.data(), out.data(), count);
  RC_ASSERT(Bits(out) == Bits(once));
  std::vector<float> sum = base;
  AddSignedSum(key, std::vector<float>{0.25f, 0.0f, -3e-7f}, first, sum);
  RC_ASSERT(Bits(sum) == Bits(twice));
}

TEST(SignKernelsTest, TheFirstIsForAnyProcessor) {
  EXPECT_STREQ(SupportedKernels().front().name, "portable");
}

}  // namespace
}  // namespace ndcao::signs_internal
