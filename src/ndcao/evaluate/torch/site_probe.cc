#include "ndcao/evaluate/torch/site_probe.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "ndcao/evaluate/torch/local_kernels.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {
namespace {

// Streams of signs at a step: those below belong to the weights' trials.
constexpr std::uint32_t kFirstStream = 1 << 16;
constexpr std::uint32_t kStreamsPerSite = 64;

double Squares(const at::Tensor& contiguous) {
  return SumOfSquares(contiguous.numel(), contiguous.data_ptr<float>());
}

double RootMeanSquare(const std::vector<at::Tensor>& tensors) {
  double sum = 0;
  double count = 0;
  for (const at::Tensor& t : tensors) {
    sum += Squares(t.contiguous());
    count += static_cast<double>(t.numel());
  }
  return std::sqrt(sum / std::max(1.0, count));
}

/// The cell of every unit, if units share: [units]; undefined: every unit is its own. A probe of a
/// cell moves its units alike; without an estimator there is nothing to share.
at::Tensor CellsOf(const ProbeSite& site, const ProbeRequest& request) {
  if (!request.learned || site.cells.empty()) return {};
  auto* cells = const_cast<std::uint32_t*>(site.cells.data());
  return at::from_blob(cells, {static_cast<std::int64_t>(site.units)}, at::kInt);
}

/// [B, units] of values that the units of a cell share: [B, columns].
at::Tensor Spread(const at::Tensor& shared, const at::Tensor& cells) {
  return cells.defined() ? shared.index_select(1, cells) : shared;
}

/// The same for every point of a site, [B, its units]; a view, where its cells are neighbours.
std::vector<at::Tensor> SpreadAtPoints(const TorchSite& site, const at::Tensor& cells,
                                       const at::Tensor& shared) {
  if (!cells.defined()) return AtPoints(site, shared);
  std::vector<at::Tensor> parts;
  std::int64_t from = 0;
  for (const ProbePoint& point : site.points) {
    const auto width = static_cast<std::int64_t>(point.units);
    const auto* first = cells.data_ptr<int>() + from;
    const bool neighbours = std::adjacent_find(first, first + width, [](int a, int b) {
                              return b != a + 1;
                            }) == first + width;
    parts.push_back(neighbours ? shared.narrow(1, *first, width)
                               : shared.index_select(1, cells.narrow(0, from, width)));
    from += width;
  }
  return parts;
}

std::span<float> Values(const at::Tensor& contiguous) {
  return {contiguous.data_ptr<float>(), static_cast<std::size_t>(contiguous.numel())};
}

/// 1 where a rectified result is above 0, else 0.
at::Tensor GateOf(const at::Tensor& results) {
  const at::Tensor from = results.contiguous();
  at::Tensor gate = at::empty(from.sizes());
  PullThroughGates(from.numel(), from.data_ptr<float>(), nullptr, gate.data_ptr<float>());
  return gate;
}

/// features · factor of each row, times `share`: [B, r].
at::Tensor Weighted(const at::Tensor& features, const at::Tensor& factors, float share) {
  at::Tensor weighted = at::empty(features.sizes());
  const std::span<const float> from = Values(features);
  const std::span<float> to = Values(weighted);
  const std::size_t r = from.size() / Values(factors).size();
  for (std::size_t i = 0; const float factor : Values(factors)) {
    for (const std::size_t end = i + r; i < end; ++i) to[i] = from[i] * (factor * share);
  }
  return weighted;
}

/// c: [B], where the loss is finite; an example that is not teaches nothing.
at::Tensor Response(const ProbeAnswer& answer, const CleanPass& clean) {
  if (answer.probe.scale == 0) return at::zeros_like(clean.losses);
  at::Tensor response = at::empty_like(clean.losses);
  const auto factor = static_cast<float>(1 / answer.probe.scale);
  const std::span<const float> moved = Values(answer.losses);
  const std::span<const float> still = Values(clean.losses);
  const std::span<float> responses = Values(response);
  for (std::size_t b = 0; b < responses.size(); ++b) {
    const float c = (moved[b] - still[b]) * factor;
    responses[b] = std::isfinite(c) ? c : 0;
  }
  return response;
}

/// ρ = c − mᵀĝ: [B]. Adds up the squares of m and of ρ.
at::Tensor Unforeseen(const at::Tensor& response, const at::Tensor& direction,
                      const at::Tensor& estimate, SiteSums& sums) {
  at::Tensor rest = at::empty_like(response);
  sums.change += DotRows(direction.size(0), direction.size(1), direction.data_ptr<float>(),
                         estimate.data_ptr<float>(), rest.data_ptr<float>());
  for (std::size_t b = 0; b < Values(rest).size(); ++b) {
    Values(rest)[b] = Values(response)[b] - Values(rest)[b];
  }
  sums.unforeseen += Squares(rest);
  return rest;
}

/// (1/K) Σ_b response · signs, on the weights themselves. `response`: [B], times 1/K.
void AddWeightSigns(const TorchSite& site, const OperationTape& tape, const Probe& probe,
                    const at::Tensor& response, const ParameterMemory& memory,
                    const at::Tensor& gradient) {
  const WeightCall& call = site.calls.front().call;
  const Operation& operation = tape.operations()[call.operation];
  const at::Tensor sum = at::matmul(response, probe.weights);
  const at::Tensor& weight = operation.tensor(*call.weight);
  memory.Like(weight, gradient).add_(sum.narrow(0, 0, weight.numel()).view(weight.sizes()));
  if (call.bias) {
    memory.Like(operation.tensor(*call.bias), gradient)
        .add_(sum.narrow(0, weight.numel(), weight.size(0)));
  }
}

}  // namespace

