// Probing activations: for every way to use weights, the local signal times the local input is the
// gradient that autograd finds, if the signal is the true one; changed passes; where sites lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/probe_plan.h"
#include "ndcao/evaluate/torch/script_model.h"
#include "ndcao/evaluate/torch/site_probe.h"

namespace ndcao {
namespace {

using testing::HasSubstr;

struct Network {
  const char* name;
  NetworkDescription description;
  std::vector<std::int64_t> input;  ///< Of one example.
  std::size_t sites = 1;
  std::size_t unprobed = 0;  ///< Tensors.
  std::int64_t outputs = 4;
  bool segments = true;

  friend void PrintTo(const Network& network, std::ostream* out) { *out << network.name; }
};

NetworkDescription Describe(
    const std::string& source,
    std::vector<std::pair<const char*, std::vector<std::int64_t>>> tensors) {
  NetworkDescription network;
  network.source = "def forward(self, x):\n" + source;
  for (const auto& [name, shape] : tensors) {
    const std::string text = name;
    const auto dot = text.find('.');
    network.Normal(text.substr(0, dot), text.substr(dot + 1), shape, 0.4);
  }
  return network;
}

std::vector<Network> Networks() {
  std::vector<Network> all;
  all.push_back(
      {"linear",
       Describe("    h = torch.linear(x, self.a.weight, self.a.bias).relu()\n"
                "    return torch.linear(h, self.b.weight, self.b.bias)\n",
                {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {4, 6}}, {"b.bias", {4}}}),
       {5},
       2});
  all.push_back(
      {"addmm",
       Describe("    h = torch.addmm(self.a.bias, x, self.a.weight.t())\n"
                "    return torch.addmm(self.b.bias, torch.tanh(h), self.b.weight)\n",
                {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {6, 4}}, {"b.bias", {4}}}),
       {5},
       2});
  all.push_back({"matmul",
                 Describe("    h = torch.matmul(x, self.a.weight) + self.a.bias\n"
                          "    return torch.tanh(h).sum(1)\n",
                          {{"a.weight", {5, 4}}, {"a.bias", {4}}}),
                 {3, 5},
                 1});
  all.push_back({"left product",
                 Describe("    h = torch.mm(self.a.weight, x.t())\n"
                          "    return torch.tanh(h).t()\n",
                          {{"a.weight", {4, 5}}}),
                 {5},
                 1});
  all.push_back({"merged rows",
                 Describe("    h = torch.linear(x.reshape(-1, 5), self.a.weight, self.a.bias)\n"
                          "    return torch.tanh(h).view(-1, 3, 4).sum(1)\n",
                          {{"a.weight", {4, 5}}, {"a.bias", {4}}}),
                 {3, 5},
                 1});
  all.push_back({"rows behind examples",
                 Describe("    h = torch.linear(x.transpose(0, 1).reshape(-1, 5), self.a.weight)\n"
                          "    return torch.tanh(h).view(3, -1, 4).sum(0)\n",
                          {{"a.weight", {4, 5}}}),
                 {3, 5},
                 1});
  all.push_back(
      {"part of a weight",
       Describe("    h = torch.linear(x, self.a.weight[:4]) * torch.linear(x, self.a.weight[4:])\n"
                "    return h\n",
                {{"a.weight", {8, 5}}}),
       {5},
       1});
  const auto conv = [&](const char* name, const std::string& options,
                        std::vector<std::int64_t> weight, std::size_t sites) {
    all.push_back({name,
                   Describe("    h = torch.conv2d(x, self.a.weight, self.a.bias" + options +
                                ")\n"
                                "    return torch.tanh(h).sum([2, 3])\n",
                            {{"a.weight", weight}, {"a.bias", {4}}}),
                   {2, 7, 6},
                   sites});
  };
  conv("conv2d", "", {4, 2, 3, 3}, 1);
  conv("conv2d with stride and padding", ", stride=2, padding=1", {4, 2, 3, 3}, 1);
  conv("conv2d with dilation", ", padding=2, dilation=2", {4, 2, 3, 3}, 1);
  conv("conv2d in groups", ", padding=1, groups=2", {4, 1, 3, 3}, 1);
  all.push_back({"pooled",
                 Describe("    h = torch.conv2d(x, self.a.weight, self.a.bias, padding=1)\n"
                          "    r = torch.maximum(h[:, :, 0::2], h[:, :, 1::2])\n"
                          "    h = torch.maximum(r[:, :, :, 0::2], r[:, :, :, 1::2]).relu()\n"
                          "    h = torch.conv2d(h, self.b.weight).relu()\n"
                          "    h = torch.max_pool2d(h, [2, 2])\n"
                          "    return torch.linear(h.flatten(1), self.c.weight)\n",
                          {{"a.weight", {3, 2, 3, 3}},
                           {"a.bias", {3}},
                           {"b.weight", {2, 3, 2, 2}},
                           {"c.weight", {4, 2}}}),
                 {2, 6, 6},
                 3});
  all.push_back({"idle dropout",
                 Describe("    h = torch.linear(x, self.a.weight, self.a.bias)\n"
                          "    h = torch.dropout(h, 0.5, False).relu()\n"
                          "    y = torch.linear(h, self.b.weight)\n"
                          "    return h + torch.dropout(y, 0.5, False)\n",
                          {{"a.weight", {4, 5}}, {"a.bias", {4}}, {"b.weight", {4, 4}}}),
                 {5},
                 2});
  all.push_back({"rows out of order",
                 Describe("    rows = torch.linear(x, self.a.weight)\n"
                          "    late = torch.linear(torch.tanh(x), self.b.weight)\n"
                          "    sum = rows[:, 2] * late[:, 2] + rows[:, 0] * rows[:, 0]\n"
                          "    return sum + rows[:, 2] * late[0:, 1]\n",
                          {{"a.weight", {4, 5}}, {"b.weight", {4, 5}}}),
                 {3, 5},
                 1});
  all.push_back({"residual",
                 Describe("    y = torch.conv2d(x, self.a.weight, self.a.bias, padding=1).relu()\n"
                          "    z = torch.conv2d(y, self.b.weight, self.b.bias, padding=1)\n"
                          "    y = torch.add(y, z, alpha=0.5).relu()\n"
                          "    return torch.linear(y.mean([2, 3]), self.c.weight, self.c.bias)\n",
                          {{"a.weight", {3, 2, 3, 3}},
                           {"a.bias", {3}},
                           {"b.weight", {3, 3, 3, 3}},
                           {"b.bias", {3}},
                           {"c.weight", {4, 3}},
                           {"c.bias", {4}}}),
                 {2, 5, 5},
                 3});
  all.push_back(
      {"lstm gates",
       Describe("    rows = x.permute(1, 0, 2)\n"
                "    inputs = torch.linear(rows, self.i.weight, self.h.bias)\n"
                "    h = torch.zeros([x.size(0), 3])\n"
                "    c = torch.zeros([x.size(0), 3])\n"
                "    for t in range(rows.size(0)):\n"
                "        g = inputs[t] + torch.linear(h, self.h.weight)\n"
                "        i, f, z, o = g.chunk(4, 1)\n"
                "        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(z)\n"
                "        h = torch.sigmoid(o) * torch.tanh(c)\n"
                "    return torch.linear(h, self.fc.weight, self.fc.bias)\n",
                {{"i.weight", {12, 5}},
                 {"h.weight", {12, 3}},
                 {"h.bias", {12}},
                 {"fc.weight", {4, 3}},
                 {"fc.bias", {4}}}),
       {4, 5},
       2});
  all.push_back(
      {"gru gates",
       Describe(
           "    h = torch.zeros([x.size(0), 3])\n"
           "    for t in range(x.size(1)):\n"
           "        a = torch.linear(x[:, t], self.i.weight, self.i.bias)\n"
           "        b = torch.linear(h, self.h.weight)\n"
           "        az, an = a.split(3, 1)\n"
           "        bz, bn = b.split(3, 1)\n"
           "        z = torch.sigmoid(az + bz)\n"
           "        h = z * h + (1 - z) * torch.tanh(an - bn)\n"
           "    return torch.linear(h, self.fc.weight)\n",
           {{"i.weight", {6, 5}}, {"i.bias", {6}}, {"h.weight", {6, 3}}, {"fc.weight", {4, 3}}}),
       {4, 5},
       2});
  all.push_back({"lstm layer",
                 Describe("    s = torch.zeros([1, x.size(0), 4])\n"
                          "    y, h, c = torch.lstm(x, [s, s], [self.a.wi, self.a.wh, self.a.bi, "
                          "self.a.bh], True, 1, 0.0, False, False, True)\n"
                          "    return y[:, 3]\n",
                          {{"a.wi", {16, 5}}, {"a.wh", {16, 4}}, {"a.bi", {16}}, {"a.bh", {16}}}),
                 {4, 5},
                 2,
                 0,
                 4,
                 false});
  all.push_back(
      {"attention projections",
       Describe("    q, k, v = torch.linear(x, self.qkv.weight, self.qkv.bias).chunk(3, 2)\n"
                "    a = torch.softmax(torch.matmul(q, k.transpose(1, 2)), 2)\n"
                "    y = x + torch.linear(torch.matmul(a, v), self.out.weight, self.out.bias)\n"
                "    y = torch.layer_norm(y, [4], self.norm.weight, self.norm.bias)\n"
                "    return y.mean(1)\n",
                {{"qkv.weight", {12, 4}},
                 {"qkv.bias", {12}},
                 {"out.weight", {4, 4}},
                 {"out.bias", {4}},
                 {"norm.weight", {4}},
                 {"norm.bias", {4}}}),
       {3, 4},
       2,
       2});
  all.push_back({"written in place",
                 Describe("    h = torch.linear(x, self.a.weight, self.a.bias)\n"
                          "    h[:, 0] = 0.5\n"
                          "    return torch.tanh(torch.linear(h, self.b.weight))\n",
                          {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {4, 6}}}),
                 {5},
                 2,
                 0,
                 4,
                 false});
  return all;
}

