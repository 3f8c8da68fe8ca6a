// The pooling that cnn11k and lenet5 are written with, against LibTorch's.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao {
namespace {

TEST(ZooPoolTest, TheMaximumOfSlicesIsMaxPool2d) {
  InitTorch();
  torch::manual_seed(1);
  for (const char* model : {"cnn11k", "lenet5"}) {
    const auto network = DescribeZooModel(model, {{1, 28, 28}, 10}).value();
    torch::jit::Module module = BuildModule(network, 1).value();
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{3, 8, 28, 28}, {1, 16, 14, 14}, {2, 6, 10, 4}}) {
      const at::Tensor x = at::randn(shape);
      const at::Tensor pooled = module.get_method("pool")({x}).toTensor();
      EXPECT_TRUE(at::equal(pooled, at::max_pool2d(x, 2))) << model;
    }
  }
}

}  // namespace
}  // namespace ndcao
