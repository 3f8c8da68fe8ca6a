// What a network's sites mean for the arithmetic, and what a step asks of them.
#include <gtest/gtest.h>

#include "ndcao/worker/activation_session.h"

namespace ndcao {
namespace {

TEST(SiteTableTest, WeightsThatWhitenTheirInputsTakeTwiceTheRateUnlessTheyAreRecurrent) {
  ProbePlan plan;
  plan.sites.resize(3);
  plan.sites[0].tensors = {0, 1};
  plan.sites[0].inputs = {26};
  plan.sites[1].tensors = {2};
  plan.sites[2].tensors = {3};
  plan.sites[2].inputs = {29, 128};
  plan.sites[2].calls = 28;
  const SiteTable table = TableOf(plan);
  EXPECT_EQ(table.probed, (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(table.paces, (std::vector<double>{2, 2, 1, 1}));
  EXPECT_EQ(table.sites[2].inputs, plan.sites[2].inputs);
}

TEST(ProbeRequestTest, HoldsWhatTheReplicaHasLearned) {
  RunSpec spec;
  spec.model = "made-up";
  spec.blocks = "tensor";
  spec.probe = ProbeTarget::kActivations;
  spec.activation.probes = 1;
  spec.batch = 4;
  spec.budget = 800;
  Layout layout;
  layout.Add("a.weight", {2, 2});
  SiteTable sites;
  sites.sites = {{2, true, false, false, {2}}};
  sites.features = 2;
  sites.probed = {0};
  ActivationReplica replica = ActivationReplica::Create(spec, layout, {1, 2, 3, 4}, sites).value();
  const auto request = [&](const LearnedSoFar& learned) {
    ProbeRequest made = RequestOf(spec, replica.counters().steps);
    learned.AddTo(made);
    return made;
  };
  const LearnedSoFar nothing(replica);
  const ProbeRequest first = request(nothing);
  EXPECT_TRUE(first.measure_inputs);
  EXPECT_TRUE(first.whitener.empty());
  ASSERT_EQ(first.input_inverses.size(), 1u);
  EXPECT_TRUE(first.input_inverses[0][0].empty());

  std::vector<ProbeSums> slots(1);
  slots[0].gradient = {1, 1, 1, 1};
  slots[0].moment = {1, 0, 0, 1};
  slots[0].finite = 4;
  slots[0].sites.resize(1);
  slots[0].sites[0].correction = {1, 2, 3, 4};
  slots[0].sites[0].change = 8;
  slots[0].sites[0].inputs = {{{4, 0, 0, 12}, 4}};
  SerialExecutor executor;
  replica.Observe(slots, executor);
  const LearnedSoFar something(replica);
  const ProbeRequest second = request(something);
  EXPECT_EQ(second.step, 1u);
  EXPECT_EQ(second.whitener.size(), 4u);
  EXPECT_NE(second.estimators[0][0], 0);
  ASSERT_EQ(second.input_inverses[0][0].size(), 4u);
  EXPECT_NEAR(second.input_inverses[0][0][0], 1 / (0.5 + 0.1), 1e-5);  // A is diag(1, 3)
  EXPECT_NEAR(second.input_inverses[0][0][3], 1 / (1.5 + 0.1), 1e-5);
  EXPECT_FALSE(RequestOf(spec, 17).measure_inputs);
  EXPECT_TRUE(RequestOf(spec, 32).measure_inputs);
}

}  // namespace
}  // namespace ndcao
