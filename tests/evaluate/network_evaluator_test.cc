// The ways to measure a network faster: in parts, with a shared first layer, in bfloat16. Each is
// held to the plain forward pass.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "evaluate/made_up_data.h"
#include "ndcao/evaluate/torch/blas_kernels.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/signed_sums.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {
namespace {

using testing::HasSubstr;

std::unique_ptr<Problem> Make(const NetworkOptions& options) {
  InitTorch();
  auto problem = MakeNetworkProblem(options, MadeUpData({1, 28, 28}));
  EXPECT_TRUE(problem.ok()) << options.model << ": " << problem.error().message();
  return std::move(problem).value();
}

std::vector<std::uint32_t> Examples(std::size_t count) {
  std::vector<std::uint32_t> examples(count);
  for (std::size_t i = 0; i < count; ++i) examples[i] = static_cast<std::uint32_t>(i * 7 % 20);
  return examples;
}

/// Losses at the centre and at M perturbed points, as a group of evaluations asks for them.
std::vector<double> GroupLosses(const Problem& problem, Evaluator& evaluator, std::size_t examples,
                                float step, bool share) {
  const ParameterVector centre = problem.Initial(1).value();
  std::copy(centre.begin(), centre.end(), evaluator.parameters().begin());
  EXPECT_TRUE(evaluator.Select(Examples(examples)).ok());
  std::vector<double> losses = {evaluator.Loss({}, {}).value()};
  if (share) evaluator.ShareAround(centre, step);
  const PerturbationStream stream(1);
  for (std::uint32_t k = 0; k < 5; ++k) {
    stream.Perturb({}, k, k % 2 == 0 ? step : -step, 0, centre, evaluator.parameters());
    losses.push_back(evaluator.Loss({}, {}).value());
  }
  return losses;
}

TEST(NetworkEvaluatorTest, PassesInPartsGiveTheLossesOfOnePass) {
  for (const char* model : {"cnn11k", "lenet5", "resnet8"}) {
    const auto problem = Make({.model = model});
    const auto parts = problem->NewEvaluator().value();
    const auto plain = NewPlainEvaluator(*problem).value();
    const auto expected = GroupLosses(*problem, *plain, 150, 1e-2f, false);
    const auto losses = GroupLosses(*problem, *parts, 150, 1e-2f, false);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], 1e-5 * std::abs(expected[i])) << model;
    }
  }
}

// What is shared must be the same function: differences of losses are what is learned from, so they
// are compared too, at steps of the usual size.
TEST(NetworkEvaluatorTest, ASharedFirstLayerGivesTheSameLosses) {
  for (const char* model : {"mlp:784-256-10", "mlp:784-33-21-10", "mlp:784-10"}) {
    for (const std::size_t examples : {1, 16, 45}) {
      const auto problem = Make({.model = model});
      const auto shared = problem->NewEvaluator().value();
      const auto plain = NewPlainEvaluator(*problem).value();
      const auto expected = GroupLosses(*problem, *plain, examples, 3e-3f, false);
      const auto losses = GroupLosses(*problem, *shared, examples, 3e-3f, true);
      for (std::size_t i = 1; i < losses.size(); ++i) {
        EXPECT_NEAR(losses[i], expected[i], 1e-5) << model << ", " << examples << " examples";
        EXPECT_GT(std::abs(expected[i] - expected[0]), 1e-4);
      }
    }
  }
}

TEST(NetworkEvaluatorTest, ANewSelectionSharesNothingOfTheOld) {
  const auto problem = Make({.model = "mlp:784-16-10"});
  const auto evaluator = problem->NewEvaluator().value();
  GroupLosses(*problem, *evaluator, 16, 3e-3f, true);
  const auto again = GroupLosses(*problem, *evaluator, 9, 3e-3f, false);
  const auto fresh = GroupLosses(*problem, *problem->NewEvaluator().value(), 9, 3e-3f, false);
  EXPECT_EQ(again, fresh);
}

TEST(NetworkEvaluatorTest, BlocksThatStandStillAreShared) {
  const auto problem = Make({.model = "mlp:784-16-10"});
  const auto evaluator = problem->NewEvaluator().value();
  const ParameterVector centre = problem->Initial(1).value();
  std::copy(centre.begin(), centre.end(), evaluator->parameters().begin());
  ASSERT_TRUE(evaluator->Select(Examples(8)).ok());
  const double plain = evaluator->Loss({}, {}).value();
  evaluator->ShareAround(centre, 0.1f);
  EXPECT_NEAR(evaluator->Loss({}, {}).value(), plain, 1e-5);
}

