// What weights take in at the positions of an example, and outer products times an inverse.
#include "ndcao/evaluate/torch/input_weights.h"

#include <gtest/gtest.h>

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
    const auto d = static_cast<std::int64_t>(f.model->layout().size());
    const at::Tensor gradient = at::zeros({d});
    const ParameterMemory memory(f.model->parameters());
    AddOuterProduct(call, operation, results, memory, gradient);
    const at::Tensor own = operation.tensor(*call.weight);
    const bool product = call.role == WeightRole::kProduct;
    const auto matrix = [&](const at::Tensor& t) {
      return product ? t.t().contiguous() : t.reshape({t.size(0), -1});
    };
    at::Tensor weights = matrix(own);
    at::Tensor found = matrix(memory.Like(own, gradient));
    if (call.bias) {
      const at::Tensor bias = operation.tensor(*call.bias);
      weights = at::cat({weights, bias.unsqueeze(1)}, 1);
      found = at::cat({found, memory.Like(bias, gradient).unsqueeze(1)}, 1);
    }
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
    const auto d = static_cast<std::int64_t>(f.model->layout().size());
    const at::Tensor before = at::randn({d});
    const at::Tensor after = before.clone();
    const ParameterMemory memory(f.model->parameters());
    const auto size = static_cast<std::size_t>(inverse.numel());
    MultiplyByInverse(weight, f.tape, {inverse.data_ptr<float>(), size}, memory, after);
    const at::Tensor own = operation.tensor(*call.weight);
    const bool product = call.role == WeightRole::kProduct;
    const std::int64_t outputs = own.size(product ? 1 : 0);
    std::int64_t changed = 0;
    for (std::int64_t o = 0; o < outputs; ++o) {
      const auto row = [&](const at::Tensor& flat) {
        const at::Tensor g = memory.Like(own, flat);
        const at::Tensor inputs = product ? g.select(1, o) : g.select(0, o).flatten();
        if (!call.bias) return inputs.clone();
        return at::cat({inputs, memory.Like(operation.tensor(*call.bias), flat).narrow(0, o, 1)});
      };
      changed += row(after).numel();
      EXPECT_TRUE(at::allclose(row(after), at::mv(inverse.t(), row(before)), 1e-4, 1e-4))
          << network.name;
    }
    EXPECT_LE(at::ne(after, before).sum().item<std::int64_t>(), changed) << network.name;
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
