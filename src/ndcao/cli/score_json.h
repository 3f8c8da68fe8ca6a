// What every summary in JSON begins with.
#pragma once

#include <nlohmann/json.hpp>

#include "ndcao/evaluate/evaluator.h"

namespace ndcao {

/// null for NaN and infinity, which have no place in JSON.
nlohmann::json JsonNumber(double x);

/// test_accuracy, test_loss and train_loss.
nlohmann::ordered_json ScoreJson(const Score& test, double train_loss);

}  // namespace ndcao