// Rounding to bfloat16 moves a loss by a small part of it, and the differences by little of theirs.
TEST(NetworkEvaluatorTest, Bfloat16MovesLossesALittle) {
  for (const char* model : {"mlp:784-256-10", "cnn11k", "lenet5", "resnet8", "lstm:28x128"}) {
    const auto problem = Make({.model = model, .precision = "bf16"});
    const auto rounded = problem->NewEvaluator().value();
    const auto plain = NewPlainEvaluator(*problem).value();
    const auto expected = GroupLosses(*problem, *plain, 70, 2e-2f, false);
    const auto losses = GroupLosses(*problem, *rounded, 70, 2e-2f, true);
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], 0.02 * expected[i]) << model;
      EXPECT_NE(losses[i], expected[i]) << model;
      difference += std::abs(losses[i] - losses[0] - (expected[i] - expected[0]));
      size += std::abs(expected[i] - expected[0]);
    }
    EXPECT_LT(difference, 0.5 * size) << model;
  }
}

TEST(NetworkEvaluatorTest, TestsAreFloat32WhateverTheTrainingIs) {
  const auto problem = Make({.model = "lenet5", .precision = "bf16"});
  const auto exact = Make({.model = "lenet5"});
  const ParameterVector initial = exact->Initial(1).value();
  std::vector<double> losses;
  for (const Problem* each : {problem.get(), exact.get()}) {
    const auto evaluator = each->NewEvaluator().value();
    std::copy(initial.begin(), initial.end(), evaluator->parameters().begin());
    losses.push_back(evaluator->Test().value().loss);
  }
  EXPECT_EQ(losses[0], losses[1]);
}

TEST(NetworkEvaluatorTest, AnUnknownPrecisionIsRefused) {
  InitTorch();
  const auto problem =
      MakeNetworkProblem({.model = "mlp:784-10", .precision = "fp8"}, MadeUpData({1, 28, 28}));
  EXPECT_THAT(problem.error().message(), HasSubstr("fp8"));
}

TEST(BlasKernelsTest, AProcessorThatIsNotKnownGetsThoseOfItsInstructions) {
#if defined(__x86_64__)
  const auto forget = reinterpret_cast<void (*)()>(dlsym(RTLD_DEFAULT, "gotoblas_dynamic_quit"));
  const auto choose = reinterpret_cast<void (*)()>(dlsym(RTLD_DEFAULT, "gotoblas_dynamic_init"));
  if (forget == nullptr || !__builtin_cpu_supports("avx2")) GTEST_SKIP() << "there is no choice";
  InitTorch();
  // What OpenBLAS does with a model number that it does not know.
  const auto take_oldest = [&] {
    setenv("OPENBLAS_CORETYPE", "Prescott", 1);
    forget();
    choose();
  };
  take_oldest();
  ChooseBlasKernels();
  EXPECT_EQ(BlasKernels(), "Prescott") << "the user's choice was overruled";
  unsetenv("OPENBLAS_CORETYPE");
  ChooseBlasKernels();
  EXPECT_THAT(BlasKernels(), testing::AnyOf("Haswell", "SkylakeX"));
  ChooseBlasKernels();
  EXPECT_EQ(std::getenv("OPENBLAS_CORETYPE"), nullptr);
#else
  GTEST_SKIP() << "OpenBLAS chooses by model number on x86-64";
#endif
}

TEST(SignedSumsTest, AreTheSumsForAnyShape) {
  if (!SignedSumsAreFast()) GTEST_SKIP() << "this processor does not multiply bytes";
  std::mt19937 random(1);
  for (const std::size_t features : {1, 4, 63, 784}) {
    for (const std::size_t units : {1, 7, 8, 19}) {
      for (const std::size_t count : {1, 16, 17, 40, 70}) {
        std::vector<std::uint8_t> bytes(90 * features);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        std::vector<std::uint32_t> examples(count);
        for (auto& example : examples) example = random() % 90;
        std::vector<float> still(units * features), moved, offset(features);
        for (auto& x : still) x = static_cast<float>(random() % 1000) / 1000;
        moved = still;
        for (auto& x : moved) x += 0.25f * static_cast<float>(static_cast<int>(random() % 3) - 1);
        for (auto& x : offset) x = static_cast<float>(random() % 1000) / 1000;
        SignRows rows(features);
        rows.Read(still, moved, offset);
        ByteBatch batch(count, features);
        std::vector<std::uint8_t> memory(batch.packed_bytes(), 0xff);
        batch.Pack(bytes, examples, memory);
        std::vector<std::int32_t> sums(units * batch.stride());
        batch.Sum(rows, sums);
        for (std::size_t u = 0; u < units; ++u) {
          double offset_sum = 0;
          for (std::size_t i = 0; i < count; ++i) {
            std::int32_t expected = 0;
            offset_sum = 0;
            for (std::size_t j = 0; j < features; ++j) {
              const float move = moved[u * features + j] - still[u * features + j];
              const int sign = move > 0 ? 1 : move < 0 ? -1 : 0;
              expected += sign * bytes[examples[i] * features + j];
              offset_sum += sign * static_cast<double>(offset[j]);
            }
            ASSERT_EQ(sums[u * batch.stride() + i], expected);
          }
          EXPECT_NEAR(rows.offset_sums()[u], offset_sum, 1e-3);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ndcao
