// CIFAR-10 in its binary version: records of a label byte (0..9) and 3 x 32 x 32 bytes, the red
// plane first, row-major. Plain or gzip, any number of records.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"

namespace ndcao {

/// Decodes one (decompressed) file and appends its examples. `name` is what errors call it.
Status ParseCifar10(std::span<const std::uint8_t> bytes, const std::string& name,
                    Examples* examples);

/// The examples of all the files, in order; shape {3, 32, 32}.
Result<ShapedExamples> ReadCifar10(const std::vector<std::string>& paths);

}  // namespace ndcao
