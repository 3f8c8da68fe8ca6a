#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <cmath>
#include <vector>

#include "ndcao/random/normal.h"
#include "ndcao/random/normals.h"
#include "ndcao/random/perturbation_stream.h"
#include "ndcao/random/philox.h"
#include "ndcao/random/sequence.h"
#include "ndcao/random/uniforms.h"

namespace ndcao {
namespace {

// Philox4x32-10, from the known-answer file of Random123 1.14.
TEST(PhiloxTest, PublishedKnownAnswers) {
  const auto run = [](r123::Philox4x32::ctr_type counter, r123::Philox4x32::key_type key) {
    return r123::Philox4x32{}(counter, key);
  };
  const r123::Philox4x32::ctr_type zero = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}};
  EXPECT_EQ(run({{0, 0, 0, 0}}, {{0, 0}}), zero);
  const r123::Philox4x32::ctr_type pi = {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  EXPECT_EQ(run({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {{0xa4093822, 0x299f31d0}}),
            pi);
}

// How (seed, purpose, name, index, position) map to counter and key is part of every run's
// meaning: a change would break every journal.
TEST(PhiloxTest, TheKeyingIsPinned) {
  const auto bits = PhiloxBits(0x299f31d0a4093822u, static_cast<Purpose>(0x08), 0x0370734413198a2eu,
                               0x85a308, 0x243f6a88);
  const r123::Philox4x32::ctr_type counter = {{0x243f6a88, 0x85a30808, 0x13198a2e, 0x03707344}};
  const auto expected = r123::Philox4x32{}(counter, {{0xa4093822, 0x299f31d0}});
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(bits[i], expected[i]);
}

TEST(PerturbationStreamTest, SignsAreTheBitsOfTheStream) {
  const PerturbationStream stream(42);
  const TrialId trial = TrialId::Sync(5, 2);
  std::vector<float> out(1000);
  stream.Perturb(trial, 7, 1.0f, 0, std::vector<float>(1000, 0.0f), out);
  for (std::uint32_t j = 0; j < 1000; ++j) {
    const auto bits = PhiloxBits(42, Purpose::kSigns, trial.value, 7, j / 128);
    const bool minus = (bits[j % 128 / 32] >> (j % 32) & 1) != 0;
    EXPECT_EQ(out[j], minus ? -1.0f : 1.0f) << j;
  }
}

UniformsKey AnyUniformsKey() {
  return {*rc::gen::arbitrary<std::uint64_t>(), Purpose::kTest,
          *rc::gen::arbitrary<std::uint64_t>(), *rc::gen::inRange<std::uint32_t>(0, 1u << 24)};
}

// The definition, number by number.
double UniformAt(const UniformsKey& key, std::uint32_t first, std::size_t j) {
  const auto bits = PhiloxBits(key.seed, key.purpose, key.name, key.index,
                               first + static_cast<std::uint32_t>(j / 8));
  const std::uint32_t half = bits[j % 8 / 2] >> (16 * (j % 2)) & 0xffff;
  return (half + 0.5) / 32768 - 1;
}

RC_GTEST_PROP(UniformsTest, EachKernelDrawsTheNumbersOfTheStream, (std::uint32_t position)) {
  using namespace uniforms_internal;
  const UniformsKey key = AnyUniformsKey();
  std::vector<double> expected(kUniforms);
  for (std::size_t j = 0; j < kUniforms; ++j) expected[j] = UniformAt(key, position, j);
  for (const Kernel& kernel : SupportedKernels()) {
    std::vector<double> drawn(kUniforms);
    kernel.draw(key, position, drawn.data());
    RC_TAG(std::string(kernel.name));
    RC_ASSERT(drawn == expected);
  }
}

RC_GTEST_PROP(UniformsTest, AnyNumberOfThem, ()) {
  const UniformsKey key = AnyUniformsKey();
  std::vector<double> drawn(*rc::gen::inRange<std::size_t>(0, 2000));
  DrawUniforms(key, drawn);
  for (std::size_t j = 0; j < drawn.size(); ++j) RC_ASSERT(drawn[j] == UniformAt(key, 0, j));
}

RC_GTEST_PROP(PerturbationStreamTest, AnyRangeAloneEqualsThatRangeOfTheWhole,
              (bool gaussian, std::uint64_t seed)) {
  const auto size = *rc::gen::inRange<std::size_t>(1, 2000);
  const auto begin = *rc::gen::inRange<std::size_t>(0, size);
  const auto length = *rc::gen::inRange<std::size_t>(0, size - begin + 1);
  const PerturbationStream stream(seed,
                                  gaussian ? Distribution::kGaussian : Distribution::kRademacher);
  std::vector<float> base(size);
  for (std::size_t i = 0; i < size; ++i) base[i] = static_cast<float>(i) * 0.37f;
  std::vector<float> whole(size);
  stream.Perturb({seed}, 3, 0.125f, 0, base, whole);
  std::vector<float> part(length);
  stream.Perturb({seed}, 3, 0.125f, begin, std::span(base).subspan(begin, length), part);
  RC_ASSERT(std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(begin)));
}

RC_GTEST_PROP(PerturbationStreamTest, AccumulateSumsWhatPerturbAdds,
              (bool gaussian, std::uint64_t seed)) {
  const auto size = *rc::gen::inRange<std::size_t>(1, 9000);
  const std::vector<float> coefficients = {0.5f, 0.0f, -1.25f, 3e-4f};
  const PerturbationStream stream(seed,
                                  gaussian ? Distribution::kGaussian : Distribution::kRademacher);
  std::vector<float> sum(size, 0.0f);
  stream.Accumulate({9}, coefficients, 77, sum);
  std::vector<float> expected(size, 0.0f);
  for (std::uint32_t k = 0; k < coefficients.size(); ++k) {
    stream.Perturb({9}, k, coefficients[k], 77, expected, expected);
  }
  // Both are sums of three terms, rounded.
  for (std::size_t i = 0; i < size; ++i) RC_ASSERT(std::abs(sum[i] - expected[i]) < 1e-6f);
}

TEST(PerturbationStreamTest, SignsAreBalancedAndUncorrelated) {
  const PerturbationStream stream(1);
  constexpr std::size_t kSize = 1 << 18;
  const std::vector<float> zero(kSize, 0.0f);
  std::vector<float> a(kSize);
  std::vector<float> b(kSize);
  stream.Perturb({1}, 0, 1, 0, zero, a);
  stream.Perturb({1}, 1, 1, 0, zero, b);
  double sum = 0;
  double neighbours = 0;
  double product = 0;
  for (std::size_t i = 0; i < kSize; ++i) {
    sum += a[i];
    product += a[i] * b[i];
    neighbours += a[i] * a[(i + 1) % kSize];
  }
  const double bound = 5 * std::sqrt(kSize);  // five standard deviations
  EXPECT_LT(std::abs(sum), bound);
  EXPECT_LT(std::abs(product), bound);
  EXPECT_LT(std::abs(neighbours), bound);
}

TEST(NormalTest, AgreesWithTheLibraryToFloatPrecision) {
  RandomSequence bits(3, Purpose::kTest, 0);
  for (int i = 0; i < 10000; ++i) {
    const std::uint32_t r = bits.Next32();
    const std::uint32_t a = bits.Next32();
    const NormalPair pair = BoxMuller(r, a);
    const double radius = std::sqrt(-2 * std::log((r + 1.0) / 4294967296.0));
    EXPECT_NEAR(std::hypot(pair.first, pair.second), radius, 1e-5);
  }
  EXPECT_TRUE(std::isfinite(BoxMuller(0, 0).first));
  EXPECT_TRUE(std::isfinite(BoxMuller(0xffffffffu, 0xffffffffu).first));
}

TEST(NormalTest, EveryKernelDrawsBoxMullersNumbers) {
  using namespace normals_internal;
  constexpr NormalKey kKey{
      .seed = 0x1234567887654321, .trial = 0xabcdef0123456789, .evaluation = 7};
  constexpr std::uint32_t kPosition = 0xffffffffu - kPositions / 2;  // the counter's word wraps
  std::vector<float> expected;
  for (std::uint32_t i = 0; i < kPositions; ++i) {
    const auto bits =
        PhiloxBits(kKey.seed, Purpose::kGaussians, kKey.trial, kKey.evaluation, kPosition + i);
    for (const NormalPair& pair : {BoxMuller(bits[0], bits[1]), BoxMuller(bits[2], bits[3])}) {
      expected.push_back(pair.first);
      expected.push_back(pair.second);
    }
  }
  for (const Kernel& kernel : SupportedKernels()) {
    std::vector<float> drawn(kNormals);
    kernel.draw(kKey, kPosition, drawn.data());
    EXPECT_EQ(drawn, expected) << kernel.name;
  }
}

TEST(NormalTest, MomentsAreThoseOfTheStandardNormal) {
  RandomSequence sequence(4, Purpose::kTest, 0);
  constexpr int kCount = 200000;
  double sum = 0, square = 0, fourth = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = sequence.Normal();
    sum += x, square += x * x, fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(square / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(fourth / kCount, 3, 5 * std::sqrt(96.0 / kCount));
}

}  // namespace
}  // namespace ndcao
