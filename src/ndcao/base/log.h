// Messages for the user, on standard error (spdlog). Standard output is for results only.
#pragma once

#include <spdlog/spdlog.h>

namespace ndcao {

/// Sends spdlog's default logger to standard error, as "ndcao: message". Call once, from main.
void InitLogging(bool quiet);

}  // namespace ndcao