/// A bound network, its plan, and a tape that autograd can look through.
struct Fixture {
  std::unique_ptr<ScriptModel> model;
  torch::jit::Module twin;  ///< The same weights, for autograd.
  at::Tensor input;
  TorchPlan plan;
  OperationTape tape;

  explicit Fixture(const Network& network) {
    torch::jit::Module module = BuildModule(network.description, 1).value();
    twin = module.deepcopy();
    model = ScriptModel::Bind(std::move(module)).value();
    model->FixOperations();
    at::manual_seed(1);
    std::vector<std::int64_t> shape = network.input;
    shape.insert(shape.begin(), 5);
    input = at::randn(shape);
    const at::NoGradGuard no_gradients;
    const auto record = [&](const std::vector<std::uint32_t>& examples, OperationTape& to) {
      std::vector<at::Tensor> rows;
      for (const std::uint32_t i : examples) rows.push_back(input[i]);
      to = Record(at::stack(rows));
      return Ok();
    };
    const ParameterMemory memory(model->parameters());
    auto made = MakeProbePlan(
        record, {memory, model->layout(), static_cast<std::uint64_t>(network.outputs)});
    plan = made.ok() ? std::move(made).value() : TorchPlan{};
    error = made.ok() ? "" : made.error().message();
    tape = Record(input);
  }

