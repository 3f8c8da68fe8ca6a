#include "ndcao/data/dataset.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "test_files.h"

namespace ndcao {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::FloatNear;

Examples OfBytes(Bytes bytes, std::vector<std::int32_t> labels) {
  return {std::move(bytes), {}, std::move(labels)};
}

Examples OfValues(std::vector<float> values, std::vector<std::int32_t> labels) {
  return {{}, std::move(values), std::move(labels)};
}

Dataset MustCreate(std::vector<std::int64_t> shape, int classes, Examples train, Examples test) {
  auto dataset = Dataset::Create("d", std::move(shape), classes, std::move(train), std::move(test));
  EXPECT_TRUE(dataset.ok()) << dataset.error().message();
  return std::move(dataset).value();
}

std::vector<float> Gathered(const Dataset& dataset, const Examples& part,
                            const std::vector<std::uint32_t>& indices) {
  std::vector<float> out(indices.size() * dataset.features());
  dataset.Gather(part, indices, out);
  return out;
}

TEST(Dataset, NormalisesByTheTrainingSet) {
  // Scaled by 1/255 the training set is (0, 1), (0, 0): mean image (0, 1/2), global mean 1/4,
  // variance 3/16.
  const Dataset dataset = MustCreate({2}, 2, OfBytes({0, 255, 0, 0}, {0, 1}),
                                     OfBytes({255, 51, 0, 255, 255, 0}, {1, 1, 0}));
  EXPECT_FLOAT_EQ(dataset.normalisation().scale, 1.0f / 255);
  EXPECT_THAT(dataset.normalisation().mean, ElementsAre(FloatEq(0), FloatEq(.5f)));
  const float deviation = std::sqrt(3.0f) / 4;
  EXPECT_FLOAT_EQ(dataset.normalisation().deviation, deviation);
  EXPECT_THAT(Gathered(dataset, dataset.train(), {1, 0}),
              ElementsAre(0, FloatEq(-.5f / deviation), 0, FloatEq(.5f / deviation)));
  EXPECT_THAT(Gathered(dataset, dataset.test(), {0, 0}),
              ElementsAre(FloatEq(1 / deviation), FloatNear(-.3f / deviation, 1e-6f),
                          FloatEq(1 / deviation), FloatNear(-.3f / deviation, 1e-6f)));
}

TEST(Dataset, ValuesAreNotScaled) {
  const Dataset dataset = MustCreate({1}, 2, OfValues({1, 3}, {0, 1}), OfValues({4}, {0}));
  EXPECT_EQ(dataset.normalisation().scale, 1);
  EXPECT_THAT(dataset.normalisation().mean, ElementsAre(2));
  EXPECT_EQ(dataset.normalisation().deviation, 1);
  EXPECT_THAT(Gathered(dataset, dataset.test(), {0}), ElementsAre(2));
}

TEST(Dataset, ConstantDataHasDeviationOne) {
  const Dataset bytes = MustCreate({3}, 2, OfBytes(Bytes(30, 77), std::vector<std::int32_t>(10, 1)),
                                   OfBytes({77, 77, 0}, {0}));
  EXPECT_EQ(bytes.normalisation().deviation, 1);
  EXPECT_THAT(Gathered(bytes, bytes.train(), {3}), testing::Each(FloatNear(0, 1e-6f)));
  const Dataset values =
      MustCreate({1}, 2, OfValues(std::vector<float>(10, .1f), std::vector<std::int32_t>(10, 1)),
                 OfValues({0}, {0}));
  EXPECT_EQ(values.normalisation().deviation, 1);
  // The inverse of a number as small as this is not finite.
  const float least = 1e-40f;
  const Dataset tiny = MustCreate({1}, 2, OfValues({0, least}, {0, 1}), OfValues({least}, {0}));
  EXPECT_EQ(tiny.normalisation().deviation, 1);
}

RC_GTEST_PROP(Dataset, GatheredTrainingSetIsCentred, ()) {
  const auto features = *rc::gen::inRange<std::size_t>(1, 40);
  const auto count = *rc::gen::inRange<std::size_t>(1, 30);
  const auto bytes =
      *rc::gen::container<Bytes>(features * count, rc::gen::arbitrary<std::uint8_t>());
  const Examples train = OfBytes(bytes, std::vector<std::int32_t>(count, 1));
  const Dataset dataset = MustCreate({static_cast<std::int64_t>(features)}, 2, train, train);
  std::vector<std::uint32_t> all(count);
  for (std::uint32_t i = 0; i < count; ++i) all[i] = i;
  const auto rows = Gathered(dataset, dataset.train(), all);
  const Normalisation& n = dataset.normalisation();
  const double tolerance = 4e-7 / n.deviation;  // a few roundings of numbers up to 1 / deviation
  for (std::size_t j = 0; j < features; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const float raw = bytes[i * features + j];
      const float row = rows[i * features + j];
      RC_ASSERT(std::abs(row - (n.scale * raw - n.mean[j]) / n.deviation) <= tolerance);
      sum += row;
    }
    RC_ASSERT(std::abs(sum) <= tolerance * static_cast<double>(count));
  }
}

