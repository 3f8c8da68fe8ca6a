#include "ndcao/evaluate/torch/predict.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {

Result<std::vector<Prediction>> PredictTest(const NetworkOptions& options,
                                            std::span<const float> parameters, const Dataset& data,
                                            std::span<const std::uint32_t> indices) {
  NDCAO_ASSIGN(const BatchNorm batch_norm, ParseBatchNorm(options.batch_norm));
  NDCAO_ASSIGN(const auto network, LoadModel({options.model, ShapeOf(data), batch_norm}, 0));
  if (network->parameters().size() != parameters.size()) {
    return Invalid("the parameters do not fit the model " + options.model);
  }
  std::copy(parameters.begin(), parameters.end(), network->parameters().begin());
  std::vector<Prediction> predictions(indices.size());
  NDCAO_TRY(CatchTorch("forward pass", [&] {
    std::vector<std::int64_t> shape = data.shape();
    shape.insert(shape.begin(), static_cast<std::int64_t>(indices.size()));
    at::Tensor input = at::empty(shape);
    data.Gather(data.test(), indices,
                {input.data_ptr<float>(), static_cast<std::size_t>(input.numel())});
    const auto [confidence, predicted] = network->Forward(input).softmax(1).max(1);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      predictions[i] = {indices[i], static_cast<std::int32_t>(predicted[row].item<std::int64_t>()),
                        confidence[row].item<float>()};
    }
  }));
  return predictions;
}

}  // namespace ndcao
