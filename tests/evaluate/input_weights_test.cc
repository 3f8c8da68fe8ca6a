// What weights take in at the positions of an example, and outer products times an inverse.
#include "ndcao/evaluate/torch/input_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "ndcao/evaluate/torch/slot_lesson.h"
#include "ndcao/evaluate/torch/zoo.h"
#include "probed_networks.h"

namespace ndcao {
namespace {

/// Many positions for few inputs: a convolution with a stride, padding and dilation, then products
/// in both orders of their dimensions.
std::vector<Network> Positioned() {
  return {
      {"conv",
       Describe(
           "    y = torch.conv2d(x, self.a.weight, self.a.bias, [2, 1], [1, 2], [2, 1], 1).relu()\n"
           "    return torch.linear(y.flatten(1), self.b.weight)\n",
           {{"a.weight", {6, 3, 3, 2}}, {"a.bias", {6}}, {"b.weight", {4, 6 * 4 * 13}}}),
       {3, 10, 10}},
      {"linear",
       Describe("    y = torch.linear(x, self.a.weight, self.a.bias).relu()\n"
                "    return torch.linear(y.flatten(1), self.b.weight)\n",
                {{"a.weight", {3, 7}}, {"a.bias", {3}}, {"b.weight", {4, 18}}}),
       {6, 7}},
      {"matmul",
       Describe("    y = torch.matmul(x, self.a.weight).relu()\n"
                "    return torch.linear(y.flatten(1), self.b.weight)\n",
                {{"a.weight", {7, 3}}, {"b.weight", {4, 18}}}),
       {6, 7}},
  };
}

const InputWeight& First(const Fixture& f) {
  EXPECT_EQ(f.error, "");
  return f.plan.sites.at(0).inputs.at(0);
}

/// Of the weight and its bias, [outputs, width]; `where` says where their values lie.
template <class Where>
at::Tensor Rows(const WeightCall& call, const Operation& operation, const Where& where) {
  const at::Tensor weights = where(operation.tensor(*call.weight));
  const at::Tensor rows =
      call.role == WeightRole::kProduct ? weights.t() : weights.reshape({weights.size(0), -1});
  if (!call.bias) return rows.clone();
  return at::cat({rows, where(operation.tensor(*call.bias)).unsqueeze(1)}, 1);
}

// With its bias in one place and without it in another, a weight has no single input.
TEST(InputWeightsTest, AWeightOfTwoUsesIsNotMeasuredAtOneOfThem) {
  const auto source = [](const char* second) {
    return std::string(
               "    y = torch.linear(x, self.a.weight, self.a.bias).relu()\n"
               "    y = y + torch.linear(torch.tanh(x), ") +
           second + ").relu()\n    return torch.linear(y.flatten(1), self.b.weight)\n";
  };
  const auto inputs = [&](const char* second) {
    Fixture f(
        {"two uses",
         Describe(source(second), {{"a.weight", {3, 7}}, {"a.bias", {3}}, {"b.weight", {4, 18}}}),
         {6, 7}});
    EXPECT_EQ(f.error, "");
    return f.plan.sites.at(0).inputs.size();
  };
  EXPECT_EQ(inputs("self.a.weight, self.a.bias"), 1u);
  EXPECT_EQ(inputs("self.a.weight"), 0u);
}

// For a weight of one output, the gradient under a signal of r is Xᵀr, so that of X w is A w: the
// moment is what outer products of its own results come to.
TEST(InputWeightsTest, TheMomentIsWhatOuterProductsOfOwnResultsShow) {
  for (const Network& network : Positioned()) {
    Fixture f(network);
    const at::NoGradGuard no_gradients;
    const InputWeight& weight = First(f);
    const WeightCall& call = weight.calls.front();
    const OperationTape whole = OperationTape::Record([&] { return f.Run(f.input); });
    const Operation& operation = whole.operations()[call.operation];
    InputSum sum;
    SumInputs(weight, f.tape, sum);
    const auto width = static_cast<std::int64_t>(weight.width);
    const at::Tensor moment = at::from_blob(sum.values.data(), {width, width});
    const at::Tensor results = operation.output();
    const at::Tensor gradient = at::zeros({static_cast<std::int64_t>(f.model->layout().size())});
    const ParameterMemory memory(f.model->parameters());
    AddOuterProduct(call, operation, results, memory, gradient);
    const at::Tensor weights = Rows(call, operation, [](const at::Tensor& own) { return own; });
    const at::Tensor found =
        Rows(call, operation, [&](const at::Tensor& own) { return memory.Like(own, gradient); });
    EXPECT_EQ(weights.size(1), width) << network.name;
    EXPECT_EQ(sum.rows, static_cast<double>(results.numel() / weights.size(0))) << network.name;
    EXPECT_TRUE(at::allclose(at::mm(weights, moment), found, 1e-4, 1e-3)) << network.name;
  }
}

TEST(InputWeightsTest, EveryRowOfTheGradientIsMultiplied) {
  for (const Network& network : Positioned()) {
    Fixture f(network);
    const at::NoGradGuard no_gradients;
    const InputWeight& weight = First(f);
    const WeightCall& call = weight.calls.front();
    const Operation& operation = f.tape.operations()[call.operation];
    const auto width = static_cast<std::int64_t>(weight.width);
    const at::Tensor inverse = at::randn({width, width}).contiguous();
    const at::Tensor before = at::randn({static_cast<std::int64_t>(f.model->layout().size())});
    const at::Tensor after = before.clone();
    const ParameterMemory memory(f.model->parameters());
    const auto size = static_cast<std::size_t>(inverse.numel());
    MultiplyByInverse(weight, f.tape, {inverse.data_ptr<float>(), size}, memory, after);
    const auto rows = [&](const at::Tensor& flat) {
      return Rows(call, operation, [&](const at::Tensor& own) { return memory.Like(own, flat); });
    };
    std::int64_t changed = 0;
    for (std::int64_t o = 0; o < rows(after).size(0); ++o) {
      changed += rows(after)[o].numel();
      EXPECT_TRUE(at::allclose(rows(after)[o], at::mv(inverse.t(), rows(before)[o]), 1e-4, 1e-4))
          << network.name;
    }
    EXPECT_LE(at::ne(after, before).sum().item<std::int64_t>(), changed) << network.name;
  }
}

// Sites that are probed, and one that makes the outputs itself.
TEST(SlotLessonTest, InputsAreMeasuredAndOuterProductsMultipliedAtEverySite) {
  std::vector<Network> networks = Positioned();
  networks.push_back({"outputs",
                      Describe("    return torch.linear(x, self.a.weight, self.a.bias)\n",
                               {{"a.weight", {4, 7}}, {"a.bias", {4}}}),
                      {7}});
  for (const Network& network : networks) {
    Fixture f(network);
    const at::NoGradGuard no_gradients;
    const InputWeight& weight = First(f);
    const ParameterMemory memory(f.model->parameters());
    const SlotLesson lesson(f.plan, memory, f.model->layout().size(), 0);
    std::vector<std::vector<float>> estimators;
    std::vector<std::vector<std::span<const float>>> inverses;
    for (const ProbeSite& site : f.plan.plan.sites) {
      estimators.emplace_back(f.plan.plan.features * site.columns, 0.5f);
      inverses.emplace_back(site.inputs.size());
    }
    const std::vector<std::span<const float>> views(estimators.begin(), estimators.end());
    ProbeRequest request;
    request.probes = 0;
    request.estimators = views;
    const auto learn = [&] {
      CleanPass clean;
      clean.tape = &f.tape;
      clean.losses = at::zeros({5});
      clean.error = at::ones({5, static_cast<std::int64_t>(f.plan.plan.features)});
      ProbeSums sums;
      lesson.Learn(
          request, clean, nullptr,
          [] {
            return at::ones({5, 4});
          },
          sums);
      return sums;
    };
    const ProbeSums plain = learn();
    EXPECT_TRUE(plain.sites[0].inputs[0].values.empty()) << network.name;

    request.measure_inputs = true;
    EXPECT_EQ(learn().sites[0].inputs[0].values.size(), weight.width * weight.width);

    const at::Tensor thrice = (3 * at::eye(static_cast<std::int64_t>(weight.width))).contiguous();
    inverses[0][0] = {thrice.data_ptr<float>(), static_cast<std::size_t>(thrice.numel())};
    request.input_inverses = inverses;
    const ProbeSums multiplied = learn();
    const auto& tensors = f.plan.plan.sites[0].tensors;
    for (std::size_t t = 0; t < f.model->layout().tensors().size(); ++t) {
      const Tensor& tensor = f.model->layout().tensors()[t];
      const bool concerned = std::find(tensors.begin(), tensors.end(), t) != tensors.end();
      for (std::uint64_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        const float expected = (concerned ? 3 : 1) * plain.gradient[i];
        EXPECT_NEAR(multiplied.gradient[i], expected, 1e-5 * std::fabs(expected)) << tensor.name;
      }
    }
    const auto begin = plain.gradient.begin();
    const auto end = plain.gradient.end();
    EXPECT_TRUE(std::any_of(begin, end, [](float g) { return g != 0; })) << network.name;
  }
}

std::vector<std::uint64_t> WidthsOf(const std::string& name,
                                    const std::vector<std::int64_t>& input) {
  const NetworkDescription described = DescribeZooModel(name, {input, 10}).value();
  Fixture f(Network{"zoo", described, input, 1, 0, 10});
  EXPECT_EQ(f.error, "") << name;
  std::vector<std::uint64_t> widths;
  for (const TorchSite& site : f.plan.sites) {
    for (const InputWeight& weight : site.inputs) widths.push_back(weight.width);
  }
  return widths;
}

TEST(InputWeightsTest, AWeightOfARecurrentLayerIsCalledAtEveryStep) {
  const auto calls = [](const std::string& name) {
    const NetworkDescription described = DescribeZooModel(name, {}).value();
    Fixture f(Network{"zoo", described, {1, 28, 28}, 1, 0, 10});
    return f.plan.plan.sites.at(0).calls;
  };
  EXPECT_EQ(calls("lstm:28x128"), 28u);
  EXPECT_EQ(calls("resnet8"), 1u);
}

TEST(InputWeightsTest, WeightsOfManyPositionsAreFound) {
  using Widths = std::vector<std::uint64_t>;
  EXPECT_EQ(WidthsOf("lenet5", {1, 28, 28}), (Widths{26, 151}));
  EXPECT_EQ(WidthsOf("lstm:28x128", {1, 28, 28}), (Widths{29, 128}));
  EXPECT_EQ(WidthsOf("mlp:784-256-10", {1, 28, 28}), Widths());
}

}  // namespace
}  // namespace ndcao
