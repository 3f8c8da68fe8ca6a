#include "ndcao/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace ndcao {

void InitLogging(bool quiet) {
  auto logger = spdlog::stderr_color_mt("ndcao");
  logger->set_pattern("%n: %^%v%$");
  logger->set_level(quiet ? spdlog::level::warn : spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace ndcao
