// What only the fold of a run knows, over time: the optimizers' statistics (step sizes, curvature)
// and how far each block has moved.
//
//   FoldHistory history;
//   history.Add(replica);     // after every entry that was folded; keeps about 256 samples a run
//
// A sample costs one look at a few thousand parameters. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

class FoldHistory {
 public:
  /// A cohort of blocks whose statistics are kept; the first 8.
  struct CohortInfo {
    std::string optimizer;
    std::uint64_t blocks = 0;
  };
  /// A block whose moves are kept: all blocks, or 48 that are spread evenly over them.
  struct BlockInfo {
    BlockId id = 0;
    std::string name;
    std::uint64_t parameters = 0;
  };
  struct Sample {
    Offset offset = 0;  ///< The fold's next offset.
    std::uint64_t groups = 0;
    std::uint64_t image_forwards = 0;
    std::vector<std::vector<Statistic>> cohorts;
    /// Of each block: root mean square of its parameters' moves since the sample before, from at
    /// most 64 of its parameters.
    std::vector<float> moved;
  };

  FoldHistory() = default;
  /// A history that was kept (metrics.h); nothing can be added to it.
  FoldHistory(std::uint64_t blocks_in_run, std::vector<CohortInfo> cohorts,
              std::vector<BlockInfo> blocks, std::vector<Sample> samples)
      : blocks_in_run_(blocks_in_run),
        cohorts_(std::move(cohorts)),
        blocks_(std::move(blocks)),
        samples_(std::move(samples)) {}

  void Add(const Replica& replica);

  bool empty() const { return samples_.empty(); }
  /// Where the history begins: 0 unless the fold began from a snapshot.
  Offset begin() const { return begin_; }
  std::uint64_t blocks_in_run() const { return blocks_in_run_; }
  const std::vector<CohortInfo>& cohorts() const { return cohorts_; }
  const std::vector<BlockInfo>& blocks() const { return blocks_; }
  const std::vector<Sample>& samples() const { return samples_; }

 private:
  void Begin(const Replica& replica);
  std::vector<float> Moves(const Replica& replica);

  bool begun_ = false;
  Offset begin_ = 0;
  std::uint64_t next_groups_ = 0;
  std::uint64_t blocks_in_run_ = 0;
  std::vector<CohortInfo> cohorts_;
  std::vector<BlockInfo> blocks_;
  std::vector<std::vector<std::uint64_t>> watched_;  // parameters of each block
  std::vector<std::vector<float>> values_;           // theirs at the last sample
  std::vector<Sample> samples_;
};

}  // namespace ndcao
