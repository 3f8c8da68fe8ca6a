// Minimises a function of one's own: no network, no data set, no files.
#include <cmath>
#include <cstdio>

#include "ndcao/base/hash.h"
#include "ndcao/evaluate/callable.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/replica/replica.h"
#include "ndcao/worker/session.h"

namespace {

// 200 parameters; the least value is 0, where x[i] = sin(i).
double Loss(std::span<const float> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = x[i] - std::sin(static_cast<double>(i));
    sum += error * error;
  }
  return sum / static_cast<double>(x.size());
}

ndcao::Result<double> Train() {
  const ndcao::CallableProblem problem(200, Loss);
  ndcao::RunSpec spec;
  spec.blocks = "size:50";  // four blocks that learn on their own
  spec.objective = "callable";
  spec.batch = spec.screening = 0;
  spec.shape.screening = false;
  spec.budget = 100'000;  // calls of Loss
  NDCAO_ASSIGN(const auto initial, problem.Initial(spec.seed));
  NDCAO_ASSIGN(ndcao::Replica replica, ndcao::Replica::Create(spec, problem.layout(), initial));
  // A run is a journal: its first record says what the run is.
  ndcao::MemoryJournal journal;
  NDCAO_TRY(journal.Append(
      ndcao::SpecRecord{FormatRunSpec(spec), initial.size(), ndcao::DigestHex(initial)}));
  ndcao::Session session(journal, replica, problem, {.threads = 2});
  NDCAO_TRY(session.Run());
  return Loss(*replica.parameters());
}

}  // namespace

int main() {
  const ndcao::Result<double> loss = Train();
  if (!loss.ok()) {
    std::fprintf(stderr, "%s\n", loss.error().message().c_str());
    return 1;
  }
  std::printf("loss %.6f\n", loss.value());
  return loss.value() < 0.01 ? 0 : 1;
}
