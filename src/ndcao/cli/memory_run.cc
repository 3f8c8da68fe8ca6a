#include "ndcao/cli/memory_run.h"

#include <limits>

#include "ndcao/base/hash.h"

namespace ndcao {

Result<std::unique_ptr<MemoryRun>> MemoryRun::Create(const RunSetup& setup,
                                                     const std::string& products) {
  std::unique_ptr<MemoryRun> run(new MemoryRun(products));
  run->spec_ = setup.spec;
  run->initial_ = setup.initial;
  run->layout_ = setup.problem->layout();
  NDCAO_TRY(run->journal_.Append(
      SpecRecord{FormatRunSpec(setup.spec), setup.initial.size(), DigestHex(setup.initial)}));
  return run;
}

Result<Offset> MemoryRun::End() {
  constexpr auto kAll = std::numeric_limits<std::size_t>::max();
  NDCAO_ASSIGN(const auto entries, journal_.Read(0, kAll, std::chrono::milliseconds(0)));
  return entries.size();
}

}  // namespace ndcao
