#include "ndcao/evaluate/torch/site_probe.h"

#include <ATen/ATen.h>

#include <cmath>

#include "ndcao/random/perturbation_stream.h"

namespace ndcao {
namespace {

// Streams of signs at a step: those below belong to the weights' trials.
constexpr std::uint32_t kFirstStream = 1 << 16;
constexpr std::uint32_t kStreamsPerSite = 64;

double RootMeanSquare(const std::vector<at::Tensor>& tensors) {
  double sum = 0;
  double count = 0;
  for (const at::Tensor& t : tensors) {
    const double norm = t.norm().item<double>();
    sum += norm * norm;
    count += static_cast<double>(t.numel());
  }
  return std::sqrt(sum / std::max(1.0, count));
}

/// A probe of a site on every example: which way it went, and what came of it.
struct Probe {
  at::Tensor direction;  ///< m: [B, columns], the change of the activations, summed over cells.
  at::Tensor response;   ///< c: [B]
  at::Tensor weights;    ///< kWeights: [B, weights], the signs themselves.
};

class SiteProbe {
 public:
  SiteProbe(const TorchSite& site, const ProbeSite& described, std::size_t index,
            const CleanPass& clean, const ProbeRequest& request)
      : site_(site), described_(described), index_(index), clean_(clean), request_(request) {
    for (const ProbePoint& point : site.points) {
      results_.push_back(clean.tape->operations()[point.operation].output());
    }
    if (request.learned && !described.cells.empty()) {
      auto* cells = const_cast<std::uint32_t*>(described.cells.data());
      cells_ = at::from_blob(cells, {static_cast<std::int64_t>(described.units)}, at::kInt);
    }
    bool rectified = false;
    for (const ProbePoint& point : site.points) rectified = rectified || point.rectified;
    if (!rectified) return;
    std::vector<at::Tensor> gates;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const at::Tensor rows = site.points[i].axis.Rows(results_[i]);
      gates.push_back(site.points[i].rectified ? rows.gt(0).to(at::kFloat) : at::ones_like(rows));
    }
    gate_ = gates.size() == 1 ? gates[0] : at::cat(gates, 1);
  }

  /// Undefined: every activation is open.
  const at::Tensor& gate() const { return gate_; }

  /// [B, units] of values that the units of a cell share: [B, columns].
  at::Tensor Spread(const at::Tensor& shared) const {
    return cells_.defined() ? shared.index_select(1, cells_) : shared;
  }

  Probe Take(std::uint32_t k) const {
    return described_.kind == SiteKind::kWeights ? ProbeWeights(k) : ProbeActivations(k);
  }

 private:
  std::uint32_t Stream(std::uint32_t k) const {
    return kFirstStream + static_cast<std::uint32_t>(index_) * kStreamsPerSite + k;
  }

  // The response where the loss is finite; an example that is not teaches nothing.
  at::Tensor Response(const at::Tensor& losses, double scale) const {
    return ((losses - clean_.losses) * (1 / scale)).nan_to_num_(0, 0, 0);
  }

  /// [B, columns]: sums over the cells.
  at::Tensor Sums(const at::Tensor& of_units) const {
    const auto columns = static_cast<std::int64_t>(described_.columns);
    return at::zeros({of_units.size(0), columns}).index_add_(1, cells_, of_units);
  }

  Probe ProbeActivations(std::uint32_t k) const {
    Probe probe;
    const auto examples = static_cast<std::int64_t>(request_.examples.size());
    const std::uint64_t columns = cells_.defined() ? described_.columns : described_.units;
    const at::Tensor signs =
        Signs(request_.seed, request_.step, Stream(k), request_.first * columns,
              {examples, static_cast<std::int64_t>(columns)});
    at::Tensor moved = Spread(signs);
    if (gate_.defined()) moved.mul_(gate_);
    probe.direction = cells_.defined() ? Sums(moved) : moved;
    const double scale = request_.sigma * RootMeanSquare(results_);
    if (!(scale > 0) || !std::isfinite(scale)) {
      probe.response = at::zeros_like(clean_.losses);
      return probe;
    }
    std::vector<Change> changes;
    std::int64_t from = 0;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const auto width = static_cast<std::int64_t>(site_.points[i].units);
      const at::Tensor rows = moved.narrow(1, from, width) * scale;
      changes.push_back(
          {site_.points[i].operation, site_.points[i].axis.Result(rows, results_[i].sizes())});
      from += width;
    }
    probe.response = Response(clean_.changed(changes, {}, nullptr), scale);
    return probe;
  }

