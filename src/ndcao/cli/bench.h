// The measurements of `ndcao bench`, one file each.
#pragma once

#include "ndcao/cli/command.h"

namespace ndcao {

void AddBenchJournal(CLI::App& bench, Action& action);
void AddBenchMemory(CLI::App& bench, Action& action);

}  // namespace ndcao
