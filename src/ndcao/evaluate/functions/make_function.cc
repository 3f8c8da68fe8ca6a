#include "ndcao/evaluate/functions/make_function.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "ndcao/evaluate/functions/classic.h"
#include "ndcao/evaluate/functions/function_problem.h"
#include "ndcao/evaluate/functions/hold_the_line.h"
#include "ndcao/evaluate/functions/quadratic.h"

namespace ndcao {
namespace {

using FunctionPtr = std::shared_ptr<const TestFunction>;

constexpr std::uint32_t kGreatestSize = 100'000'000;
constexpr double kCondition = 1000;
constexpr double kNoise = 0.03;

template <ClassicFunction::Function function, int radius_tenths>
FunctionPtr Classic(std::uint32_t size) {
  return std::make_shared<ClassicFunction>(function, size, radius_tenths / 10.0);
}

struct Entry {
  const char* name;
  std::uint32_t least_size;
  FunctionPtr (*make)(std::uint32_t size);
};

constexpr Entry kFunctions[] = {
    {"sphere", 1, Classic<Sphere, 50>},
    {"rosenbrock", 2, Classic<Rosenbrock, 20>},
    {"rastrigin", 1, Classic<Rastrigin, 51>},
    {"ackley", 1, Classic<Ackley, 50>},
    {"noisy-quadratic", 1,
     [](std::uint32_t size) -> FunctionPtr {
       return std::make_shared<Quadratic>(Quadratic::LogSpaced(size, 10), kNoise);
     }},
    {"ill-conditioned", 1,
     [](std::uint32_t size) -> FunctionPtr {
       return std::make_shared<Quadratic>(Quadratic::LogSpaced(size, kCondition));
     }},
    {"hold-the-line", 2,
     [](std::uint32_t size) -> FunctionPtr { return std::make_shared<HoldTheLine>(size); }},
};

}  // namespace

std::vector<std::string> FunctionNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kFunctions) names.push_back(entry.name);
  return names;
}

Result<FunctionPtr> MakeTestFunction(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  for (const Entry& entry : kFunctions) {
    if (name != entry.name) continue;
    const std::string digits = colon == std::string::npos ? "" : text.substr(colon + 1);
    std::uint32_t size = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() ||
        size < entry.least_size || size > kGreatestSize) {
      return Invalid(
          fmt::format("test function '{}': a size from {} to {} is wanted, as in '{}:20'", text,
                      entry.least_size, kGreatestSize, name));
    }
    return entry.make(size);
  }
  return Invalid(fmt::format("test function '{}' is unknown; there are: {}", text,
                             fmt::join(FunctionNames(), ", ")));
}

Result<std::unique_ptr<Problem>> MakeFunction(const std::string& text) {
  NDCAO_ASSIGN(auto function, MakeTestFunction(text));
  return std::unique_ptr<Problem>(std::make_unique<FunctionProblem>(std::move(function)));
}

}  // namespace ndcao