  Probe ProbeWeights(std::uint32_t k) const {
    Probe probe;
    const WeightCall& call = site_.calls.front().call;
    const Operation& operation = clean_.tape->operations()[call.operation];
    const at::Tensor& weight = operation.tensor(*call.weight);
    const std::int64_t examples = operation.tensor(0).size(0);
    const std::int64_t out = weight.size(0);
    const std::int64_t width = weight.numel() + (call.bias ? out : 0);
    probe.weights = Signs(request_.seed, request_.step, Stream(k),
                          request_.first * static_cast<std::uint64_t>(width), {examples, width});
    const double scale = request_.sigma * RootMeanSquare({weight});
    std::vector<std::int64_t> shape = weight.sizes().vec();
    shape.insert(shape.begin(), examples);
    const at::Tensor bias =
        call.bias ? probe.weights.narrow(1, weight.numel(), out) : at::zeros({examples, out});
    const at::Tensor moved =
        ConvolveEach(operation, probe.weights.narrow(1, 0, weight.numel()).reshape(shape), bias);
    const Change change{call.operation, moved * scale};
    const std::size_t point = site_.points.front().operation;
    std::vector<at::Tensor> seen;
    const at::Tensor losses = clean_.changed({&change, 1}, {&point, 1}, &seen);
    probe.response = Response(losses, scale);
    probe.direction = site_.points.front().axis.Rows((seen[0] - results_[0]) * (1 / scale));
    if (gate_.defined()) probe.direction = probe.direction * gate_;
    return probe;
  }

  const TorchSite& site_;
  const ProbeSite& described_;
  std::size_t index_;
  const CleanPass& clean_;
  const ProbeRequest& request_;
  std::vector<at::Tensor> results_;
  at::Tensor gate_;
  at::Tensor cells_;  // [units]; undefined: every unit is its own
};

double SumOfSquares(const at::Tensor& t) {
  const double norm = t.norm().item<double>();
  return norm * norm;
}

/// (1/K) Σ_b response · signs, on the weights themselves.
void AddWeightSigns(const TorchSite& site, const OperationTape& tape, const Probe& probe,
                    double share, const ParameterMemory& memory, const at::Tensor& gradient) {
  const WeightCall& call = site.calls.front().call;
  const Operation& operation = tape.operations()[call.operation];
  const at::Tensor sum = at::matmul(probe.response * share, probe.weights);
  const at::Tensor& weight = operation.tensor(*call.weight);
  memory.Like(weight, gradient).add_(sum.narrow(0, 0, weight.numel()).view(weight.sizes()));
  if (call.bias) {
    memory.Like(operation.tensor(*call.bias), gradient)
        .add_(sum.narrow(0, weight.numel(), weight.size(0)));
  }
}

}  // namespace

at::Tensor Signs(std::uint64_t seed, std::uint64_t step, std::uint32_t stream, std::uint64_t first,
                 at::IntArrayRef sizes) {
  at::Tensor signs = at::zeros(sizes);
  const std::span<float> values(signs.data_ptr<float>(), static_cast<std::size_t>(signs.numel()));
  PerturbationStream(seed).Perturb({step}, stream, 1, first, values, values);
  return signs;
}

void AddOuterProducts(const TorchSite& site, const OperationTape& tape, const at::Tensor& signal,
                      const ParameterMemory& memory, const at::Tensor& gradient) {
  std::vector<PointSignal> at_points;
  std::int64_t from = 0;
  for (const ProbePoint& point : site.points) {
    const auto width = static_cast<std::int64_t>(point.units);
    at::Tensor rows = signal.narrow(1, from, width);
    if (site.points.size() > 1) rows = rows.contiguous();
    const Operation& operation = tape.operations()[point.operation];
    at_points.push_back({point.operation, point.axis.Result(rows, operation.output().sizes())});
    from += width;
  }
  std::vector<std::size_t> begins;
  for (const SiteCall& call : site.calls) begins.push_back(call.call.operation);
  const std::vector<at::Tensor> signals = PullBack(tape, site.tail, at_points, begins);
  for (std::size_t i = 0; i < begins.size(); ++i) {
    AddOuterProduct(site.calls[i].call, tape.operations()[begins[i]], signals[i], memory, gradient);
  }
}

void MeasureSite(const TorchSite& site, const ProbeSite& described, std::size_t index,
                 const CleanPass& clean, const ProbeRequest& request, const at::Tensor& estimator,
                 const ParameterMemory& memory, const at::Tensor& gradient, SiteSums& sums) {
  const SiteProbe prober(site, described, index, clean, request);
  const double share = 1.0 / request.probes;
  at::Tensor estimate;  // [B, columns]
  at::Tensor signal;    // [B, units]
  if (request.learned) {
    estimate = at::mm(clean.error, estimator);
    signal = prober.Spread(estimate);
    if (prober.gate().defined()) signal = signal * prober.gate();
  }
  for (std::uint32_t k = 0; k < request.probes; ++k) {
    Probe probe = prober.Take(k);
    sums.observed += SumOfSquares(probe.response);
    sums.change += SumOfSquares(probe.direction);
    if (request.learned) {
      const at::Tensor foreseen = (probe.direction * estimate).sum(1);
      const at::Tensor unforeseen = probe.response - foreseen;
      sums.unforeseen += SumOfSquares(unforeseen);
      if (!clean.features.defined()) continue;
      const at::Tensor weighted = clean.features * (unforeseen * share).unsqueeze(1);
      at::from_blob(sums.correction.data(), estimator.sizes())
          .addmm_(weighted.t(), probe.direction);
    } else if (described.kind == SiteKind::kWeights) {
      AddWeightSigns(site, *clean.tape, probe, share, memory, gradient);
    } else {
      const at::Tensor part = probe.direction.mul_((probe.response * share).unsqueeze(1));
      signal = signal.defined() ? signal.add_(part) : part;
    }
  }
  if (signal.defined()) AddOuterProducts(site, *clean.tape, signal, memory, gradient);
}

}  // namespace ndcao
