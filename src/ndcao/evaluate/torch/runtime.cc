#include "ndcao/evaluate/torch/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <ctime>
#include <string_view>

#include "ndcao/base/log.h"
#include "ndcao/evaluate/torch/blas_kernels.h"

namespace ndcao {
namespace {

constexpr double kSlowGflops = 20;

// Without OpenBLAS, LibTorch falls back to a reference BLAS that is some 40 times slower. In
// seconds of this thread's own time, so that other programs on the machine do not count.
double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best of some attempts: a busy machine is slow now and then, a slow library always.
double MeasureGflops() {
  const c10::InferenceMode guard;
  constexpr int kSize = 256;
  constexpr int kAttempts = 40;
  const at::Tensor a = at::ones({kSize, kSize});
  at::Tensor c = at::mm(a, a);
  double best = 0;
  for (int i = 0; i < kAttempts && best < kSlowGflops; ++i) {
    const double start = ThreadSeconds();
    at::mm_out(c, a, a);
    best = std::max(best, 2.0 * kSize * kSize * kSize / (ThreadSeconds() - start + 1e-9) * 1e-9);
  }
  return best;
}

// OpenBLAS built on POSIX threads does not listen to at::set_num_threads: it would start threads of
// its own in every worker, which then wait for one another.
void UseOneBlasThread() {
  using SetThreads = void (*)(int);
  void* symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  if (symbol != nullptr) reinterpret_cast<SetThreads>(symbol)(1);
}

// The line of an exception's text that says what is wrong: the first, or the
// last when it comes from TorchScript code, whose trace goes before it.
std::string OneLine(const std::string& text) {
  constexpr std::string_view kTrace = "The following operation failed in the TorchScript";
  if (!text.starts_with(kTrace)) {
    const auto first = std::min(text.find_first_not_of('\n'), text.size());
    return text.substr(first, text.find('\n', first) - first);
  }
  const auto end = text.find_last_not_of('\n');
  if (end == std::string::npos) return text;
  const auto begin = text.find_last_of('\n', end);
  const std::string line = text.substr(begin + 1, end - begin);
  constexpr std::string_view kKind = "RuntimeError: ";
  return line.starts_with(kKind) ? line.substr(kKind.size()) : line;
}

std::string Prefix(const std::string& what) { return what.empty() ? what : what + ": "; }

}  // namespace

void InitTorch() {
  ChooseBlasKernels();
  at::set_num_threads(1);
  UseOneBlasThread();
  // Buffers of a forward pass are freed and asked for again thousands of times a second: keep them
  // instead of returning them to the kernel, whose page faults would dominate.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  // The pools of other threads consist of heaps of 64 MiB, which malloc unmaps when they are empty
  // unless at least that much is to be left; it is address space, not memory.
  mallopt(M_TOP_PAD, 1 << 26);
  const double gflops = MeasureGflops();
  if (gflops < kSlowGflops) {
    const std::string kernels = BlasKernels();
    spdlog::warn(
        "matrix products run at {:.1f} GFLOP/s, which is slow; is "
        "libopenblas0-openmp installed? (kernels: {})",
        gflops, kernels.empty() ? "not OpenBLAS" : kernels);
  }
}

Status CatchTorch(const std::string& what, const std::function<void()>& work) {
  // A new thread has OpenMP's own number until it is told, and oneDNN does not ask LibTorch.
  thread_local const bool told = (at::init_num_threads(), true);
  (void)told;
  try {
    work();
    return Ok();
  } catch (const c10::Error& error) {
    return Failed(Prefix(what) + OneLine(error.msg()));
  } catch (const std::exception& error) {
    return Failed(Prefix(what) + OneLine(error.what()));
  }
}

}  // namespace ndcao
