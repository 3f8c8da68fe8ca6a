#include "ndcao/partitioned/stage_loop.h"

#include <cmath>

#include "ndcao/base/log.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadAtOnce = 256;
// How long the channel is listened to when there is nothing to do.
constexpr milliseconds kIdle{1};
// Messages taken before the journal is looked at again.
constexpr int kAtOnce = 64;

}  // namespace

Result<StageResult> StageLoop::Run() {
  start_ = Clock::now();
  NDCAO_TRY(CatchUp(milliseconds(0)));
  if (!ended_) NDCAO_TRY(Join());
  StageResult result;
  while (!ended_) {
    if (StopRequested()) {
      result.cancelled = true;
      break;
    }
    NDCAO_TRY(Step());
  }
  result.score = score_;
  result.ending = ending_;
  result.seconds = Seconds();
  result.traffic = sender_.traffic();
  result.repeats = repeats();
  return result;
}

// One's number is the count of joins before one's own.
Status StageLoop::Join() {
  NDCAO_ASSIGN(const Offset joined, journal_.Append(JoinRecord{setting_.name}));
  while (next_offset() <= joined) {
    NDCAO_ASSIGN(const auto entries, journal_.Read(next_offset(), 1, milliseconds(100)));
    if (!entries.empty() && next_offset() == joined) worker_ = joins();
    for (const Entry& entry : entries) NDCAO_TRY(FoldEntry(entry));
  }
  NDCAO_TRY(Joined());
  if (setting_.on_join) setting_.on_join(worker_);
  return Ok();
}

Status StageLoop::Step() {
  if (setting_.tick) NDCAO_TRY(setting_.tick());
  NDCAO_TRY(CatchUp(milliseconds(0)));
  if (ended_) return Ok();
  NDCAO_ASSIGN(const bool busy, Work());
  milliseconds wait = busy || ended_ ? milliseconds(0) : kIdle;
  for (int i = 0; i < kAtOnce && !ended_; ++i) {
    NDCAO_ASSIGN(auto bytes, channel_.Receive(wait));
    if (!bytes) break;
    const Result<StageMessage> message = DecodeStageMessage(*bytes);
    if (message.ok()) {
      NDCAO_TRY(Handle(message.value(), std::move(*bytes)));
    } else {
      spdlog::warn("a message is dropped: {}", message.error().message());
    }
    wait = milliseconds(0);
  }
  return Ok();
}

Status StageLoop::CatchUp(milliseconds wait) {
  while (!ended_) {
    NDCAO_ASSIGN(const auto entries, journal_.Read(next_offset(), kReadAtOnce, wait));
    for (const Entry& entry : entries) NDCAO_TRY(FoldEntry(entry));
    if (entries.size() < kReadAtOnce) break;
  }
  return Ok();
}

void StageLoop::CheckEnd(const Entry& entry) {
  const auto* mark = std::get_if<MarkRecord>(&entry.record);
  if (ended_ || mark == nullptr || mark->note != setting_.end_note) return;
  ended_ = true;
  ending_ = *mark;
}

Status StageLoop::EndRun(const Score& score, std::uint64_t image_forwards) {
  score_ = score;
  MarkRecord mark;
  mark.worker = worker_;
  mark.at = next_offset();
  mark.image_forwards = image_forwards;
  mark.seconds = Seconds();
  mark.train_loss = NAN;
  mark.test_loss = static_cast<float>(score.loss);
  mark.test_accuracy = static_cast<float>(score.accuracy);
  mark.note = setting_.end_note;
  NDCAO_TRY(journal_.Append(mark));
  return CatchUp(milliseconds(1000));
}

double StageLoop::Seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace ndcao
