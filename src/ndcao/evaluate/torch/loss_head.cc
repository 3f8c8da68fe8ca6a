#include "ndcao/evaluate/torch/loss_head.h"

#include <ATen/ATen.h>

#include "ndcao/evaluate/torch/site_probe.h"

namespace ndcao {
namespace {

// How far outputs are moved to see what the loss does.
constexpr float kOutputStep = 0.02f;
// Streams of the outputs' directions, where they are not probed one by one.
constexpr std::uint32_t kFeatureStream = 1 << 15;
constexpr std::uint32_t kOutputStream = kFeatureStream + 1;

}  // namespace

at::Tensor LossHead::Losses(const at::Tensor& outputs, std::span<const std::int32_t> labels) {
  const at::Tensor rows = outputs.contiguous();
  const auto count = static_cast<std::size_t>(rows.size(0));
  repeated_.resize(count);
  for (std::size_t i = 0; i < count; ++i) repeated_[i] = labels[i % labels.size()];
  at::Tensor losses = at::empty({rows.size(0)});
  objective_->PerExample({{rows.data_ptr<float>(), static_cast<std::size_t>(rows.numel())},
                          repeated_,
                          static_cast<std::size_t>(rows.size(1))},
                         {losses.data_ptr<float>(), count}, {});
  return losses;
}

at::Tensor LossHead::Directions(const ProbeRequest& request, std::uint32_t stream,
                                std::uint64_t step) const {
  if (features_ == outputs_) return at::eye(outputs_);
  return Signs(request.seed, step, stream, 0, {features_, outputs_});
}

at::Tensor LossHead::LossesAlong(const at::Tensor& directions, const at::Tensor& outputs,
                                 std::span<const std::int32_t> labels) {
  const at::Tensor moved =
      outputs.unsqueeze(0) + (directions * kOutputStep).unsqueeze(1);  // [r, B, outputs]
  return Losses(moved.flatten(0, 1), labels).view({directions.size(0), -1});
}

at::Tensor LossHead::AtOutputs(const ProbeRequest& request, const at::Tensor& outputs,
                               std::span<const std::int32_t> labels) {
  return LossesAlong(Directions(request, kFeatureStream, 0), outputs, labels);
}

at::Tensor LossHead::Responses(const at::Tensor& at_outputs, const at::Tensor& losses) {
  return ((at_outputs - losses) * (1 / kOutputStep)).nan_to_num_(0, 0, 0).t().contiguous();
}

at::Tensor LossHead::OutputSignal(const ProbeRequest& request, const at::Tensor& outputs,
                                  std::span<const std::int32_t> labels, const at::Tensor& losses,
                                  const at::Tensor& error) {
  if (features_ == outputs_) return error;
  const at::Tensor directions = Directions(request, kOutputStream, request.step + 1);
  const at::Tensor responses = Responses(LossesAlong(directions, outputs, labels), losses);
  return at::mm(responses, directions) * (1.0 / static_cast<double>(directions.size(0)));
}

}  // namespace ndcao