SiteProbe::SiteProbe(const TorchSite& site, const ProbeSite& described, std::size_t index,
                     const OperationTape& tape, const ProbeRequest& request)
    : site_(site), described_(described), index_(index), tape_(tape), request_(request) {
  for (const ProbePoint& point : site.points) {
    results_.push_back(tape.operations()[point.operation].output());
  }
  bool rectified = false;
  for (const ProbePoint& point : site.points) rectified = rectified || point.rectified;
  if (!rectified) return;
  std::vector<at::Tensor> gates;
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const at::Tensor rows = site.points[i].axis.Rows(results_[i]);
    gates.push_back(site.points[i].rectified ? GateOf(rows) : at::ones({}).expand(rows.sizes()));
  }
  gate_ = gates.size() == 1 ? gates[0] : at::cat(gates, 1);
}

Probe SiteProbe::Take(std::uint32_t k, const ChangedForward& changed) const {
  return described_.kind == SiteKind::kWeights ? ProbeWeights(k, changed)
                                               : ProbeActivations(k, changed);
}

std::uint32_t SiteProbe::Stream(std::uint32_t k) const {
  return kFirstStream + static_cast<std::uint32_t>(index_) * kStreamsPerSite + k;
}

double SiteProbe::Size() const {
  if (!size_) size_ = RootMeanSquare(results_);
  return *size_;
}

Probe SiteProbe::ProbeActivations(std::uint32_t k, const ChangedForward& changed) const {
  Probe probe;
  const std::int64_t examples = site_.points.front().axis.Rows(results_.front()).size(0);
  const at::Tensor cells = CellsOf(described_, request_);
  const std::uint64_t columns = cells.defined() ? described_.columns : described_.units;
  const auto width_of_signs = static_cast<std::int64_t>(columns);
  const at::Tensor signs = Signs(request_.seed, request_.step, Stream(k), request_.first * columns,
                                 {examples, width_of_signs});
  at::Tensor moved;  // [B, units]; undefined: the signs themselves, spread
  if (gate_.defined()) moved = Spread(signs, cells).mul_(gate_);
  if (!cells.defined()) {
    probe.direction = moved.defined() ? moved : signs;
  } else if (moved.defined()) {
    probe.direction = at::zeros({examples, width_of_signs}).index_add_(1, cells, moved);
  } else {  // all of a cell
    probe.direction = signs * at::bincount(cells, {}, width_of_signs).to(at::kFloat);
  }
  const double scale = request_.sigma * Size();
  if (!(scale > 0) || !std::isfinite(scale)) return probe;
  const std::vector<at::Tensor> parts =
      moved.defined() ? AtPoints(site_, moved) : SpreadAtPoints(site_, cells, signs);
  std::vector<Change> changes;
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const ProbePoint& point = site_.points[i];
    changes.push_back({point.operation, point.axis.Result(parts[i], results_[i].sizes()), scale});
  }
  probe.output = changed(changes, {}).output;
  probe.scale = scale;
  return probe;
}

Probe SiteProbe::ProbeWeights(std::uint32_t k, const ChangedForward& changed) const {
  Probe probe;
  const WeightCall& call = site_.calls.front().call;
  const Operation& operation = tape_.operations()[call.operation];
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
  const Change change{call.operation, moved, scale};
  const std::size_t point = site_.points.front().operation;
  const ChangedPass pass = changed({&change, 1}, {&point, 1});
  probe.direction = site_.points.front().axis.Rows((pass.watched[0] - results_[0]) * (1 / scale));
  if (gate_.defined()) probe.direction = probe.direction * gate_;
  probe.output = pass.output;
  probe.scale = scale;
  return probe;
}

