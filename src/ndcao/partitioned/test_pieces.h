// The test set of a partitioned run, measured once the budget is used up: the first stage sends it
// in pieces, the last puts them together.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/partitioned/stage_sender.h"

namespace ndcao {

/// Of the first stage.
class TestSource {
 public:
  /// `data` outlives it. `fit`: rows that fit in a message.
  TestSource(const Dataset& data, std::size_t fit);

  /// All over again.
  void Restart() { next_ = 0; }
  bool begun() const { return next_ > 0; }

  /// The next piece: the last stage has been told its labels; the rows of `examples` are to follow
  /// under the header. Nothing if all have been sent.
  struct Piece {
    StageMessage header;
    std::vector<std::uint32_t> examples;
  };
  Result<std::optional<Piece>> Next(StageSender& sender, std::uint32_t attempt);

 private:
  const Dataset* data_;
  std::size_t rows_;
  std::uint16_t next_ = 0;
};

/// Of the last stage.
class TestSink {
 public:
  /// `objective` outlives it.
  TestSink(const Objective& objective, std::uint64_t classes)
      : objective_(objective), classes_(classes) {}

  /// kTestBegin.
  Status Begin(const StageMessage& message);
  /// The network's outputs for a kTest; the score, once all pieces are there.
  std::optional<Score> Take(const StageMessage& message, std::span<const float> outputs);

 private:
  struct Part {
    std::vector<std::int32_t> labels;
    std::vector<float> outputs;
  };

  const Objective& objective_;
  const std::uint64_t classes_;
  std::map<std::uint16_t, Part> parts_;
  std::size_t pieces_ = 0;
  std::uint32_t attempt_ = 0;
};

}  // namespace ndcao
