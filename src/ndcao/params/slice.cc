#include "ndcao/params/slice.h"

#include <algorithm>

namespace ndcao {

Slice Merge(const std::vector<const Slice*>& slices) {
  std::vector<Run> runs;
  for (const Slice* slice : slices) {
    runs.insert(runs.end(), slice->runs().begin(), slice->runs().end());
  }
  std::sort(runs.begin(), runs.end(),
            [](const Run& a, const Run& b) { return a.global < b.global; });
  std::vector<Run> merged;
  for (const Run& run : runs) {
    if (!merged.empty() && merged.back().global + merged.back().length == run.global &&
        merged.back().local + merged.back().length == run.local) {
      merged.back().length += run.length;
    } else {
      merged.push_back(run);
    }
  }
  return Slice(std::move(merged));
}

}  // namespace ndcao
