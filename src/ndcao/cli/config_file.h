// --config FILE.toml: the same keys as the flags, without the dashes; flags win.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Replaces `--config FILE` behind a verb by the flags that the file stands for, in front of the
/// other flags, so that those win. Tables `[[block]]` stay in the file: the option itself is kept
/// as `--block-config FILE` when there are any. A key that is no flag of the verb is an error; a
/// budget of the file gives way to epochs of the command line, and the other way round.
Status ExpandConfig(const CLI::App& app, std::vector<std::string>& arguments);

}  // namespace ndcao
