// The conventions of the `nats` program: contexts and environment variables.
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/journal/nats/nats_options.h"

namespace ndcao {

/// Fills in what the flags left empty: from the context (a JSON file in
/// $XDG_CONFIG_HOME/nats/context, or ~/.config), then from NATS_USER, NATS_PASSWORD, NATS_CREDS,
/// NATS_NKEY, NATS_CERT, NATS_KEY and NATS_CA. kInvalid if the context does not exist.
Status FillFromContext(const std::string& context, NatsOptions& options);

}  // namespace ndcao
