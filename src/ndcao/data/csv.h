// Tables of numbers, comma-separated, plain or gzip: one example a line, one column of which is
// its class number.
//
// The first line may name the columns; it does if none of its cells is a number or one of them is
// `label`. The class number is in the column `label`, otherwise in the last. Blank lines and
// blanks around cells are skipped; a cell holds no comma, and only names may be in quotes.
#pragma once

#include <string>
#include <string_view>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"

namespace ndcao {

/// The largest class number: above it a table's column is taken for something else.
inline constexpr std::int32_t kMaxCsvLabel = 65535;

/// Float32 values of shape {columns − 1}. `name` is what errors call it; they give line and column,
/// both counted from 1.
Result<ShapedExamples> ParseCsv(std::string_view text, const std::string& name);
Result<ShapedExamples> ReadCsv(const std::string& path);

}  // namespace ndcao
