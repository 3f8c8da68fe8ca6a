// A verb of the command line: how it declares its flags, and what it does.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "ndcao/base/result.h"

namespace ndcao {

/// Exit codes of the program (docs: README).
enum ExitCode { kExitDone = 0, kExitFailed = 1, kExitUsage = 2, kExitInterrupted = 130 };

/// What the chosen verb will do once the command line has been read; returns an exit code.
using Action = std::function<int()>;

/// The verb, if chosen, does `work`; an error is printed and becomes its exit code.
void SetAction(CLI::App& verb, Action& action, std::function<Result<int>()> work);

void AddTrain(CLI::App& app, Action& action);
void AddResume(CLI::App& app, Action& action);
void AddWorker(CLI::App& app, Action& action);
void AddSplit(CLI::App& app, Action& action);
void AddStage(CLI::App& app, Action& action);
void AddRuns(CLI::App& app, Action& action);
void AddInspection(CLI::App& app, Action& action);  ///< replay, verify, inspect, export
void AddEval(CLI::App& app, Action& action);
void AddBench(CLI::App& app, Action& action);
void AddSimulate(CLI::App& app, Action& action);
void AddReport(CLI::App& app, Action& action);
void AddCases(CLI::App& app, Action& action);

}  // namespace ndcao
