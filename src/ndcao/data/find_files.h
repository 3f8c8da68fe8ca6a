// Finds the files of a data set. Internal to data/.
#pragma once

#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"

namespace ndcao {

/// Where to look for the files of the data set `set`, in order. With options.directory: there and
/// in its folder `set`. Without: in the folder `set` of each directory of options.search_path,
/// then in `installed`, where a package puts them (may be empty).
std::vector<std::string> SearchPath(const DataOptions& options, const std::string& set,
                                    const std::string& installed);

/// The paths of `names`, each plain or with ".gz", from the first directory that has them all.
/// Otherwise an error (kInvalid) with what is missing where, and `remedy`: how to get it.
Result<std::vector<std::string>> FindFiles(const std::vector<std::string>& directories,
                                           const std::vector<std::string>& names,
                                           const std::string& remedy);

}  // namespace ndcao
