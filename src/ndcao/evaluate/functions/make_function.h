// Test functions by name: "sphere:50" is the sphere in 50 dimensions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/functions/test_function.h"

namespace ndcao {

/// The names, for help texts. A size follows each: dimensions, or robots of hold-the-line.
std::vector<std::string> FunctionNames();

/// Errors name what is wrong with `text`, and what exists.
Result<std::shared_ptr<const TestFunction>> MakeTestFunction(const std::string& text);
Result<std::unique_ptr<Problem>> MakeFunction(const std::string& text);

}  // namespace ndcao
