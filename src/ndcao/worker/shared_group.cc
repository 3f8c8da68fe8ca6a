#include "ndcao/worker/shared_group.h"

#include <algorithm>
#include <utility>

namespace ndcao {
namespace {

// A helper first selects the examples, which may cost as much as an evaluation or two.
constexpr std::uint32_t kWorthJoining = 2;

}  // namespace

SharedGroup::SharedGroup(Trial trial, std::uint32_t evaluations)
    : trial_(std::move(trial)), losses_(evaluations), end_((evaluations + 1) / 2) {}

void SharedGroup::Open(std::vector<std::uint32_t> examples, std::vector<float> weights) {
  const std::lock_guard lock(mutex_);
  examples_ = std::move(examples);
  weights_ = std::move(weights);
  open_ = true;
}

EvaluationPair SharedGroup::Pair(std::uint32_t index) const {
  return {2 * index, std::min(2 * index + 2, static_cast<std::uint32_t>(losses_.size()))};
}

std::optional<EvaluationPair> SharedGroup::TakeFirst() {
  const std::lock_guard lock(mutex_);
  if (abandoned_ || first_ == end_) return std::nullopt;
  return Pair(first_++);
}

std::optional<EvaluationPair> SharedGroup::TakeLast() {
  const std::lock_guard lock(mutex_);
  if (abandoned_ || first_ == end_) return std::nullopt;
  return Pair(--end_);
}

void SharedGroup::Abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
}

Result<std::optional<std::vector<float>>> SharedGroup::Close() {
  std::unique_lock lock(mutex_);
  open_ = false;
  left_.wait(lock, [this] { return helpers_ == 0; });
  if (error_) return *error_;
  if (abandoned_) return std::optional<std::vector<float>>();
  return std::optional(std::move(losses_));
}

bool SharedGroup::Join() {
  const std::lock_guard lock(mutex_);
  if (!open_ || abandoned_ || end_ - first_ < kWorthJoining) return false;
  ++helpers_;
  return true;
}

void SharedGroup::Leave(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (!status.ok()) {
    if (!error_) error_ = status.error();
    abandoned_ = true;
  }
  if (--helpers_ == 0) left_.notify_one();
}

}  // namespace ndcao
