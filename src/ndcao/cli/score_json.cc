#include "ndcao/cli/score_json.h"

#include <cmath>

namespace ndcao {

nlohmann::json JsonNumber(double x) {
  return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json(nullptr);
}

nlohmann::ordered_json ScoreJson(const Score& test, double train_loss) {
  nlohmann::ordered_json json;
  json["test_accuracy"] = JsonNumber(test.accuracy);
  json["test_loss"] = JsonNumber(test.loss);
  json["train_loss"] = JsonNumber(train_loss);
  return json;
}

}  // namespace ndcao
