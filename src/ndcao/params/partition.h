// A partition: disjoint blocks that together hold every parameter. Any sets whatever.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/slice.h"

namespace ndcao {

/// One block: a name for people and the set of its parameters (stored in place: local == global).
struct Block {
  std::string name;
  Slice slice;
};

class Partition {
 public:
  /// Checks that the blocks are disjoint, complete over `size` parameters, and none is empty.
  static Result<Partition> Create(std::vector<Block> blocks, std::uint64_t size);

  const std::vector<Block>& blocks() const { return blocks_; }
  std::uint64_t size() const { return size_; }

 private:
  Partition(std::vector<Block> blocks, std::uint64_t size)
      : blocks_(std::move(blocks)), size_(size) {}

  std::vector<Block> blocks_;
  std::uint64_t size_ = 0;
};

Result<Partition> PartitionSingle(const Layout& layout);
Result<Partition> PartitionByTensor(const Layout& layout);
/// Tensors of one layer (Tensor::layer) together.
Result<Partition> PartitionByLayer(const Layout& layout);
/// Row u of every tensor of a layer together: a neuron with its bias, a filter with its bias.
Result<Partition> PartitionByUnit(const Layout& layout);
/// Consecutive blocks of `block_size` parameters; the last may be smaller.
Result<Partition> PartitionBySize(const Layout& layout, std::uint64_t block_size);
/// Every parameter joins one of `blocks` blocks at random, keyed by `seed`. Blocks that stay
/// empty are left out.
Result<Partition> PartitionRandom(const Layout& layout, std::uint32_t blocks, std::uint64_t seed);

/// One line of a pattern file: tensors whose whole name matches `regex` (ECMAScript) form `block`.
struct BlockPattern {
  std::string regex;
  std::string block;
};
/// Lines "regex = block"; '#' starts a comment. Errors name the line.
Result<std::vector<BlockPattern>> ParseBlockPatterns(const std::string& text);
/// Every tensor must match exactly one pattern; the error names those that do not.
Result<Partition> PartitionByPattern(const Layout& layout,
                                     const std::vector<BlockPattern>& patterns);

/// A partition as a text that ParsePartition reads again: a line per block,
/// "name: begin-end begin-end …" with half-open ranges.
std::string FormatPartition(const Partition& partition);
Result<Partition> ParsePartition(const std::string& text, std::uint64_t size);

/// From `--blocks`: single, tensor, layer, unit, size:N, random:N. `pattern:` and `file:` need a
/// file's text, which the caller has read: it comes in `text`, and `spec` is "pattern" or "file".
Result<Partition> MakePartition(const std::string& spec, const std::string& text,
                                const Layout& layout, std::uint64_t seed);

}  // namespace ndcao
