#include "ndcao/evaluate/torch/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <malloc.h>

#include <chrono>

#include "ndcao/base/log.h"

namespace ndcao {
namespace {

constexpr double kSlowGflops = 20;

// Without OpenBLAS, LibTorch falls back to a reference BLAS that is some 40 times slower.
double MeasureGflops() {
  const c10::InferenceMode guard;
  constexpr int kSize = 256;
  const at::Tensor a = at::ones({kSize, kSize});
  at::Tensor c = at::mm(a, a);
  const auto start = std::chrono::steady_clock::now();
  constexpr int kRepeats = 4;
  for (int i = 0; i < kRepeats; ++i) at::mm_out(c, a, a);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return kRepeats * 2.0 * kSize * kSize * kSize / elapsed.count() * 1e-9;
}

}  // namespace

void InitTorch() {
  at::set_num_threads(1);
  // Buffers of a forward pass are freed and asked for again thousands of times a second: keep them
  // instead of returning them to the kernel, whose page faults would dominate.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const double gflops = MeasureGflops();
  if (gflops < kSlowGflops) {
    spdlog::warn(
        "matrix products run at {:.1f} GFLOP/s, which is slow; is libopenblas0-openmp installed?",
        gflops);
  }
}

Status CatchTorch(const std::string& what, const std::function<void()>& work) {
  try {
    work();
    return Ok();
  } catch (const c10::Error& error) {
    return Failed(what + ": " + error.msg().substr(0, error.msg().find('\n')));
  } catch (const std::exception& error) {
    const std::string message = error.what();
    return Failed(what + ": " + message.substr(0, message.find('\n')));
  }
}

}  // namespace ndcao
