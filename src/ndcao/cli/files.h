// Small files, read and written whole.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ndcao/base/result.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {

Result<std::string> ReadText(const std::string& path);
/// Written aside, synced and renamed: never a partial file under its final name, and after Ok the
/// file outlives a power cut.
Status WriteText(const std::string& path, std::string_view text);
/// The same of several parts, one behind the other.
Status WriteParts(const std::string& path, std::span<const std::string_view> parts);

/// float32 values, little-endian, nothing else.
Result<ParameterVector> ReadParameters(const std::string& path);
Status WriteParameters(const std::string& path, std::span<const float> values);

}  // namespace ndcao
