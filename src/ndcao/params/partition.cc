#include "ndcao/params/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr char kKinds[] =
    "single, tensor, layer, unit, size:N, random:N, pattern:FILE or file:FILE";

Run InPlace(std::uint64_t begin, std::uint64_t length) { return {begin, begin, length}; }

/// Collects runs under names, in the order in which the names first appear.
class BlockBuilder {
 public:
  void Add(const std::string& name, Run run) {
    const auto [position, is_new] = index_.try_emplace(name, blocks_.size());
    if (is_new) blocks_.push_back({name, {}});
    blocks_[position->second].second.push_back(run);
  }

  Result<Partition> Build(std::uint64_t size) {
    std::vector<Block> blocks;
    blocks.reserve(blocks_.size());
    for (auto& [name, runs] : blocks_) {
      const Slice slice(std::move(runs));
      blocks.push_back({std::move(name), Merge({&slice})});
    }
    return Partition::Create(std::move(blocks), size);
  }

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::pair<std::string, std::vector<Run>>> blocks_;
};

std::optional<std::uint64_t> ParseCount(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

}  // namespace

Result<Partition> Partition::Create(std::vector<Block> blocks, std::uint64_t size) {
  std::vector<std::pair<Run, std::size_t>> runs;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].slice.empty()) {
      return Invalid(fmt::format("block '{}' holds no parameters", blocks[i].name));
    }
    for (const Run& run : blocks[i].slice.runs()) runs.emplace_back(run, i);
  }
  std::sort(runs.begin(), runs.end(),
            [](const auto& a, const auto& b) { return a.first.global < b.first.global; });
  std::uint64_t covered = 0;
  for (const auto& [run, block] : runs) {
    if (run.global < covered) {
      return Invalid(fmt::format("parameter {} is in more than one block (the second is '{}')",
                                 run.global, blocks[block].name));
    }
    if (run.global > covered) break;
    covered += run.length;
  }
  if (covered < size) {
    return Invalid(fmt::format("parameter {} of {} is in no block", covered, size));
  }
  if (covered > size) {
    return Invalid(
        fmt::format("a block reaches to parameter {}, but there are only {}", covered - 1, size));
  }
  return Partition(std::move(blocks), size);
}

Result<Partition> PartitionSingle(const Layout& layout) {
  return Partition::Create({{"all", Slice::Whole(layout.size())}}, layout.size());
}

Result<Partition> PartitionByTensor(const Layout& layout) {
  BlockBuilder builder;
  for (const Tensor& t : layout.tensors()) builder.Add(t.name, InPlace(t.offset, t.size));
  return builder.Build(layout.size());
}

Result<Partition> PartitionByLayer(const Layout& layout) {
  BlockBuilder builder;
  for (const Tensor& t : layout.tensors()) builder.Add(t.layer(), InPlace(t.offset, t.size));
  return builder.Build(layout.size());
}

Result<Partition> PartitionByUnit(const Layout& layout) {
  BlockBuilder builder;
  for (const Tensor& t : layout.tensors()) {
    const std::uint64_t row = t.size / t.units();
    for (std::uint64_t unit = 0; unit < t.units(); ++unit) {
      builder.Add(fmt::format("{}[{}]", t.layer(), unit), InPlace(t.offset + unit * row, row));
    }
  }
  return builder.Build(layout.size());
}

Result<Partition> PartitionBySize(const Layout& layout, std::uint64_t block_size) {
  if (block_size == 0) return Invalid("blocks of size 0; allowed: 1 or more parameters");
  std::vector<Block> blocks;
  for (std::uint64_t begin = 0; begin < layout.size(); begin += block_size) {
    const std::uint64_t length = std::min(block_size, layout.size() - begin);
    blocks.push_back({fmt::format("{}", blocks.size()), Slice({InPlace(begin, length)})});
  }
  return Partition::Create(std::move(blocks), layout.size());
}

Result<Partition> PartitionRandom(const Layout& layout, std::uint32_t blocks, std::uint64_t seed) {
  if (blocks == 0) return Invalid("0 random blocks; allowed: 1 or more");
  std::vector<std::vector<Run>> runs(blocks);
  RandomSequence sequence(seed, Purpose::kPartition, 0);
  for (std::uint64_t j = 0; j < layout.size(); ++j) {
    runs[sequence.Below(blocks)].push_back(InPlace(j, 1));
  }
  std::vector<Block> result;
  for (std::uint32_t i = 0; i < blocks; ++i) {
    if (runs[i].empty()) continue;
    const Slice slice(std::move(runs[i]));
    result.push_back({fmt::format("{}", i), Merge({&slice})});
  }
  return Partition::Create(std::move(result), layout.size());
}

Result<Partition> MakePartition(const std::string& spec, const std::string& text,
                                const Layout& layout, std::uint64_t seed) {
  if (spec == "single") return PartitionSingle(layout);
  if (spec == "tensor") return PartitionByTensor(layout);
  if (spec == "layer") return PartitionByLayer(layout);
  if (spec == "unit") return PartitionByUnit(layout);
  if (spec == "file") return ParsePartition(text, layout.size());
  if (spec == "pattern") {
    NDCAO_ASSIGN(const auto patterns, ParseBlockPatterns(text));
    return PartitionByPattern(layout, patterns);
  }
  const auto colon = spec.find(':');
  if (colon != std::string::npos) {
    const std::string kind = spec.substr(0, colon);
    const auto count = ParseCount(std::string_view(spec).substr(colon + 1));
    if ((kind == "size" || kind == "random") && (!count || *count > 0xffffffffu)) {
      return Invalid(fmt::format("--blocks {}: '{}' is no number of {}; allowed: 1 to 4294967295",
                                 spec, spec.substr(colon + 1),
                                 kind == "size" ? "parameters" : "blocks"));
    }
    if (kind == "size") return PartitionBySize(layout, *count);
    if (kind == "random") return PartitionRandom(layout, static_cast<std::uint32_t>(*count), seed);
  }
  return Invalid(fmt::format("--blocks {}: unknown kind of split; allowed: {}", spec, kKinds));
}

}  // namespace ndcao