TEST(Dataset, HashDependsOnEverythingButTheName) {
  const auto hash = [](std::string name, std::vector<std::int64_t> shape, int classes,
                       Examples train, Examples test) {
    auto made = Dataset::Create(std::move(name), std::move(shape), classes, std::move(train),
                                std::move(test));
    return made.value().Hash();
  };
  const Examples train = OfBytes({1, 2, 3, 4}, {0, 1});
  const Examples test = OfBytes({5, 6}, {1});
  const std::uint64_t base = hash("d", {2}, 2, train, test);
  EXPECT_EQ(hash("other", {2}, 2, train, test), base);
  EXPECT_NE(hash("d", {1, 2}, 2, train, test), base);
  EXPECT_NE(hash("d", {2}, 3, train, test), base);
  EXPECT_NE(hash("d", {2}, 2, OfBytes({1, 2, 4, 3}, {0, 1}), test), base);
  EXPECT_NE(hash("d", {2}, 2, OfBytes({1, 2, 3, 4}, {1, 0}), test), base);
  EXPECT_NE(hash("d", {2}, 2, train, OfBytes({5, 7}, {1})), base);
  EXPECT_NE(hash("d", {2}, 2, train, OfBytes({5, 6}, {0})), base);
  EXPECT_NE(hash("d", {2}, 2, OfValues({1, 2, 3, 4}, {0, 1}), OfValues({5, 6}, {1})), base);
}

struct BadDataset {
  std::vector<std::int64_t> shape;
  int classes;
  Examples train;
  Examples test;
  std::string message;
};

TEST(Dataset, RefusesPartsThatDoNotFit) {
  const Examples good = OfBytes({1, 2}, {0});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<BadDataset> cases = {
      {{}, 2, good, good, "shape '' of an example"},
      {{2, 0}, 2, good, good, "shape '2 x 0' of an example"},
      {{-1, -2}, 2, good, good, "shape '-1 x -2' of an example"},
      {{std::int64_t{1} << 40, 1 << 30}, 2, good, good, "1099511627776 x 1073741824"},
      {{2}, 1, good, good, "data set 'd': 1 class, at least two are needed"},
      {{2}, 2, {}, good, "data set 'd': the training set is empty"},
      {{2}, 2, good, {}, "data set 'd': the test set is empty"},
      {{2}, 2, OfBytes({1, 2, 3, 4}, {0, 2}), good, "label 2 of training example 1 is not in 0..1"},
      {{2}, 2, good, OfBytes({1, 2}, {-1}), "label -1 of test example 0 is not in 0..1"},
      {{2}, 2, OfBytes({1, 2, 3}, {0}), good, "has 3 values, but 1 examples of 2 take 2"},
      {{2}, 2, {{1, 2}, {1, 2}, {0}}, good, "holds bytes and values"},
      {{2}, 2, good, OfValues({1, 2}, {0}), "one part holds bytes and the other float32"},
      {{2},
       2,
       OfValues({1, 2, 3, nan}, {0, 1}),
       OfValues({1, 2}, {0}),
       "value 1 of training example 1 is nan"},
  };
  for (const BadDataset& bad : cases) {
    ExpectInvalid(Dataset::Create("d", bad.shape, bad.classes, bad.train, bad.test), bad.message);
  }
}

TEST(DatasetDeathTest, GatherChecksSizesAndIndices) {
  const Dataset dataset = MustCreate({2}, 2, OfBytes({1, 2}, {0}), OfBytes({1, 2, 3, 4}, {0, 1}));
  std::vector<float> out(2);
  const std::vector<std::uint32_t> one = {1};
  EXPECT_DEATH(dataset.Gather(dataset.train(), one, out), "check failed");
  out.resize(3);
  EXPECT_DEATH(dataset.Gather(dataset.test(), one, out), "check failed");
}

}  // namespace
}  // namespace ndcao
