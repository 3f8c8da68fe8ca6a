// Where tensors' values lie. Internal to evaluate/torch.
#pragma once

namespace ndcao {

/// From now on LibTorch's tensors may be kept as below. Once a process; before there are tensors.
void InstallTensorMemory();

/// While it lives, buffers of tensors that the calling thread lets go of are kept, and the next
/// tensor of the same size gets the one that was let go of last: a pass that repeats finds its
/// buffers in the cache, and each at the same place. Kept until the thread ends.
class KeepTensorMemory {
 public:
  KeepTensorMemory();
  ~KeepTensorMemory();
  KeepTensorMemory(const KeepTensorMemory&) = delete;
  KeepTensorMemory& operator=(const KeepTensorMemory&) = delete;

 private:
  bool before_;
};

}  // namespace ndcao
