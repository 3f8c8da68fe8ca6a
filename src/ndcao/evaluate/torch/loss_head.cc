#include "ndcao/evaluate/torch/loss_head.h"

#include <ATen/ATen.h>

#include <cmath>

#include "ndcao/evaluate/torch/site_probe.h"

namespace ndcao {
namespace {

// How far outputs are moved to see what the loss does.
constexpr float kOutputStep = 0.02f;
// Streams of the outputs' directions, where they are not probed one by one.
constexpr std::uint32_t kFeatureStream = 1 << 15;
constexpr std::uint32_t kOutputStream = kFeatureStream + 1;

}  // namespace

Outputs LossHead::OutputsOf(const at::Tensor& rows, std::span<const std::int32_t> labels) {
  return {{rows.data_ptr<float>(), static_cast<std::size_t>(rows.numel())},
          labels,
          static_cast<std::size_t>(rows.size(1))};
}

at::Tensor LossHead::Losses(const at::Tensor& outputs, std::span<const std::int32_t> labels) {
  const at::Tensor rows = outputs.contiguous();
  const auto count = static_cast<std::size_t>(rows.size(0));
  repeated_.resize(count);
  for (std::size_t i = 0; i < count; ++i) repeated_[i] = labels[i % labels.size()];
  at::Tensor losses = at::empty({rows.size(0)});
  objective_->PerExample(OutputsOf(rows, repeated_), {losses.data_ptr<float>(), count}, {});
  return losses;
}

at::Tensor LossHead::LossesAlong(const at::Tensor& directions, const at::Tensor& outputs,
                                 std::span<const std::int32_t> labels) {
  const at::Tensor moved =
      outputs.unsqueeze(0) + (directions * kOutputStep).unsqueeze(1);  // [r, B, outputs]
  return Losses(moved.flatten(0, 1), labels).view({directions.size(0), -1});
}

at::Tensor LossHead::AtOutputs(const ProbeRequest& request, const at::Tensor& outputs,
                               std::span<const std::int32_t> labels) {
  if (features_ != outputs_) {
    const at::Tensor directions = Signs(request.seed, 0, kFeatureStream, 0, {features_, outputs_});
    return LossesAlong(directions, outputs, labels);
  }
  const at::Tensor rows = outputs.contiguous();
  at::Tensor losses = at::empty({outputs_, rows.size(0)});
  objective_->PerExampleMoved(OutputsOf(rows, labels), kOutputStep,
                              {losses.data_ptr<float>(), static_cast<std::size_t>(losses.numel())});
  return losses;
}

at::Tensor LossHead::Responses(const at::Tensor& at_outputs, const at::Tensor& losses) {
  const std::int64_t moves = at_outputs.size(0);
  const std::int64_t examples = at_outputs.size(1);
  at::Tensor responses = at::empty({examples, moves});
  const float* moved = at_outputs.data_ptr<float>();
  const float* clean = losses.data_ptr<float>();
  float* out = responses.data_ptr<float>();
  for (std::int64_t b = 0; b < examples; ++b) {
    for (std::int64_t i = 0; i < moves; ++i) {
      const float response = (moved[i * examples + b] - clean[b]) * (1 / kOutputStep);
      out[b * moves + i] = std::isfinite(response) ? response : 0;
    }
  }
  return responses;
}

at::Tensor LossHead::OutputSignal(const ProbeRequest& request, const at::Tensor& outputs,
                                  std::span<const std::int32_t> labels, const at::Tensor& losses,
                                  const at::Tensor& error) {
  if (features_ == outputs_) return error;
  const at::Tensor directions =
      Signs(request.seed, request.step + 1, kOutputStream, 0, {features_, outputs_});
  const at::Tensor responses = Responses(LossesAlong(directions, outputs, labels), losses);
  return at::mm(responses, directions) * (1.0 / static_cast<double>(directions.size(0)));
}

}  // namespace ndcao
