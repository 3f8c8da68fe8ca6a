// The objective as a program: small ones, in Python and sh.
#include "ndcao/evaluate/process/process_problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace ndcao {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ProcessProblemTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("ndcao-process-" + std::to_string(getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }
  std::unique_ptr<Evaluator> Start(const std::string& command, std::uint64_t count = 3,
                                   double timeout = 20) {
    problem_ = MakeProcessProblem(command, count, timeout).value();
    return problem_->NewEvaluator().value();
  }
  std::string MessageOf(const std::string& command, double timeout = 20) {
    const auto loss = Start(command, 3, timeout)->Loss(TrialId{1}, {});
    if (loss.ok()) return "no error";
    EXPECT_EQ(loss.error().code(), ErrorCode::kFailed);
    EXPECT_THAT(loss.error().message(), Not(HasSubstr("\n")));
    return loss.error().message();
  }

  std::filesystem::path folder_;
  std::unique_ptr<Problem> problem_;
};

// Answers trial + Σ θ.
constexpr char kSum[] = R"(
import json, mmap, os, struct, sys
count = int(os.environ["NDCAO_COUNT"])
with open(os.environ["NDCAO_PARAMS"], "rb") as file:
    memory = mmap.mmap(file.fileno(), 4 * count, access=mmap.ACCESS_READ)
for line in sys.stdin:
    request = json.loads(line)
    values = struct.unpack(f"<{count}f", memory[:])
    print(json.dumps({"loss": request["trial"] + request["batch"] + sum(values)}), flush=True)
)";

TEST_F(ProcessProblemTest, MeasuresTheParametersThatWereWritten) {
  const auto evaluator = Start("python3 " + Write("sum.py", kSum));
  for (int i = 0; i < 3; ++i) {
    evaluator->parameters()[0] = static_cast<float>(i);
    evaluator->parameters()[2] = 0.5f;
    EXPECT_EQ(evaluator->Loss(TrialId{100}, {}).value(), 100.5 + i);
  }
  const Score score = evaluator->Test().value();
  EXPECT_EQ(score.loss, 2.5);
  EXPECT_TRUE(std::isnan(score.accuracy));
}

TEST_F(ProcessProblemTest, EveryEvaluatorHasAProgramAndParametersOfItsOwn) {
  const auto first = Start("python3 " + Write("sum.py", kSum));
  const auto second = problem_->NewEvaluator().value();
  first->parameters()[0] = 1;
  second->parameters()[0] = 2;
  EXPECT_EQ(first->Loss(TrialId{}, {}).value(), 1);
  EXPECT_EQ(second->Loss(TrialId{}, {}).value(), 2);
}

TEST_F(ProcessProblemTest, ALaterEvaluatorGetsTheProgramOfAnEarlierOne) {
  auto first = Start("echo $$ >> " + Path("pids") + "; exec python3 " + Write("sum.py", kSum));
  first->parameters()[0] = 1;
  EXPECT_EQ(first->Loss(TrialId{}, {}).value(), 1);
  first.reset();
  const auto second = problem_->NewEvaluator().value();
  second->parameters()[0] = 2;
  EXPECT_EQ(second->Loss(TrialId{}, {}).value(), 2);
  std::ifstream pids(Path("pids"));
  EXPECT_EQ(std::distance(std::istream_iterator<pid_t>(pids), {}), 1);
}

TEST_F(ProcessProblemTest, IsAFlatVectorOfZerosWithoutExamples) {
  const auto problem = MakeProcessProblem("true", 7, 1).value();
  EXPECT_EQ(problem->layout().size(), 7u);
  EXPECT_EQ(problem->Initial(5).value(), ParameterVector(7, 0.0f));
  EXPECT_EQ(problem->examples(), 0u);
  EXPECT_FALSE(problem->per_example());
}

TEST_F(ProcessProblemTest, LossesThatAreNotFiniteAreAnswers) {
  for (const char* loss : {"null", "NaN", "Infinity"}) {
    const auto answer =
        Start("read line; echo '{\"loss\": " + std::string(loss) + "}'")->Loss(TrialId{}, {});
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_FALSE(std::isfinite(answer.value()));
  }
}

