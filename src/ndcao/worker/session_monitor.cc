// What a session's main thread does while the workers work: progress, marks, time.
#include <algorithm>
#include <cmath>

#include "ndcao/worker/session.h"

namespace ndcao {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(10);
constexpr int kPollsPerReport = 10;
// Marks: at most this many in a run, and costing at most 2 % of its forward passes.
constexpr std::uint64_t kMarks = 20;
constexpr std::uint64_t kMarkCost = 50;
// The budget that follows from the time is corrected when it is off by more than this share.
constexpr double kBudgetTolerance = 0.02;

}  // namespace

Status Session::Monitor() {
  PhaseClock clock;  // of this thread: not shown
  for (int polls = 0; !stopping_; ++polls) {
    {
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, kPoll, [this] { return stopping_.load(); });
      NDCAO_TRY(CatchUp(clock));
      if (replica_.done()) break;
    }
    if (options_.stop_requested && options_.stop_requested()) {
      cancelled_ = true;
      break;
    }
    if (options_.max_seconds > 0 && Seconds() >= options_.max_seconds) break;
    if (options_.budget_from_time) NDCAO_TRY(FollowTime());
    if (options_.marks) NDCAO_TRY(MeasureTest());
    if (polls % kPollsPerReport == 0) ReportProgress();
  }
  ReportProgress();
  return Ok();
}

// Measures the test part at a version of θ while the workers go on.
Status Session::MeasureTest() {
  std::shared_ptr<const ParameterVector> theta;
  Offset at = 0;
  std::uint64_t used = 0;
  {
    const std::lock_guard lock(mutex_);
    used = replica_.counters().image_forwards;
    if (used < next_mark_) return Ok();
    theta = replica_.parameters();
    at = replica_.next_offset();
  }
  const std::uint64_t interval = std::max<std::uint64_t>(
      {1, replica_.spec().budget / kMarks, kMarkCost * problem_.test_examples()});
  const bool first = next_mark_ == 0;
  next_mark_ = used + interval;
  if (first) return Ok();
  std::copy(theta->begin(), theta->end(), test_evaluator_->parameters().begin());
  NDCAO_ASSIGN(const Score score, test_evaluator_->Test());
  test_score_ = score;
  return AppendMark(at, used, score);
}

Status Session::AppendMark(Offset at, std::uint64_t image_forwards, const Score& score) {
  MarkRecord mark;
  mark.worker = workers_.front().id;
  mark.at = at;
  mark.image_forwards = image_forwards;
  mark.seconds = Seconds();
  {
    const std::lock_guard lock(mutex_);
    mark.train_loss = static_cast<float>(TrainLoss());
  }
  mark.test_loss = static_cast<float>(score.loss);
  mark.test_accuracy = static_cast<float>(score.accuracy);
  NDCAO_TRY(journal_.Append(mark));
  return Ok();
}

// Only a time is given: the budget is what the speed so far allows in it, corrected as the speed
// becomes known. Each correction is a record, so that a replay follows the same schedule.
Status Session::FollowTime() {
  std::uint64_t used = 0;
  std::uint64_t budget = 0;
  {
    const std::lock_guard lock(mutex_);
    used = replica_.counters().image_forwards;
    budget = replica_.budget();
  }
  const double seconds = Seconds();
  if (seconds < 0.02 * options_.max_seconds || used <= initial_forwards_) return Ok();
  const double rate = static_cast<double>(used - initial_forwards_) / seconds;
  const double expected = static_cast<double>(used) + rate * (options_.max_seconds - seconds);
  if (std::abs(expected / static_cast<double>(budget) - 1) < kBudgetTolerance) return Ok();
  NDCAO_TRY(journal_.Append(BudgetRecord{static_cast<std::uint64_t>(expected)}));
  return Ok();
}

double Session::TrainLoss() const {
  return train_loss_weight_ > 0 ? train_loss_ / train_loss_weight_ : NAN;
}

void Session::ReportProgress() {
  if (!options_.on_progress) return;
  SessionProgress progress;
  {
    const std::lock_guard lock(mutex_);
    const ReplicaCounters& counters = replica_.counters();
    progress.fraction = static_cast<double>(counters.groups) / replica_.horizon();
    progress.image_forwards = counters.image_forwards;
    progress.wasted = counters.image_forwards_wasted;
    progress.stale = counters.stale;
    if (replica_.audits() != nullptr) progress.excluded = replica_.audits()->excluded();
    progress.train_loss = TrainLoss();
  }
  progress.seconds = Seconds();
  progress.test = test_score_;
  progress.images_per_second = static_cast<double>(progress.image_forwards - initial_forwards_) /
                               std::max(progress.seconds, 1e-9);
  options_.on_progress(progress);
}

}  // namespace ndcao
