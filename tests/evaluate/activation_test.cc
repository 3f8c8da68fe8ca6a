// Probing activations: for every way to use weights, the local signal times the local input is the
// gradient that autograd finds, if the signal is the true one; changed passes; where sites lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ndcao/evaluate/torch/site_probe.h"
#include "probed_networks.h"

namespace ndcao {
namespace {

using testing::HasSubstr;

class ActivationTest : public testing::TestWithParam<Network> {};

TEST_P(ActivationTest, TrueSignalTimesOwnInputIsTheGradient) {
  Fixture f(GetParam());
  ASSERT_EQ(f.error, "");
  EXPECT_EQ(f.plan.sites.size(), GetParam().sites);
  EXPECT_EQ(f.plan.plan.unprobed.size(), GetParam().unprobed);
  EXPECT_EQ(f.plan.plan.whole_passes.empty(), GetParam().segments) << f.plan.plan.whole_passes;
  const at::Tensor toward = at::randn(f.tape.output().sizes());

  for (const auto& parameter : f.twin.parameters()) parameter.set_requires_grad(true);
  (f.twin.forward({f.input}).toTensor() * toward).sum().backward();
  at::Tensor expected = at::zeros({static_cast<std::int64_t>(f.model->layout().size())});
  std::int64_t at = 0;
  for (const auto& parameter : f.twin.parameters()) {
    expected.narrow(0, at, parameter.numel()).copy_(parameter.grad().flatten());
    at += parameter.numel();
  }

  at::Tensor found = at::zeros_like(expected);
  const ParameterMemory memory(f.model->parameters());
  for (const TorchSite& site : f.plan.sites) {
    // The true signal: how the loss depends on something added to the activations.
    std::vector<Change> changes;
    for (const ProbePoint& point : site.points) {
      const at::Tensor result = f.tape.operations()[point.operation].output();
      changes.push_back({point.operation, at::zeros(result.sizes()).requires_grad_()});
    }
    const ChangedPass pass = f.plan.plan.whole_passes.empty()
                                 ? f.tape.Recompute(changes)
                                 : ForwardWith([&] { return f.Run(f.input); }, changes);
    (pass.output * toward).sum().backward();
    const at::NoGradGuard no_gradients;
    std::vector<at::Tensor> rows;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      rows.push_back(site.points[i].axis.Rows(changes[i].direction.grad()));
      EXPECT_EQ(rows.back().size(0), 5);
      EXPECT_EQ(rows.back().size(1), static_cast<std::int64_t>(site.points[i].units));
    }
    AddOuterProducts(site, f.tape, rows, memory, found);
  }
  for (const ProbeSite& site : f.plan.plan.sites) {
    for (const std::size_t i : site.tensors) {
      const Tensor& tensor = f.model->layout().tensors()[i];
      const auto part = [&](const at::Tensor& flat) {
        return flat.narrow(0, static_cast<std::int64_t>(tensor.offset),
                           static_cast<std::int64_t>(tensor.size));
      };
      EXPECT_TRUE(at::allclose(part(found), part(expected), 1e-4, 1e-5)) << tensor.name << "\n"
                                                                         << part(found) << "\n"
                                                                         << part(expected);
      EXPECT_GT(part(expected).abs().max().item<float>(), 1e-3f) << tensor.name;
    }
  }
}

TEST_P(ActivationTest, ChangedPassesAgreeWithWholePasses) {
  Fixture f(GetParam());
  ASSERT_EQ(f.error, "");
  const at::NoGradGuard no_gradients;
  for (const TorchSite& site : f.plan.sites) {
    std::vector<Change> changes;
    for (const ProbePoint& point : site.points) {
      const auto sizes = f.tape.operations()[point.operation].output().sizes();
      changes.push_back({point.operation, at::randn(sizes)});
    }
    const at::Tensor whole = ForwardWith([&] { return f.Run(f.input); }, changes).output;
    EXPECT_FALSE(at::allclose(whole, f.tape.output(), 1e-3, 1e-3));
    if (!f.plan.plan.whole_passes.empty()) continue;
    EXPECT_TRUE(at::equal(f.tape.Recompute(changes).output, whole));
  }
  EXPECT_TRUE(at::equal(f.Run(f.input), f.tape.output())) << "recording changed the network";
}

INSTANTIATE_TEST_SUITE_P(Networks, ActivationTest, testing::ValuesIn(Networks()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           for (char& c : name) c = c == ' ' ? '_' : c;
                           return name;
                         });

TEST(ProbePlanTest, RefusesExamplesThatAffectOneAnother) {
  Fixture f({"coupled",
             Describe("    h = torch.linear(x - x.mean([0], True), self.a.weight)\n"
                      "    return h\n",
                      {{"a.weight", {4, 5}}}),
             {5}});
  EXPECT_THAT(f.error, HasSubstr("when the others in its batch change"));
}

TEST(ProbePlanTest, SaysWhichOperationHasNoOuterProduct) {
  Fixture f({"signs",
             Describe("    h = torch.linear(x, torch.sign(self.a.weight))\n"
                      "    return torch.linear(h, self.b.weight)\n",
                      {{"a.weight", {6, 5}}, {"b.weight", {4, 6}}}),
             {5}});
  ASSERT_EQ(f.plan.plan.unprobed.size(), 1u);
  EXPECT_EQ(f.plan.plan.unprobed[0].reason, "used by aten::sign");
  ASSERT_EQ(f.plan.plan.sites.size(), 1u);
  EXPECT_EQ(f.plan.plan.sites[0].kind, SiteKind::kOutput);
}

TEST(ProbePlanTest, SaysWhatDoesNotReachTheOutputs) {
  Fixture f({"idle",
             Describe("    idle = torch.linear(x, self.a.weight)\n"
                      "    return torch.linear(x, self.b.weight).view(idle.size(0), -1)\n",
                      {{"a.weight", {6, 5}}, {"b.weight", {4, 5}}}),
             {5}});
  ASSERT_EQ(f.plan.plan.unprobed.size(), 1u);
  EXPECT_EQ(f.plan.plan.unprobed[0].reason, "what it makes does not reach the outputs");
  ASSERT_EQ(f.plan.plan.sites.size(), 1u);
}

TEST(ProbePlanTest, ProbesFewWeightsOrFewActivations) {
  Fixture f(FewWeights());
  ASSERT_EQ(f.plan.plan.sites.size(), 3u);
  EXPECT_EQ(f.plan.plan.sites[0].kind, SiteKind::kWeights);
  EXPECT_EQ(f.plan.plan.sites[0].units, 72u);
  EXPECT_EQ(f.plan.plan.sites[1].kind, SiteKind::kActivations);
  EXPECT_EQ(f.plan.plan.sites[1].units, 5u);
}

// The state after each step is what weights take in; the cell's memory is not.
TEST(ProbePlanTest, ARecurrentLayerIsProbedAtItsStates) {
  for (const char* name : {"lstm gates", "gru gates"}) {
    Fixture f(NetworkNamed(name));
    ASSERT_EQ(f.plan.sites.size(), 2u) << name;
    const TorchSite& site = f.plan.sites[0];
    ASSERT_EQ(site.points.size(), 4u) << name;
    for (const ProbePoint& point : site.points) {
      EXPECT_EQ(point.units, 3u);
      EXPECT_FALSE(point.rectified);
    }
    for (const SiteCall& call : site.calls) {  // what is later than the call, if it remembers
      EXPECT_GE(call.tail.points.size(), 1u);
      EXPECT_GT(call.tail.points.front().operation, call.call.operation);
    }
  }
}

TEST(ProbePlanTest, ManyActivationsShareColumns) {
  Fixture f(
      {"wide maps",
       Describe("    h = torch.conv2d(x, self.a.weight, padding=1).relu()\n"
                "    h = torch.conv2d(h, self.b.weight, padding=1).relu()\n"
                "    return torch.linear(h.flatten(1), self.c.weight)\n",
                {{"a.weight", {5, 1, 3, 3}}, {"b.weight", {4, 5, 3, 3}}, {"c.weight", {4, 2304}}}),
       {1, 24, 24}});
  ASSERT_EQ(f.plan.plan.sites.size(), 3u);
  for (std::size_t i = 0; i < 2; ++i) {
    const ProbeSite& site = f.plan.plan.sites[i];
    EXPECT_EQ(site.kind, SiteKind::kActivations);  // fewer columns than weights
    EXPECT_EQ(site.cells.size(), site.units);
    EXPECT_EQ(site.columns, 5 - i);
  }
  EXPECT_TRUE(f.plan.plan.sites[2].cells.empty());
}

// States of a sequence in runs of steps, whose cells are neighbours at each; and maps without a
// rectifier, whose positions share.
std::vector<Network> NetworksOfOpenCells() {
  return {{"steps",
           Describe("    h = torch.tanh(torch.linear(x[:, 0], self.a.weight))\n"
                    "    for t in range(1, 8):\n"
                    "        h = torch.tanh(torch.linear(x[:, t], self.a.weight) + "
                    "torch.linear(h, self.b.weight))\n"
                    "    return torch.linear(h, self.c.weight)\n",
                    {{"a.weight", {300, 2}}, {"b.weight", {300, 300}}, {"c.weight", {4, 300}}}),
           {8, 2}},
          {"maps",
           Describe("    h = torch.tanh(torch.conv2d(x, self.a.weight, padding=1))\n"
                    "    return torch.linear(h.flatten(1), self.b.weight)\n",
                    {{"a.weight", {5, 1, 3, 3}}, {"b.weight", {4, 2880}}}),
           {1, 24, 24}}};
}

at::Tensor CellsOfUnits(const ProbeSite& site) {
  return at::tensor(std::vector<std::int64_t>(site.cells.begin(), site.cells.end()));
}

TEST(SiteProbeTest, AProbeMovesTheUnitsOfACellAlike) {
  for (const Network& network : NetworksOfOpenCells()) {
    Fixture f(network);
    ASSERT_EQ(f.error, "") << network.name;
    const TorchSite& site = f.plan.sites[0];
    const ProbeSite& described = f.plan.plan.sites[0];
    ASSERT_EQ(described.cells.size(), described.units) << network.name;
    ProbeRequest request;
    request.seed = 3;
    const SiteProbe prober(site, described, 0, f.tape, request);
    std::vector<at::Tensor> rows;
    const Probe probe = prober.Take(0, [&](std::span<const Change> changes, auto) {
      for (std::size_t i = 0; i < changes.size(); ++i) {
        rows.push_back(site.points[i].axis.Rows(changes[i].direction));
        EXPECT_GT(changes[i].scale, 0);
      }
      return ChangedPass{};
    });
    const at::Tensor moved = at::cat(rows, 1);
    const at::Tensor cells = CellsOfUnits(described);
    const at::Tensor signs = at::sign(probe.direction);
    EXPECT_TRUE(at::allclose(moved, signs.index_select(1, cells))) << network.name;
    const at::Tensor sums = at::zeros_like(signs).index_add_(1, cells, moved);
    EXPECT_TRUE(at::allclose(sums, probe.direction)) << network.name;
  }
}

TEST(SiteProbeTest, TheUnitsOfACellHaveTheSignalOfTheirColumn) {
  for (const Network& network : NetworksOfOpenCells()) {
    Fixture f(network);
    const TorchSite& site = f.plan.sites[0];
    const ProbeSite& described = f.plan.plan.sites[0];
    const ParameterMemory memory(f.model->parameters());
    CleanPass clean;
    clean.tape = &f.tape;
    clean.error = at::randn({5, 4});
    const at::Tensor estimator = at::randn({4, static_cast<std::int64_t>(described.columns)});
    at::Tensor expected = at::zeros({static_cast<std::int64_t>(f.model->layout().size())});
    at::Tensor found = at::zeros_like(expected);
    const at::Tensor signal =
        at::mm(clean.error, estimator).index_select(1, CellsOfUnits(described));
    AddOuterProducts(site, f.tape, AtPoints(site, signal), memory, expected);
    ProbeRequest request;
    request.probes = 0;
    SiteSums sums;
    LearnSite(site, described, clean, request, {}, nullptr, estimator, memory, found, sums);
    EXPECT_GT(expected.norm().item<double>(), 0) << network.name;
    EXPECT_TRUE(at::equal(found, expected)) << network.name;
  }
}

}  // namespace
}  // namespace ndcao
