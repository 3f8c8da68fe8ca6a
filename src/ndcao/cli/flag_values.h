// What CLI11 lets pass and no verb can use: numbers that are none, or wrap around; verbs that do
// not exist; run flags that contradict each other.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"

namespace ndcao {

/// The first argument is a verb of `app`, or a flag, or missing; so is what follows a verb that has
/// verbs of its own.
Status CheckVerb(const CLI::App& app, std::span<const std::string> arguments);

/// Has every verb refuse numbers that are none, unsigned ones that are negative or do not fit, and
/// others that are not finite.
void AddNumberChecks(CLI::App& app);

/// An error if `flag` is `given` but does not fit: it belongs `to` something that this run is not.
Status Belongs(bool given, const std::string& flag, bool fits, const std::string& to);

/// No two flags say the same thing, and none belongs to a mode, probe or optimizer that the run
/// does not have.
Status CheckFlagsAgree(const RunOptions& options);

}  // namespace ndcao
