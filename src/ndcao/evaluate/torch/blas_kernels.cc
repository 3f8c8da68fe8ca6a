#include "ndcao/evaluate/torch/blas_kernels.h"

#include <dlfcn.h>

#include <cstdlib>

namespace ndcao {
namespace {

constexpr const char* kChoice = "OPENBLAS_CORETYPE";

/// Null where the name is not in any library that is loaded.
template <typename Function>
Function Find(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

/// By the names of OpenBLAS; null: those it takes for unknown processors are the best.
const char* KernelsOfInstructions() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

}  // namespace

std::string BlasKernels() {
  const auto name = Find<char* (*)()>("openblas_get_corename");
  return name == nullptr ? "" : name();
}

void ChooseBlasKernels() {
  if (std::getenv(kChoice) != nullptr || BlasKernels() != "Prescott") return;
  const char* better = KernelsOfInstructions();
  const auto forget = Find<void (*)()>("gotoblas_dynamic_quit");
  const auto choose = Find<void (*)()>("gotoblas_dynamic_init");
  if (better == nullptr || forget == nullptr || choose == nullptr) return;
  setenv(kChoice, better, 1);
  forget();
  choose();
  unsetenv(kChoice);
}

}  // namespace ndcao