at::Tensor Signs(std::uint64_t seed, std::uint64_t step, std::uint32_t stream, std::uint64_t first,
                 at::IntArrayRef sizes) {
  static constexpr std::array<float, 4096> kZeros{};
  at::Tensor signs = at::empty(sizes);
  const std::span<float> values = Values(signs);
  for (std::size_t done = 0; done < values.size(); done += kZeros.size()) {
    const std::size_t count = std::min(kZeros.size(), values.size() - done);
    PerturbationStream(seed).Perturb({step}, stream, 1, first + done,
                                     std::span(kZeros).first(count), values.subspan(done, count));
  }
  return signs;
}

std::vector<at::Tensor> AtPoints(const TorchSite& site, const at::Tensor& signal) {
  if (site.points.size() == 1) return {signal};
  std::vector<at::Tensor> parts;
  std::int64_t from = 0;
  for (const ProbePoint& point : site.points) {
    const auto width = static_cast<std::int64_t>(point.units);
    parts.push_back(signal.narrow(1, from, width));
    from += width;
  }
  return parts;
}

void SignalsOfCalls(const TorchSite& site, const OperationTape& tape,
                    const std::vector<at::Tensor>& signals, const SignalTaker& taker) {
  std::vector<PointSignal> at_points;
  at::Tensor rows;  // points whose units share columns have the same
  for (std::size_t i = 0; i < site.points.size(); ++i) {
    const ProbePoint& point = site.points[i];
    const Operation& operation = tape.operations()[point.operation];
    if (i == 0 || !SameView(signals[i], signals[i - 1])) rows = signals[i].contiguous();
    at_points.push_back({point.operation, point.axis.Result(rows, operation.output().sizes())});
  }
  std::vector<std::size_t> begins;
  for (const SiteCall& call : site.calls) begins.push_back(call.call.operation);
  PullBack(tape, site.tail, at_points, begins, taker);
}

void AddOuterProducts(const TorchSite& site, const OperationTape& tape,
                      const std::vector<at::Tensor>& signals, const ParameterMemory& memory,
                      const at::Tensor& gradient) {
  const auto operation = [&](std::size_t i) -> const Operation& {
    return tape.operations()[site.calls[i].call.operation];
  };
  SignalTaker taker;
  taker.whole = [&](std::size_t i, const at::Tensor& signal) {
    AddOuterProduct(site.calls[i].call, operation(i), signal, memory, gradient);
  };
  taker.by_rows = [&](std::size_t i) { return IsSumOfRows(site.calls[i].call, operation(i)); };
  taker.row = [&](std::size_t i, std::int64_t dim, std::int64_t index, const at::Tensor& signal) {
    AddOuterProductOfRow(site.calls[i].call, operation(i), dim, index, signal, memory, gradient);
  };
  SignalsOfCalls(site, tape, signals, taker);
}

void LearnSite(const TorchSite& site, const ProbeSite& described, const CleanPass& clean,
               const ProbeRequest& request, const at::Tensor& gate,
               const std::function<ProbeAnswer(std::uint32_t k)>& answer,
               const at::Tensor& estimator, const ParameterMemory& memory,
               const at::Tensor& gradient, SiteSums& sums) {
  const double share = 1.0 / request.probes;
  at::Tensor estimate;  // [B, columns]
  at::Tensor signal;    // [B, units], of strict probes or behind a gate
  std::vector<at::Tensor> signals;
  if (request.learned) {
    estimate = at::mm(clean.error, estimator);
    const at::Tensor cells = CellsOf(described, request);
    if (gate.defined()) {
      signal = Spread(estimate, cells) * gate;
    } else {
      signals = SpreadAtPoints(site, cells, estimate);
    }
  }
  for (std::uint32_t k = 0; k < request.probes; ++k) {
    const ProbeAnswer answered = answer(k);
    const Probe& probe = answered.probe;
    const at::Tensor response = Response(answered, clean);
    sums.observed += Squares(response);
    if (request.learned) {
      const at::Tensor direction = probe.direction.contiguous();
      const at::Tensor unforeseen = Unforeseen(response, direction, estimate, sums);
      if (!clean.features.defined()) continue;
      const at::Tensor weighted = Weighted(clean.features, unforeseen, static_cast<float>(share));
      at::from_blob(sums.correction.data(), estimator.sizes()).addmm_(weighted.t(), direction);
    } else if (described.kind == SiteKind::kWeights) {
      AddWeightSigns(site, *clean.tape, probe, response * share, memory, gradient);
    } else {
      const at::Tensor part = probe.direction.mul_((response * share).unsqueeze(1));
      signal = signal.defined() ? signal.add_(part) : part;
    }
  }
  if (signal.defined()) signals = AtPoints(site, signal);
  if (!signals.empty()) AddOuterProducts(site, *clean.tape, signals, memory, gradient);
}

}  // namespace ndcao
