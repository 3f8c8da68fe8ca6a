// LibTorch as this program uses it: threads, allocator, exceptions.
#pragma once

#include <functional>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

/// Call once, before the first tensor: the linear algebra's kernels for this processor, one
/// intra-op thread, an allocator that keeps large buffers, and a warning when matrix products are
/// slow.
void InitTorch();

/// Runs `work` and turns LibTorch's exceptions into an error: "what: the line that says it". The
/// thread that calls has one intra-op thread from then on.
Status CatchTorch(const std::string& what, const std::function<void()>& work);

}  // namespace ndcao
