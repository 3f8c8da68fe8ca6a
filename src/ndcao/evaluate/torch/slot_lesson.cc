#include "ndcao/evaluate/torch/slot_lesson.h"

#include <ATen/ATen.h>

#include <cmath>

namespace ndcao {
namespace {

// The gain of normalised least mean squares.
constexpr float kGain = 1.5f;

/// e, whitened and divided by 1 + e A⁻¹ eᵀ/r.
at::Tensor Features(const at::Tensor& error, std::span<const float> whitener) {
  const std::int64_t r = error.size(1);
  const at::Tensor inverse = at::from_blob(const_cast<float*>(whitener.data()), {r, r});
  at::Tensor features = at::mm(error, inverse);
  const float* e = error.data_ptr<float>();
  float* white = features.data_ptr<float>();
  for (std::int64_t b = 0; b < error.size(0); ++b, e += r, white += r) {
    float reach = 0;
    for (std::int64_t i = 0; i < r; ++i) reach += white[i] * e[i];
    const float gain = kGain / (1 + reach * (1.0f / static_cast<float>(r)));
    for (std::int64_t i = 0; i < r; ++i) white[i] *= gain;
  }
  return features;
}

void CountFinite(const at::Tensor& losses, ProbeSums& sums) {
  const at::Tensor values = losses.contiguous();
  sums.finite = 0;
  sums.loss = 0;
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const float loss = values.data_ptr<float>()[i];
    if (!std::isfinite(loss)) continue;
    ++sums.finite;
    sums.loss += loss;
  }
}

}  // namespace

void SlotLesson::Clear(const ProbeRequest& request, ProbeSums& sums) const {
  const std::uint64_t r = plan_.plan.features;
  if (!sums.cleared || sums.gradient.size() != parameters_) sums.gradient.assign(parameters_, 0.0f);
  sums.cleared = false;
  sums.sites.resize(plan_.sites.size());
  for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
    const ProbeSite& site = plan_.plan.sites[i];
    const bool learns = request.learned && site.kind != SiteKind::kOutput;
    SiteSums& of_site = sums.sites[i];
    of_site.correction.assign(learns ? r * site.columns : 0, 0.0f);
    of_site.inputs.resize(site.inputs.size());
    for (InputSum& input : of_site.inputs) input.values.clear();
    of_site.observed = of_site.unforeseen = of_site.change = 0;
  }
  sums.moment.assign(r * r, 0.0f);
}

void SlotLesson::WhitenInputs(std::size_t site, const ProbeRequest& request, const CleanPass& clean,
                              const at::Tensor& gradient, SiteSums& sums) const {
  const std::vector<InputWeight>& inputs = plan_.sites[site].inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (request.measure_inputs) SumInputs(inputs[i], *clean.tape, sums.inputs[i]);
    if (request.input_inverses.empty() || request.input_inverses[site][i].empty()) continue;
    MultiplyByInverse(inputs[i], *clean.tape, request.input_inverses[site][i], memory_, gradient);
  }
}

void SlotLesson::Learn(const ProbeRequest& request, CleanPass& clean, const Answer& answer,
                       const std::function<at::Tensor()>& output_signal, ProbeSums& sums) const {
  Clear(request, sums);
  CountFinite(clean.losses, sums);
  const auto r = static_cast<std::int64_t>(plan_.plan.features);
  if (clean.error.defined()) {
    at::from_blob(sums.moment.data(), {r, r}).addmm_(clean.error.t(), clean.error);
    if (!request.whitener.empty()) clean.features = Features(clean.error, request.whitener);
  }
  const at::Tensor gradient =
      at::from_blob(sums.gradient.data(), {static_cast<std::int64_t>(sums.gradient.size())});
  for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
    const ProbeSite& described = plan_.plan.sites[i];
    if (described.kind == SiteKind::kOutput) {
      AddOuterProducts(plan_.sites[i], *clean.tape, AtPoints(plan_.sites[i], output_signal()),
                       memory_, gradient);
    } else {
      const at::Tensor estimator =
          request.learned ? at::from_blob(const_cast<float*>(request.estimators[i].data()),
                                          {r, static_cast<std::int64_t>(described.columns)})
                          : at::Tensor();
      const SiteProbe prober = ProbeOf(i, *clean.tape, request);
      LearnSite(
          plan_.sites[i], described, clean, request, prober.gate(),
          [&](std::uint32_t k) { return answer(i, prober, k); }, estimator, memory_, gradient,
          sums.sites[i]);
    }
    WhitenInputs(i, request, clean, gradient, sums.sites[i]);
  }
}

}  // namespace ndcao
