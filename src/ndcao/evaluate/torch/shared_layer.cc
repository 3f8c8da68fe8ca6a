#include "ndcao/evaluate/torch/shared_layer.h"

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
  batch_.Pack(part.bytes, examples, data_.features());
  const at::Tensor weights = at::from_blob(const_cast<float*>(centre.data()) + weight_.offset,
                                           {weight_.shape[0], weight_.shape[1]});
  product_ = at::mm(weights, input.flatten(1).t());
}

void SharedLayer::End() {
  product_.reset();
  layer_.reset();
  sums_ = {};
  batch_ = {};
  signs_ = SignRows(data_.features());
}

at::Tensor SharedLayer::Forward() {
  const c10::InferenceMode guard;
  if (!layer_.defined()) layer_ = at::empty_like(product_);
  sums_.resize(weight_.units() * batch_.stride());
  const std::span<const float> parameters = model_.parameters();
  signs_.Read(centre_.subspan(weight_.offset, weight_.size),
              parameters.subspan(weight_.offset, weight_.size), data_.offset());
  batch_.Sum(signs_, sums_);
  // x = gain · byte − offset, so E x = gain · (E bytes) − E offset.
  const auto examples = static_cast<std::size_t>(product_.size(1));
  const float gain = step_ * data_.gain();
  for (std::size_t u = 0; u < weight_.units(); ++u) {
    const float constant = parameters[bias_.offset + u] - step_ * signs_.offset_sums()[u];
    const std::int32_t* sums = sums_.data() + u * batch_.stride();
    const float* product = product_.data_ptr<float>() + u * examples;
    float* out = layer_.data_ptr<float>() + u * examples;
    for (std::size_t i = 0; i < examples; ++i) {
      out[i] = product[i] + (gain * static_cast<float>(sums[i]) + constant);
    }
  }
  return FirstOutput(model_.module().get_method("rest")({layer_.t()}));
}

}  // namespace ndcao
