// What every summary in JSON begins with.
#pragma once

#include <nlohmann/json.hpp>

#include "ndcao/evaluate/evaluator.h"
#include "ndcao/report/json_number.h"

namespace ndcao {

/// test_accuracy, test_loss and train_loss.
nlohmann::ordered_json ScoreJson(const Score& test, double train_loss);

}  // namespace ndcao
