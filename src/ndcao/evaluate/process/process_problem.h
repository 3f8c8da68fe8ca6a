// Any program as the objective (--objective exec:PROGRAM).
//
// As many programs run as there are evaluators at one time: one for each worker. What an evaluator
// leaves behind is the next one's. The parameters are float32, little-endian, in the file
// that the environment variable NDCAO_PARAMS names, NDCAO_COUNT of them; the program may map it.
// For each line on its standard input it answers one line on its standard output:
//
//   {"trial": 65536, "batch": 0}   →   {"loss": 0.25}   or   {"error": "out of memory"}
//
// A loss may be any JSON number, or null for one that is not finite. "examples" beside it is
// allowed and makes no difference: the budget counts evaluations. Whatever the program writes to
// standard error goes to ours. It should end when its standard input does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"

namespace ndcao {

struct ProcessOptions {
  std::string command;           ///< As a shell (/bin/sh) takes it.
  std::uint64_t parameters = 0;  ///< At least 1.
  double timeout_seconds = 60;   ///< For one answer, and for ending.

  /// The error names the field, its value and what is allowed.
  Status Validate() const;
};

/// Initial parameters are zeros. A program that ends, is killed, does not answer in time or answers
/// nonsense is an error (kFailed) of the measurement that was asked for.
Result<std::unique_ptr<Problem>> MakeProcessProblem(const ProcessOptions& options);
Result<std::unique_ptr<Problem>> MakeProcessProblem(const std::string& command,
                                                    std::uint64_t parameters,
                                                    double timeout_seconds);

}  // namespace ndcao
