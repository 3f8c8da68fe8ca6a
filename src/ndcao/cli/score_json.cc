#include "ndcao/cli/score_json.h"

namespace ndcao {

nlohmann::ordered_json ScoreJson(const Score& test, double train_loss) {
  nlohmann::ordered_json json;
  json["test_accuracy"] = JsonNumber(test.accuracy);
  json["test_loss"] = JsonNumber(test.loss);
  json["train_loss"] = JsonNumber(train_loss);
  return json;
}

}  // namespace ndcao
