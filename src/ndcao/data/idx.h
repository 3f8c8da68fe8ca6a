// IDX files, the format of MNIST and its successors: arrays of unsigned bytes, plain or gzip.
//
// A header, all numbers big-endian: two zero bytes, the type of the values (0x08: unsigned byte,
// the only one read here), the number of dimensions, then each dimension in 32 bits. The values
// follow, row-major, and nothing after them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"

namespace ndcao {

struct IdxArray {
  std::vector<std::uint32_t> dimensions;  ///< At least one, none of them 0.
  std::vector<std::uint8_t> values;       ///< As many as the product of the dimensions.
};

/// Decodes a (decompressed) IDX file. `name` is what errors call it.
Result<IdxArray> ParseIdx(std::span<const std::uint8_t> bytes, const std::string& name);
Result<IdxArray> ReadIdx(const std::string& path);

/// Images {n, height, width} have the shape {1, height, width}, images {n, channels, height,
/// width} and vectors {n, features} the shape that is left; the labels are {n}.
Result<ShapedExamples> ReadIdxExamples(const std::string& images_path,
                                       const std::string& labels_path);

}  // namespace ndcao
