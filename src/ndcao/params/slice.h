// The part of the parameter vector that somebody owns: which global indices, and where their
// values lie in the storage at hand.
//
// In a full replica the storage is the whole vector θ and `local == global`. When one block is
// replayed alone the storage holds that block and nothing else, packed. Code that walks a slice's
// runs works for both, and draws the same random numbers for both, since those are keyed by the
// global index.
#pragma once

#include <cstdint>
#include <vector>

namespace ndcao {

/// `length` consecutive parameters: global indices global…, stored at local….
struct Run {
  std::uint64_t global = 0;
  std::uint64_t local = 0;
  std::uint64_t length = 0;

  friend bool operator==(const Run&, const Run&) = default;
};

/// Disjoint runs in increasing order of global index.
class Slice {
 public:
  Slice() = default;
  explicit Slice(std::vector<Run> runs) : runs_(std::move(runs)) {
    for (const Run& run : runs_) size_ += run.length;
  }

  /// All of a vector of `size` parameters.
  static Slice Whole(std::uint64_t size) { return Slice({{0, 0, size}}); }

  const std::vector<Run>& runs() const { return runs_; }
  /// Number of parameters.
  std::uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// The same parameters, stored packed from 0.
  Slice Packed() const {
    std::vector<Run> packed = runs_;
    std::uint64_t local = 0;
    for (Run& run : packed) run.local = local, local += run.length;
    return Slice(std::move(packed));
  }

 private:
  std::vector<Run> runs_;
  std::uint64_t size_ = 0;
};

/// The union of disjoint slices of one storage, with adjacent runs joined.
Slice Merge(const std::vector<const Slice*>& slices);

/// The parameters that are in both, stored as `storage` says.
Slice Intersect(const Slice& slice, const Slice& storage);

}  // namespace ndcao
