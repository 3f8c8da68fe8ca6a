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

Slice Intersect(const Slice& slice, const Slice& storage) {
  std::vector<Run> common;
  const auto end = [](const Run& run) { return run.global + run.length; };
  auto held = storage.runs().begin();
  for (const Run& run : slice.runs()) {
    while (held != storage.runs().end() && end(*held) <= run.global) ++held;
    for (auto it = held; it != storage.runs().end() && it->global < end(run); ++it) {
      const std::uint64_t begin = std::max(run.global, it->global);
      common.push_back(
          {begin, it->local + (begin - it->global), std::min(end(run), end(*it)) - begin});
    }
  }
  return Slice(std::move(common));
}

}  // namespace ndcao
