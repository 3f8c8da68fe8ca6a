#include "ndcao/replica/block_clocks.h"

#include <algorithm>
#include <array>

#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

// Quantiles of waiting times with mean 1, in 1/256: entry i is the mean of the distribution between
// its quantiles i/16 and (i+1)/16. Exponential, and Pareto with tail index 1.5 cut at its 1 % tail
// (scaled to mean 1).
constexpr std::array<std::uint32_t, 16> kExponential = {8,   25,  44,  63,  85,  108, 134, 162,
                                                        194, 231, 274, 325, 390, 477, 611, 966};
constexpr std::array<std::uint32_t, 16> kHeavyTail = {102, 106, 112, 118, 124, 132, 141, 152,
                                                      165, 182, 203, 233, 276, 346, 493, 1211};

// Periods are spread log-uniformly: 2^(i/8) in 1/4096, i = 0 … 7.
constexpr std::array<std::uint64_t, 8> kEighthPowers = {4096, 4467, 4871, 5312,
                                                        5793, 6317, 6889, 7512};

const std::array<std::uint32_t, 16>& QuantilesOf(ClockKind kind) {
  return kind == ClockKind::kPoisson ? kExponential : kHeavyTail;
}

}  // namespace

std::uint32_t LongestWait(const ClockOptions& options) {
  if (options.kind == ClockKind::kFixed) return options.greatest;
  const std::uint64_t most = options.greatest * std::uint64_t{QuantilesOf(options.kind).back()};
  return static_cast<std::uint32_t>((most + 255) >> 8);
}

BlockClocks::BlockClocks(std::uint64_t seed, ClockOptions options, std::vector<std::uint64_t> keys)
    : seed_(seed), options_(options), keys_(std::move(keys)) {
  if (trivial()) return;
  for (std::uint32_t block = 0; block < keys_.size(); ++block) {
    // A random phase, so that blocks of equal period do not move together.
    RandomSequence sequence(seed_, Purpose::kClock, keys_[block], 1);
    events_.emplace(1 + sequence.Below(period(block)), block);
  }
}

std::uint32_t BlockClocks::period(std::uint32_t block) const {
  for (const ClockStretch& stretch : options_.stretches) {
    if (keys_[block] < stretch.end) return stretch.period;
  }
  // The eighth-powers of two in [1, greatest / least], one of them at random.
  std::uint32_t steps = 0;
  const auto factor = [](std::uint32_t i) { return kEighthPowers[i % 8] << (i / 8); };
  while (options_.least * factor(steps + 1) <= std::uint64_t{options_.greatest} << 12) ++steps;
  RandomSequence sequence(seed_, Purpose::kClock, keys_[block], 0);
  const std::uint64_t period = (options_.least * factor(sequence.Below(steps + 1)) + 2048) >> 12;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(period, options_.least, options_.greatest));
}

std::uint64_t BlockClocks::Wait(std::uint32_t block, std::uint64_t now) const {
  const std::uint64_t mean = period(block);
  if (options_.kind == ClockKind::kFixed) return mean;
  RandomSequence sequence(seed_, Purpose::kClock, keys_[block] ^ now << 36, 2);
  const std::uint64_t scaled = mean * QuantilesOf(options_.kind)[sequence.Below(16)];
  return std::max<std::uint64_t>(1, (scaled + sequence.Below(256)) >> 8);
}

std::vector<std::uint32_t> BlockClocks::Tick() {
  ++now_;
  std::vector<std::uint32_t> due;
  while (!events_.empty() && events_.top().first <= now_) {
    const std::uint32_t block = events_.top().second;
    events_.pop();
    due.push_back(block);
    events_.emplace(now_ + Wait(block, now_), block);
  }
  std::sort(due.begin(), due.end());
  return due;
}

void BlockClocks::Save(ByteWriter& out) const {
  out.Put(now_);
  out.Put(static_cast<std::uint64_t>(events_.size()));
  for (auto copy = events_; !copy.empty(); copy.pop()) {
    out.Put(copy.top().first);
    out.Put(copy.top().second);
  }
}

void BlockClocks::Load(ByteReader& in) {
  now_ = in.Get<std::uint64_t>();
  events_ = {};
  const auto count = in.Get<std::uint64_t>();
  if (count > keys_.size()) in.Fail();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto when = in.Get<std::uint64_t>();
    const auto block = in.Get<std::uint32_t>();
    if (block >= keys_.size()) in.Fail();
    events_.emplace(when, block);
  }
}

}  // namespace ndcao
