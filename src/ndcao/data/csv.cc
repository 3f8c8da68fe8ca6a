#include "ndcao/data/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "ndcao/data/file.h"

namespace ndcao {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string_view Unquote(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

/// Takes the text up to `separator` (or all of it) off the front of `rest`.
std::string_view TakeUntil(char separator, std::string_view* rest) {
  const std::size_t end = rest->find(separator);
  const std::string_view head = rest->substr(0, end);
  *rest = end == std::string_view::npos ? std::string_view() : rest->substr(end + 1);
  return head;
}

void SplitCells(std::string_view line, std::vector<std::string_view>* cells) {
  cells->clear();
  const auto count = std::count(line.begin(), line.end(), ',') + 1;
  for (std::ptrdiff_t i = 0; i < count; ++i) cells->push_back(Trim(TakeUntil(',', &line)));
}

template <typename T>
std::optional<T> ParseWhole(std::string_view cell) {
  T value{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

/// A finite float32. Read as a double, so that a number too small for a float32 becomes 0.
std::optional<float> ParseValue(std::string_view cell) {
  const auto value = ParseWhole<double>(cell);
  if (!value || !std::isfinite(static_cast<float>(*value))) return std::nullopt;
  return static_cast<float>(*value);
}

/// A cell as an error shows it: short, printable.
std::string Shown(std::string_view cell) {
  constexpr std::size_t kMost = 30;
  std::string text(cell.substr(0, kMost));
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "'" + text + (cell.size() > kMost ? "…'" : "'");
}

class CsvParser {
 public:
  explicit CsvParser(const std::string& name) : name_(name) {}

  Status AddLine(std::string_view line) {
    ++line_;
    if (Trim(line).empty()) return Ok();
    SplitCells(line, &cells_);
    if (columns_ == 0) {
      NDCAO_TRY(SetColumns());
      if (is_header_) return Ok();
    }
    if (cells_.size() != columns_) {
      return Invalid(fmt::format("file '{}', line {}: {} columns, but the first line has {}", name_,
                                 line_, cells_.size(), columns_));
    }
    return AddRow();
  }

  Result<ShapedExamples> Finish() && {
    if (examples_.labels.empty()) {
      return Invalid(fmt::format("file '{}' holds no line of numbers", name_));
    }
    return ShapedExamples{{static_cast<std::int64_t>(columns_) - 1}, std::move(examples_)};
  }

 private:
  Status SetColumns() {
    if (cells_.size() < 2) {
      return Invalid(
          fmt::format("file '{}', line {}: 1 column, at least 2 are needed: a value and "
                      "a class number",
                      name_, line_));
    }
    columns_ = cells_.size();
    const auto named = std::find_if(cells_.begin(), cells_.end(),
                                    [](auto cell) { return Unquote(cell) == "label"; });
    is_header_ = named != cells_.end() || std::none_of(cells_.begin(), cells_.end(), [](auto cell) {
                   return ParseValue(Unquote(cell)).has_value();
                 });
    label_column_ =
        named != cells_.end() ? static_cast<std::size_t>(named - cells_.begin()) : columns_ - 1;
    return Ok();
  }

  Status AddRow() {
    for (std::size_t i = 0; i < columns_; ++i) {
      if (i == label_column_) {
        const auto label = ParseWhole<std::int32_t>(cells_[i]);
        if (!label || *label < 0 || *label > kMaxCsvLabel) {
          return WrongCell(i, fmt::format("a class number in 0..{}", kMaxCsvLabel));
        }
        examples_.labels.push_back(*label);
      } else {
        const auto value = ParseValue(cells_[i]);
        if (!value) return WrongCell(i, "a finite number");
        examples_.values.push_back(*value);
      }
    }
    return Ok();
  }

  Error WrongCell(std::size_t column, std::string_view expected) const {
    return Invalid(fmt::format("file '{}', line {}, column {}: {} is not {}", name_, line_,
                               column + 1, Shown(cells_[column]), expected));
  }

  std::string name_;
  Examples examples_;
  std::vector<std::string_view> cells_;
  std::size_t line_ = 0;
  std::size_t columns_ = 0;  // 0: the first line has not come
  std::size_t label_column_ = 0;
  bool is_header_ = false;  // the first line names the columns
};

}  // namespace

Result<ShapedExamples> ParseCsv(std::string_view text, const std::string& name) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  CsvParser parser(name);
  while (!text.empty()) NDCAO_TRY(parser.AddLine(TakeUntil('\n', &text)));
  return std::move(parser).Finish();
}

Result<ShapedExamples> ReadCsv(const std::string& path) {
  NDCAO_ASSIGN(const auto bytes, ReadFile(path));
  return ParseCsv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace ndcao
