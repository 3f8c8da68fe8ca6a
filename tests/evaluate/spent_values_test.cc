// Tapes that let go of what nobody will read.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>

#include "ndcao/evaluate/torch/site_probe.h"
#include "probed_networks.h"

namespace ndcao {
namespace {

std::size_t BytesOfResults(const OperationTape& tape) {
  std::map<const c10::StorageImpl*, std::size_t> bytes;
  for (const Operation& operation : tape.operations()) {
    if (!operation.output().defined()) continue;
    const at::Storage& storage = operation.output().storage();
    bytes[storage.unsafeGetStorageImpl()] = storage.nbytes();
  }
  std::size_t sum = 0;
  for (const auto& [storage, size] : bytes) sum += size;
  return sum;
}

// The sum of the gates' two terms, for example; activation_test.cc runs on such tapes, too.
TEST(SpentValuesTest, ATapeOfARecurrentLayerLetsGoOfMuchOfItsValues) {
  Fixture f(NetworkNamed("lstm gates"));
  const at::NoGradGuard no_gradients;
  const OperationTape whole = OperationTape::Record([&] { return f.Run(f.input); });
  EXPECT_LT(BytesOfResults(f.tape), BytesOfResults(whole) * 6 / 10);
  EXPECT_TRUE(at::equal(f.tape.output(), whole.output()));
}

TEST(SiteProbeTest, ProbesOfATapeThatLetGoAreThoseOfAWholeOne) {
  std::vector<Network> networks = Networks();
  networks.push_back(FewWeights());
  std::set<SiteKind> kinds;
  for (const Network& network : networks) {
    Fixture f(network);
    if (f.plan.spent.empty()) continue;
    const at::NoGradGuard no_gradients;
    const OperationTape whole = OperationTape::Record([&] { return f.Run(f.input); });
    const std::vector<std::uint32_t> examples = {0, 1, 2, 3, 4};
    ProbeRequest request;
    request.examples = examples;
    request.seed = 1;
    for (std::size_t i = 0; i < f.plan.sites.size(); ++i) {
      if (f.plan.plan.sites[i].kind == SiteKind::kOutput) continue;
      kinds.insert(f.plan.plan.sites[i].kind);
      const auto take = [&](const OperationTape& tape) {
        const SiteProbe prober(f.plan.sites[i], f.plan.plan.sites[i], i, tape, request);
        return prober.Take(
            0, [&](std::span<const Change> changes, std::span<const std::size_t> watch) {
              return tape.Recompute(changes, watch);
            });
      };
      const Probe expected = take(whole);
      const Probe found = take(f.tape);
      EXPECT_TRUE(at::equal(found.direction, expected.direction)) << network.name;
      EXPECT_TRUE(at::equal(found.output, expected.output)) << network.name;
      EXPECT_GT(found.scale, 0) << network.name;
      EXPECT_EQ(found.scale, expected.scale) << network.name;
    }
  }
  EXPECT_EQ(kinds.size(), 2u);
}

TEST(OperationTapeTest, APassThatNeedsSpentValuesFails) {
  const at::Tensor x = at::ones({2, 3});
  const auto tape = [&](bool other) {
    const Forward forward = [&] {
      const at::Tensor y = x + 1;
      const at::Tensor z = y * 2;
      return other ? y * z : z * z;
    };
    return OperationTape::Record(forward, {}, {{1, {0}}});
  };
  const at::NoGradGuard no_gradients;
  EXPECT_FLOAT_EQ(tape(false).output().sum().item<float>(), 6 * 16);
  EXPECT_THROW(tape(true), std::runtime_error);
}

// A copy in the pass that was planned for, a view in this one: the memory is the input's own.
TEST(OperationTapeTest, WhatOthersOwnIsNotLetGo) {
  const auto record = [](const at::Tensor& x) {
    return OperationTape::Record([&] { return x.transpose(0, 1).reshape({-1}) * 2; }, {},
                                 {{2, {1}}});
  };
  const at::NoGradGuard no_gradients;
  const at::Tensor many = at::ones({2, 3});
  EXPECT_FLOAT_EQ(record(many).output().sum().item<float>(), 12);
  const at::Tensor one = at::ones({1, 3});
  EXPECT_THROW(record(one), std::runtime_error);
  EXPECT_FLOAT_EQ(one.sum().item<float>(), 3);
}

}  // namespace
}  // namespace ndcao