  OperationTape Record(const at::Tensor& x) {
    return OperationTape::Record([&] { return Run(x); }, plan.keep, plan.spent);
  }
  at::Tensor Run(const at::Tensor& x) {
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    return torch::jit::Module(model->module()).forward({x}).toTensor();
  }

  std::string error;
};

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
      rows.push_back(site.points[i].axis.Rows(changes[i].delta.grad()));
      EXPECT_EQ(rows.back().size(0), 5);
      EXPECT_EQ(rows.back().size(1), static_cast<std::int64_t>(site.points[i].units));
    }
    AddOuterProducts(site, f.tape, at::cat(rows, 1), memory, found);
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

TEST(ProbePlanTest, ProbesFewWeightsOrFewActivations) {
  Fixture f(
      {"convolutions",
       Describe("    h = torch.conv2d(x, self.a.weight, padding=1).relu()\n"
                "    h = torch.conv2d(h, self.b.weight, padding=1).relu().mean([2, 3])\n"
                "    return torch.linear(h, self.c.weight)\n",
                {{"a.weight", {2, 1, 3, 3}}, {"b.weight", {5, 2, 3, 3}}, {"c.weight", {4, 5}}}),
       {1, 6, 6}});
  ASSERT_EQ(f.plan.plan.sites.size(), 3u);
  EXPECT_EQ(f.plan.plan.sites[0].kind, SiteKind::kWeights);
  EXPECT_EQ(f.plan.plan.sites[0].units, 72u);
  EXPECT_EQ(f.plan.plan.sites[1].kind, SiteKind::kActivations);
  EXPECT_EQ(f.plan.plan.sites[1].units, 5u);
}

// The state after each step is what weights take in; the cell's memory is not.
TEST(ProbePlanTest, ARecurrentLayerIsProbedAtItsStates) {
  for (const Network& network : Networks()) {
    if (std::string(network.name) != "lstm gates" && std::string(network.name) != "gru gates") {
      continue;
    }
    Fixture f(network);
    ASSERT_EQ(f.plan.sites.size(), 2u) << network.name;
    const TorchSite& site = f.plan.sites[0];
    ASSERT_EQ(site.points.size(), 4u) << network.name;
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

// The sum of the gates' two terms, for example; all other tests here pass on such tapes.
TEST(ProbePlanTest, ATapeOfARecurrentLayerLetsGoOfMuchOfItsValues) {
  const std::vector<Network> all = Networks();
  const auto found = std::find_if(all.begin(), all.end(), [](const Network& network) {
    return std::string(network.name) == "lstm gates";
  });
  ASSERT_NE(found, all.end());
  Fixture f(*found);
  const at::NoGradGuard no_gradients;
  const OperationTape whole = OperationTape::Record([&] { return f.Run(f.input); });
  EXPECT_LT(BytesOfResults(f.tape), BytesOfResults(whole) * 6 / 10);
  EXPECT_TRUE(at::equal(f.tape.output(), whole.output()));
}

TEST(SiteProbeTest, ProbesOfATapeThatLetGoAreThoseOfAWholeOne) {
  std::vector<Network> networks = Networks();
  networks.push_back(
      {"few weights",
       Describe("    h = torch.conv2d(x, self.a.weight, padding=1).relu()\n"
                "    h = torch.conv2d(h, self.b.weight, padding=1).relu().mean([2, 3])\n"
                "    return torch.linear(h, self.c.weight)\n",
                {{"a.weight", {2, 1, 3, 3}}, {"b.weight", {5, 2, 3, 3}}, {"c.weight", {4, 5}}}),
       {1, 6, 6}});
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

}  // namespace
}  // namespace ndcao
