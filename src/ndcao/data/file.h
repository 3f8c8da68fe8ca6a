// Whole files, plain or compressed by gzip. Internal to data/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// The contents of a file, decompressed if it is a gzip file. At most `limit` bytes: a longer file
/// is refused, so that a small damaged or hostile archive cannot fill the memory.
Result<std::vector<std::uint8_t>> ReadFile(const std::string& path,
                                           std::uint64_t limit = std::uint64_t{4} << 30);

}  // namespace ndcao
