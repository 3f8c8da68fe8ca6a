// Partitions from and to text: pattern files and partition files.
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <regex>
#include <sstream>

#include "ndcao/params/partition.h"

namespace ndcao {
namespace {

std::string Trim(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Calls visit(line number, line) for every line that holds something besides a comment.
template <typename Visit>
Status ForEachLine(const std::string& text, Visit visit) {
  std::istringstream stream(text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    line = Trim(line.substr(0, line.find('#')));
    if (!line.empty()) NDCAO_TRY(visit(number, line));
  }
  return Ok();
}

std::string JoinSome(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

Result<Run> ParseRange(const std::string& word) {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  const char* last = word.data() + word.size();
  const auto first = std::from_chars(word.data(), last, begin);
  if (first.ec == std::errc() && first.ptr != last && *first.ptr == '-') {
    const auto second = std::from_chars(first.ptr + 1, last, end);
    if (second.ec == std::errc() && second.ptr == last && begin < end) {
      return Run{begin, begin, end - begin};
    }
  }
  return Invalid(fmt::format("'{}' is no range; allowed: begin-end with begin < end", word));
}

}  // namespace

Result<std::vector<BlockPattern>> ParseBlockPatterns(const std::string& text) {
  std::vector<BlockPattern> patterns;
  NDCAO_TRY(ForEachLine(text, [&](int number, const std::string& line) -> Status {
    const auto equals = line.rfind('=');
    if (equals == std::string::npos) {
      return Invalid(fmt::format("pattern file, line {}: expected 'regex = block'", number));
    }
    BlockPattern pattern{Trim(line.substr(0, equals)), Trim(line.substr(equals + 1))};
    if (pattern.regex.empty() || pattern.block.empty()) {
      return Invalid(fmt::format("pattern file, line {}: expected 'regex = block'", number));
    }
    try {
      const std::regex check(pattern.regex);
    } catch (const std::regex_error& error) {
      return Invalid(fmt::format("pattern file, line {}: bad regular expression '{}': {}", number,
                                 pattern.regex, error.what()));
    }
    patterns.push_back(std::move(pattern));
    return Ok();
  }));
  if (patterns.empty()) return Invalid("pattern file: no line of the form 'regex = block'");
  return patterns;
}

Result<Partition> PartitionByPattern(const Layout& layout,
                                     const std::vector<BlockPattern>& patterns) {
  std::map<std::string, std::size_t> index;
  std::vector<std::vector<Run>> runs;
  std::vector<std::string> names;
  std::vector<std::string> unmatched;
  for (const Tensor& tensor : layout.tensors()) {
    const BlockPattern* match = nullptr;
    for (const BlockPattern& pattern : patterns) {
      if (!std::regex_match(tensor.name, std::regex(pattern.regex))) continue;
      if (match != nullptr) {
        return Invalid(fmt::format("tensor '{}' matches two patterns: '{}' and '{}'", tensor.name,
                                   match->regex, pattern.regex));
      }
      match = &pattern;
    }
    if (match == nullptr) {
      unmatched.push_back(tensor.name);
      continue;
    }
    const auto [position, is_new] = index.try_emplace(match->block, runs.size());
    if (is_new) runs.emplace_back(), names.push_back(match->block);
    runs[position->second].push_back({tensor.offset, tensor.offset, tensor.size});
  }
  if (!unmatched.empty()) {
    return Invalid("no pattern matches these tensors: " + JoinSome(unmatched));
  }
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Slice slice(std::move(runs[i]));
    blocks.push_back({names[i], Merge({&slice})});
  }
  return Partition::Create(std::move(blocks), layout.size());
}

std::string FormatPartition(const Partition& partition) {
  std::string text;
  for (const Block& block : partition.blocks()) {
    text += block.name + ":";
    for (const Run& run : block.slice.runs()) {
      text += fmt::format(" {}-{}", run.global, run.global + run.length);
    }
    text += "\n";
  }
  return text;
}

Result<Partition> ParsePartition(const std::string& text, std::uint64_t size) {
  std::vector<Block> blocks;
  NDCAO_TRY(ForEachLine(text, [&](int number, const std::string& line) -> Status {
    const auto colon = line.rfind(':');
    if (colon == std::string::npos) {
      return Invalid(fmt::format("partition file, line {}: expected 'name: begin-end …'", number));
    }
    std::vector<Run> runs;
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) {
      const Result<Run> run = ParseRange(word);
      if (!run.ok()) return run.error().Context(fmt::format("partition file, line {}", number));
      runs.push_back(run.value());
    }
    const Slice slice(std::move(runs));
    blocks.push_back({Trim(line.substr(0, colon)), Merge({&slice})});
    return Ok();
  }));
  return Partition::Create(std::move(blocks), size);
}

}  // namespace ndcao
