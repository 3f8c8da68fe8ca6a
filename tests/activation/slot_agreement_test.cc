// What slots agree upon, and the step that follows from it.
#include "ndcao/activation/slot_agreement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "ndcao/base/bytes.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

void See(SlotAgreement& agreement, const std::vector<std::vector<float>>& slots,
         const std::vector<double>& moment) {
  const std::vector<std::span<const float>> views(slots.begin(), slots.end());
  agreement.See(views, moment);
}

TEST(SlotAgreementTest, SlotsThatAgreeWhollyAskForAnyStep) {
  SlotAgreement agreement;
  EXPECT_EQ(agreement.BestStep(), INFINITY);  // nothing was seen
  See(agreement, {{1, 2}, {1, 2}}, {1});
  EXPECT_EQ(agreement.BestStep(), INFINITY);
}

TEST(SlotAgreementTest, SlotsThatContradictEachOtherAskForNone) {
  SlotAgreement agreement;
  See(agreement, {{1, 2}, {-1, -2}}, {1});
  EXPECT_LT(agreement.BestStep(), 0);
}

TEST(SlotAgreementTest, OneSlotOrNoMomentOrNoNumberTellsNothing) {
  SlotAgreement agreement;
  See(agreement, {{1, 2}}, {1});
  See(agreement, {{1, 2}, {-1, -2}}, {});
  See(agreement, {{NAN, 2}, {-1, -2}}, {1});
  EXPECT_EQ(agreement.BestStep(), INFINITY);
}

// Corrections of a known mean and variance in a metric that weighs the features differently.
TEST(SlotAgreementTest, TheRatioIsThatOfMeanAndVarianceForAnyNumberOfSlots) {
  const std::vector<double> moment = {2, 0.5, 0.5, 1};
  const std::vector<float> mean = {0.1f, 0, 0.2f, 0.1f, 0.3f, 0};  // 2 features × 3 columns
  double square = 0;
  for (int c = 0; c < 3; ++c) {
    square += 2 * mean[c] * mean[c] + mean[c + 3] * mean[c + 3] + mean[c] * mean[c + 3];
  }
  for (const int slots : {2, 3, 8}) {
    RandomSequence random(1, Purpose::kTest, slots);
    SlotAgreement agreement;
    double step = 0;
    constexpr int kBatches = 20000;
    for (int batch = 0; batch < kBatches; ++batch) {
      std::vector<std::vector<float>> corrections(slots, mean);
      for (auto& slot : corrections)
        for (float& x : slot) x += static_cast<float>(random.Normal());
      See(agreement, corrections, moment);
      if (batch >= kBatches / 2) step += agreement.BestStep() / (kBatches / 2);
    }
    // Of a sum of s slots: mean s m, variance s (2 + 1) for each of three columns.
    const double expected = 4.0 / 3 * slots * slots * square / (slots * 9.0);
    EXPECT_NEAR(step, expected, 0.15 * expected) << slots << " slots";
  }
}

/// Mean square error of least mean squares behind a target that moves by `drift` a step along
/// every one of 250 columns, each seen under noise of variance 1.
double ErrorBehind(double drift, const std::function<double(const SlotAgreement&)>& step) {
  constexpr int kColumns = 250;
  constexpr int kBatches = 3000;
  RandomSequence random(7, Purpose::kTest, 1);
  SlotAgreement agreement;
  std::vector<double> values(kColumns, 0);
  double target = 0;
  double error = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    target += drift;
    std::vector<std::vector<float>> slots(2, std::vector<float>(kColumns));
    for (int c = 0; c < kColumns; ++c) {
      for (auto& slot : slots) {
        slot[c] = static_cast<float>(0.5 * (target - values[c]) + std::sqrt(0.5) * random.Normal());
      }
      if (batch >= kBatches / 2) {
        error += std::pow(target - values[c], 2) / (kColumns * kBatches / 2.0);
      }
    }
    See(agreement, slots, {1});
    const double mu = std::clamp(step(agreement), 1e-4, 0.5);
    for (int c = 0; c < kColumns; ++c) values[c] += mu * (slots[0][c] + slots[1][c]);
  }
  return error;
}

TEST(SlotAgreementTest, TheStepFollowsADriftAboutAsWellAsTheBestConstantOne) {
  for (const double drift : {0.003, 0.02}) {
    double best = INFINITY;
    for (double mu = 0.003; mu < 0.5; mu *= 1.5) {
      best = std::min(best, ErrorBehind(drift, [&](const SlotAgreement&) { return mu; }));
    }
    const double found = ErrorBehind(drift, [](const SlotAgreement& a) { return a.BestStep(); });
    EXPECT_LT(found, 1.2 * best) << "drift " << drift;
  }
}

TEST(SlotAgreementTest, ItIsSavedAndLoaded) {
  SlotAgreement agreement;
  See(agreement, {{1, 2}, {1, 0}}, {1});
  ByteWriter out;
  agreement.Save(out);
  const std::vector<std::byte> bytes(out.bytes().begin(), out.bytes().end());
  ByteReader in(bytes);
  SlotAgreement loaded;
  loaded.Load(in);
  EXPECT_EQ(loaded.BestStep(), agreement.BestStep());
}

}  // namespace
}  // namespace ndcao
