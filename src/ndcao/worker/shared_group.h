// The evaluations of one group, for the thread that leads it and for threads of the same process
// that have nothing else to do: the leader takes them from the front, helpers from the back. A loss
// is the same whoever measures it, so the group is, too.
//
//   leader                                 helper
//   group.Open(examples, weights);         if (group.Join()) {
//   while (auto pair = group.TakeFirst())    while (auto pair = group.TakeLast())
//     ... group.SetLoss(k, loss);              ... group.SetLoss(k, loss);
//   group.Close();                           group.Leave(status);
//                                          }
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

/// Evaluations 2i and 2i + 1, of which the second may be the first one's mirror; or the last alone.
struct EvaluationPair {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

class SharedGroup {
 public:
  SharedGroup(Trial trial, std::uint32_t evaluations);

  const Trial& trial() const { return *trial_; }

  // For the leader.

  /// From here on others may join. `weights` may be empty (Evaluator::Loss).
  void Open(std::vector<std::uint32_t> examples, std::vector<float> weights);
  /// The first pair that nobody has taken, if there is one.
  std::optional<EvaluationPair> TakeFirst();
  /// Lets nobody join any more and waits until every helper has left. A helper's error, if one had
  /// one; an abandoned group has no losses.
  Result<std::optional<std::vector<float>>> Close();
  /// Lets the trial go, and with it θ. After Close.
  void Release() { trial_.reset(); }

  // For helpers.

  /// Whether there is so much left that a helper gains time. If true, Leave must follow.
  bool Join();
  const std::vector<std::uint32_t>& examples() const { return examples_; }
  const std::vector<float>& weights() const { return weights_; }
  std::optional<EvaluationPair> TakeLast();
  /// An error ends the group for all.
  void Leave(const Status& status);

  // For both.

  /// Nobody takes another pair.
  void Abandon();
  bool abandoned() const { return abandoned_; }
  /// Of an evaluation that the calling thread has taken.
  void SetLoss(std::uint32_t k, float loss) { losses_[k] = loss; }

 private:
  EvaluationPair Pair(std::uint32_t index) const;

  std::optional<Trial> trial_;
  std::vector<std::uint32_t> examples_;
  std::vector<float> weights_;
  std::vector<float> losses_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable left_;
  std::uint32_t first_ = 0;  // pairs not taken yet: [first_, end_)
  std::uint32_t end_ = 0;
  int helpers_ = 0;
  bool open_ = false;
  std::atomic<bool> abandoned_ = false;  // read without the mutex, too
  std::optional<Error> error_;
};

}  // namespace ndcao