TEST_F(ProcessProblemTest, NamesTheExitCode) {
  EXPECT_THAT(MessageOf("read line; exit 3"), HasSubstr("exit code 3"));
  EXPECT_THAT(MessageOf("exit 0"), HasSubstr("exit code 0"));
  EXPECT_THAT(MessageOf("/no/such/program"), AllOf(HasSubstr("exit code 127"), HasSubstr("there")));
}

TEST_F(ProcessProblemTest, NamesTheSignal) {
  EXPECT_THAT(MessageOf("read line; kill -SEGV $$"), HasSubstr("signal 11"));
}

TEST_F(ProcessProblemTest, QuotesNonsense) {
  EXPECT_THAT(MessageOf("read line; echo loss is 3"), HasSubstr("\"loss is 3\""));
  EXPECT_THAT(MessageOf("read line; echo '{\"loss\": \"3\"}'"), HasSubstr("NUMBER"));
  EXPECT_THAT(MessageOf("read line; echo '[1]'; cat"), HasSubstr("[1]"));
  EXPECT_THAT(MessageOf("read line; printf '\\377\\n'; cat"), HasSubstr("answered"));
  const std::string message = MessageOf("read line; head -c 5000 /dev/zero | tr '\\0' x; echo");
  EXPECT_LT(message.size(), 400u);
}

TEST_F(ProcessProblemTest, PassesOnTheProgramsOwnError) {
  EXPECT_THAT(MessageOf("read line; echo '{\"error\": \"out of memory\"}'; cat"),
              HasSubstr("out of memory"));
}

TEST_F(ProcessProblemTest, KillsAProgramThatHangs) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(MessageOf("echo $$ > " + Path("pid") + "; sleep 100", 0.3),
              AllOf(HasSubstr("0.3 s"), HasSubstr("--exec-timeout")));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  pid_t pid = 0;
  std::ifstream(Path("pid")) >> pid;
  ASSERT_GT(pid, 0);
  EXPECT_NE(kill(pid, 0), 0);
}

TEST_F(ProcessProblemTest, AProgramKilledInTheMiddleIsAnErrorEverAfter) {
  const auto evaluator =
      Start("echo $$ > " + Path("pid") + "; exec python3 " + Write("sum.py", kSum));
  ASSERT_TRUE(evaluator->Loss(TrialId{}, {}).ok());
  pid_t pid = 0;
  std::ifstream(Path("pid")) >> pid;
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  for (int i = 0; i < 2; ++i) {
    const auto loss = evaluator->Loss(TrialId{}, {});
    ASSERT_FALSE(loss.ok());
    EXPECT_THAT(loss.error().message(), HasSubstr("signal 9"));
  }
}

TEST_F(ProcessProblemTest, EndsTheProgramByClosingItsInput) {
  std::string file;
  {
    const auto evaluator =
        Start("echo $NDCAO_PARAMS > " + Path("file") +
              "; read line; echo '{\"loss\": 1}'; cat > /dev/null; echo done > " + Path("end"));
    ASSERT_TRUE(evaluator->Loss(TrialId{}, {}).ok());
    std::ifstream(Path("file")) >> file;
    EXPECT_TRUE(std::filesystem::exists(file));
  }
  problem_.reset();
  EXPECT_TRUE(std::filesystem::exists(Path("end")));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(ProcessProblemTest, RefusesOptionsThatMakeNoSense) {
  EXPECT_THAT(MakeProcessProblem("", 3, 1).error().message(), HasSubstr("exec:PROGRAM"));
  EXPECT_THAT(MakeProcessProblem("true", 0, 1).error().message(), HasSubstr("--init-zeros"));
  EXPECT_THAT(MakeProcessProblem("true", 3, 0).error().message(), HasSubstr("--exec-timeout 0"));
}

}  // namespace
}  // namespace ndcao
