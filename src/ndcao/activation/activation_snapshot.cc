// The state of an activation run to bytes and back. Unlike a journaled run's, this snapshot is what
// resuming begins with; its format belongs to one version of the program.
#include <fmt/format.h>

#include "ndcao/activation/activation_replica.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kVersion = 4;

void PutFloats(ByteWriter& out, const ParameterVector& values) {
  out.Put(static_cast<std::uint64_t>(values.size()));
  out.PutAll(std::span<const float>(values));
}

ParameterVector GetFloats(ByteReader& in) {
  const auto count = in.Get<std::uint64_t>();
  if (count > in.remaining() / sizeof(float)) return in.Fail(), ParameterVector();
  ParameterVector values(count);
  in.GetAll(std::span<float>(values));
  return values;
}

}  // namespace

std::vector<std::byte> ActivationReplica::Snapshot() const {
  ByteWriter out;
  out.Put(kVersion);
  out.PutAll(std::as_bytes(std::span(&counters_, 1)));
  PutFloats(out, theta_);
  PutFloats(out, pending_);
  out.Put(budget_);
  out.Put(loss_);
  out.Put(loss_weight_);
  adam_.Save(out);
  moment_.Save(out);
  for (const SiteEstimator& estimator : estimators_) estimator.Save(out);
  for (const SitedFactor& input : inputs_) input.factor.Save(out);
  for (const TrainedBlock& block : blocks_) {
    out.Put(block.steps);
    out.Put(block.pending);
  }
  if (clocks_) clocks_->Save(out);
  if (fallback_) fallback_->Save(out);
  return out.Take();
}

Result<std::pair<ParameterVector, ActivationCounters>> ActivationReplica::Read(
    std::span<const std::byte> snapshot) {
  ByteReader in(snapshot);
  const auto version = in.Get<std::uint32_t>();
  if (version != kVersion) {
    return Corrupt(fmt::format("the snapshot has version {}, this program reads version {}",
                               version, kVersion));
  }
  ActivationCounters counters;
  in.GetAll(std::as_writable_bytes(std::span(&counters, 1)));
  ParameterVector theta = GetFloats(in);
  if (!in.ok()) return Corrupt("the snapshot ends too early");
  return std::pair{std::move(theta), counters};
}

Result<ActivationReplica> ActivationReplica::Restore(const RunSpec& spec, const Layout& layout,
                                                     const SiteTable& sites,
                                                     std::span<const std::byte> snapshot) {
  return Restore(spec, layout, sites, Slice::Whole(layout.size()), snapshot);
}

Result<ActivationReplica> ActivationReplica::Restore(const RunSpec& spec, const Layout& layout,
                                                     const SiteTable& sites, const Slice& held,
                                                     std::span<const std::byte> snapshot) {
  NDCAO_ASSIGN(auto begun, Read(snapshot));
  if (begun.first.size() != held.size()) {
    return Corrupt(fmt::format("the snapshot has {} parameters, the network {}", begun.first.size(),
                               held.size()));
  }
  NDCAO_ASSIGN(ActivationReplica replica,
               Create(spec, layout, std::move(begun.first), sites, held));
  replica.counters_ = begun.second;
  ByteReader in(snapshot);
  in.Get<std::uint32_t>();
  ActivationCounters counters;
  in.GetAll(std::as_writable_bytes(std::span(&counters, 1)));
  GetFloats(in);
  const ParameterVector pending = GetFloats(in);
  if (pending.size() != replica.pending_.size()) in.Fail();
  replica.pending_ = pending;
  replica.budget_ = in.Get<std::uint64_t>();
  replica.loss_ = in.Get<double>();
  replica.loss_weight_ = in.Get<double>();
  replica.adam_.Load(in);
  replica.moment_.Load(in);
  for (SiteEstimator& estimator : replica.estimators_) estimator.Load(in);
  for (SitedFactor& input : replica.inputs_) input.factor.Load(in);
  for (TrainedBlock& block : replica.blocks_) {
    block.steps = in.Get<std::uint64_t>();
    block.pending = in.Get<std::uint64_t>();
  }
  if (replica.clocks_) replica.clocks_->Load(in);
  if (replica.fallback_) replica.fallback_->Load(in);
  if (!in.ok() || in.remaining() > 0) {
    return Corrupt("the snapshot does not fit the network's sites");
  }
  return replica;
}

}  // namespace ndcao
