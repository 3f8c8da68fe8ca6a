// Which of its kernels OpenBLAS uses.
#pragma once

#include <string>

namespace ndcao {

/// The name of the processor whose kernels OpenBLAS uses ("SkylakeX"); empty where the linear
/// algebra is another's.
std::string BlasKernels();

/// OpenBLAS chooses by the processor's model number. Before 0.3.25 it took those of 2004
/// ("Prescott", SSE3) for models it had never heard of, which may cost three quarters of the speed
/// (OpenBLAS issue 4267, docs/benchmarks.md). Here such a processor gets the kernels of its
/// instruction set. A choice in OPENBLAS_CORETYPE is left alone. Call before the first product, and
/// before other threads run.
void ChooseBlasKernels();

}  // namespace ndcao
