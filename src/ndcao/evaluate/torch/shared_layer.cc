#include "ndcao/evaluate/torch/shared_layer.h"

#include <bit>

namespace ndcao {
namespace {

const Tensor* Find(const Layout& layout, const std::string& name) {
  for (const Tensor& tensor : layout.tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<SharedLayer> SharedLayer::Create(ScriptModel& model, const std::string& layer,
                                                 const Dataset& data) {
  if (!SignedSumsAreFast() || data.train().bytes.empty()) return nullptr;
  const Tensor* weight = Find(model.layout(), layer + ".weight");
  const Tensor* bias = Find(model.layout(), layer + ".bias");
  NDCAO_CHECK(weight != nullptr && bias != nullptr);
  return std::unique_ptr<SharedLayer>(new SharedLayer(model, data, *weight, *bias));
}

SharedLayer::SharedLayer(ScriptModel& model, const Dataset& data, const Tensor& weight,
                         const Tensor& bias)
    : model_(model), data_(data), weight_(weight), bias_(bias), signs_(data.features()) {}

void SharedLayer::Begin(const at::Tensor& input, const Examples& part,
                        std::span<const std::uint32_t> examples, std::span<const float> centre,
                        float step) {
  const c10::InferenceMode guard;
  centre_ = centre;
  step_ = step;
  const at::Tensor weights = at::from_blob(const_cast<float*>(centre.data()) + weight_.offset,
                                           {weight_.shape[0], weight_.shape[1]});
  const auto count = static_cast<std::int64_t>(examples.size());
  if (!product_.defined() || product_.size(1) != count) {
    product_ = at::empty({weight_.shape[0], count});
  }
  at::mm_out(product_, weights, input.flatten(1).t());
  batch_ = ByteBatch(examples.size(), data_.features());
  const std::size_t sums = weight_.units() * batch_.stride();
  const std::size_t bytes = sums * sizeof(std::int32_t) + batch_.packed_bytes();
  memory_ = input.flatten();
  if (memory_.nbytes() < bytes) {
    memory_ = at::empty({static_cast<std::int64_t>(bytes)}, at::kByte);
  }
  auto* const memory = static_cast<std::uint8_t*>(memory_.data_ptr());
  sums_ = {reinterpret_cast<std::int32_t*>(memory), sums};
  batch_.Pack(part.bytes, examples, {memory + sums * sizeof(std::int32_t), batch_.packed_bytes()});
}

at::Tensor SharedLayer::Forward() {
  const c10::InferenceMode guard;
  const std::span<const float> parameters = model_.parameters();
  signs_.Read(centre_.subspan(weight_.offset, weight_.size),
              parameters.subspan(weight_.offset, weight_.size), data_.offset());
  batch_.Sum(signs_, sums_);
  // x = gain · byte − offset, so E x = gain · (E bytes) − E offset.
  const auto examples = static_cast<std::size_t>(product_.size(1));
  const float gain = step_ * data_.gain();
  for (std::size_t u = 0; u < weight_.units(); ++u) {
    const float constant = parameters[bias_.offset + u] - step_ * signs_.offset_sums()[u];
    std::int32_t* sums = sums_.data() + u * batch_.stride();
    const float* product = product_.data_ptr<float>() + u * examples;
    for (std::size_t i = 0; i < examples; ++i) {
      const float out = product[i] + (gain * static_cast<float>(sums[i]) + constant);
      sums[i] = std::bit_cast<std::int32_t>(out);
    }
  }
  const at::Tensor layer =
      at::from_blob(sums_.data(), {product_.size(1), product_.size(0)},
                    {1, static_cast<std::int64_t>(batch_.stride())}, at::kFloat);
  return FirstOutput(model_.module().get_method("rest")({layer}));
}

}  // namespace ndcao
