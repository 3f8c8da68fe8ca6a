// Forward passes and nothing else, or weight-gradient products and nothing else: what training is
// measured against.
#pragma once

#include <functional>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"

namespace ndcao {

/// kInvalid for an objective that is not measured on examples, which no forward passes are to be
/// compared with.
Status CheckHasExamples(const RunSetup& setup);

/// The same batch again and again, on each thread for itself.
class BareWork {
 public:
  /// The network in LibTorch as it comes, in float32, each batch in one pass.
  static Result<BareWork> Inference(const RunSetup& setup, int threads);
  /// The products of signals and inputs that a step of activation probing ends with.
  static Result<BareWork> Products(const RunSetup& setup, int threads);

  /// Images per second of all threads together, measured for so long.
  double ImagesPerSecond(double seconds) const;

 private:
  /// One batch; of each thread.
  std::vector<std::function<Status()>> batches_;
  std::uint32_t images_ = 0;  ///< Of a batch.
};

}  // namespace ndcao
