#include "ndcao/evaluate/process/process_problem.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "ndcao/evaluate/process/child_process.h"
#include "ndcao/evaluate/process/shared_file.h"

namespace ndcao {
namespace {

constexpr std::size_t kQuoted = 120;  // bytes of a bad answer that the error repeats

std::string Quote(const std::string& line) {
  const std::string start = line.substr(0, kQuoted) + (line.size() > kQuoted ? "…" : "");
  return nlohmann::json(start).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<double> ParseAnswer(const std::string& command, const std::string& line) {
  const auto answer = nlohmann::json::parse(line, nullptr, false);
  if (answer.is_object()) {
    if (const auto error = answer.find("error"); error != answer.end()) {
      return Failed(fmt::format("exec:{}: it reports an error: {}", command,
                                error->is_string() ? error->get<std::string>() : error->dump()));
    }
    if (const auto loss = answer.find("loss"); loss != answer.end()) {
      if (loss->is_number()) return loss->get<double>();
      if (loss->is_null()) return std::numeric_limits<double>::quiet_NaN();
    }
  }
  // Python's json writes these words, which JSON does not have.
  for (const char* word : {R"({"loss": NaN})", R"({"loss": Infinity})", R"({"loss": -Infinity})"}) {
    if (line == word) return std::numeric_limits<double>::quiet_NaN();
  }
  return Failed(fmt::format("exec:{}: it answered {}, but {{\"loss\": NUMBER}} is expected",
                            command, Quote(line)));
}

/// A program that runs. The file outlives the process.
struct Running {
  std::unique_ptr<SharedFile> file;
  std::unique_ptr<ChildProcess> process;
};

/// Programs whose evaluators are gone wait here for the next ones.
class IdlePrograms {
 public:
  void Put(Running program) {
    const std::lock_guard lock(mutex_);
    programs_.push_back(std::move(program));
  }
  std::optional<Running> Take() {
    const std::lock_guard lock(mutex_);
    if (programs_.empty()) return std::nullopt;
    Running program = std::move(programs_.back());
    programs_.pop_back();
    return program;
  }

 private:
  std::mutex mutex_;
  std::vector<Running> programs_;
};

class ProcessEvaluator : public Evaluator {
 public:
  ProcessEvaluator(const ProcessOptions& options, Running program,
                   std::shared_ptr<IdlePrograms> idle)
      : options_(options), program_(std::move(program)), idle_(std::move(idle)) {}
  ~ProcessEvaluator() override {
    if (answers_) idle_->Put(std::move(program_));
  }
  ProcessEvaluator(const ProcessEvaluator&) = delete;
  ProcessEvaluator& operator=(const ProcessEvaluator&) = delete;

  std::span<float> parameters() override { return program_.file->values(); }
  Status Select(std::span<const std::uint32_t> examples) override {
    if (examples.empty()) return Ok();
    return Invalid("a program as the objective has no examples to select");
  }
  Status PerExample(std::span<float>, std::span<float>) override {
    return Invalid("a program as the objective has no losses of examples");
  }
  Result<double> Loss(TrialId trial, std::span<const float>) override {
    const std::string request = fmt::format("{{\"trial\": {}, \"batch\": 0}}\n", trial.value);
    const Result<std::string> line = program_.process->Ask(request);
    answers_ = line.ok();
    if (!line.ok()) return line.error();
    return ParseAnswer(options_.command, line.value());
  }
  Result<Score> Test() override {
    NDCAO_ASSIGN(const double loss, Loss(TrialId{}, {}));
    return Score{loss, std::numeric_limits<double>::quiet_NaN()};
  }

 private:
  ProcessOptions options_;
  Running program_;
  std::shared_ptr<IdlePrograms> idle_;
  bool answers_ = true;
};

class ProcessProblem : public Problem {
 public:
  explicit ProcessProblem(ProcessOptions options)
      : options_(std::move(options)), layout_(Layout::Flat(options_.parameters)) {}

  const Layout& layout() const override { return layout_; }
  Result<ParameterVector> Initial(std::uint64_t) const override {
    return ParameterVector(options_.parameters, 0.0f);
  }
  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override {
    std::optional<Running> program = idle_->Take();
    if (!program) {
      NDCAO_ASSIGN(program, Start());
    }
    return std::unique_ptr<Evaluator>(
        std::make_unique<ProcessEvaluator>(options_, std::move(*program), idle_));
  }
  bool has_test() const override { return false; }

 private:
  Result<Running> Start() const {
    Running program;
    NDCAO_ASSIGN(program.file, SharedFile::Create(options_.parameters));
    const std::vector<std::string> environment = {
        "NDCAO_PARAMS=" + program.file->path(), fmt::format("NDCAO_COUNT={}", options_.parameters)};
    NDCAO_ASSIGN(program.process,
                 ChildProcess::Start(options_.command, environment, options_.timeout_seconds));
    return program;
  }

  ProcessOptions options_;
  Layout layout_;
  std::shared_ptr<IdlePrograms> idle_ = std::make_shared<IdlePrograms>();
};

}  // namespace

Status ProcessOptions::Validate() const {
  if (command.find_first_not_of(" \t") == std::string::npos) {
    return Invalid("--objective exec: the program is missing: exec:PROGRAM");
  }
  if (parameters == 0) {
    return Invalid(
        "--objective exec: how many parameters it has is missing: --init-zeros N or --init FILE");
  }
  if (!(timeout_seconds > 0) || timeout_seconds > 1e6) {
    return Invalid(fmt::format("--exec-timeout {}: allowed: above 0, at most 1000000 seconds",
                               timeout_seconds));
  }
  return Ok();
}

Result<std::unique_ptr<Problem>> MakeProcessProblem(const ProcessOptions& options) {
  NDCAO_TRY(options.Validate());
  return std::unique_ptr<Problem>(std::make_unique<ProcessProblem>(options));
}

Result<std::unique_ptr<Problem>> MakeProcessProblem(const std::string& command,
                                                    std::uint64_t parameters,
                                                    double timeout_seconds) {
  return MakeProcessProblem(ProcessOptions{command, parameters, timeout_seconds});
}

}  // namespace ndcao
