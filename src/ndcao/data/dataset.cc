#include "ndcao/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"
#include "ndcao/base/large_pages.h"
#include "ndcao/base/widest_vectors.h"
#include "ndcao/data/text.h"

namespace ndcao {
namespace {

/// The product of the extents; nothing when one is not positive or the product passes 2^40.
std::optional<std::uint64_t> Product(const std::vector<std::int64_t>& shape) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  std::uint64_t product = 1;
  for (const std::int64_t extent : shape) {
    if (extent <= 0 || static_cast<std::uint64_t>(extent) > kMost / product) return std::nullopt;
    product *= static_cast<std::uint64_t>(extent);
  }
  return product;
}

Status CheckLabels(const char* part, const std::vector<std::int32_t>& labels, int classes) {
  if (labels.empty()) return Invalid(fmt::format("the {} set is empty", part));
  if (labels.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Invalid(fmt::format("the {} set has {} examples, at most {} are allowed", part,
                               labels.size(), std::numeric_limits<std::uint32_t>::max()));
  }
  const auto wrong = std::find_if(labels.begin(), labels.end(),
                                  [&](auto label) { return label < 0 || label >= classes; });
  if (wrong == labels.end()) return Ok();
  return Invalid(fmt::format("label {} of {} example {} is not in 0..{}", *wrong, part,
                             wrong - labels.begin(), classes - 1));
}

Status CheckValues(const char* part, const Examples& examples, std::uint64_t features) {
  if (!examples.bytes.empty() && !examples.values.empty()) {
    return Invalid(fmt::format("the {} set holds bytes and values, only one is allowed", part));
  }
  const std::uint64_t count = examples.bytes.size() + examples.values.size();
  const std::uint64_t expected = examples.labels.size() * features;
  if (count != expected) {
    return Invalid(fmt::format("the {} set has {} values, but {} examples of {} take {}", part,
                               count, examples.labels.size(), features, expected));
  }
  const auto wrong = std::find_if_not(examples.values.begin(), examples.values.end(),
                                      [](float value) { return std::isfinite(value); });
  if (wrong == examples.values.end()) return Ok();
  const auto position = static_cast<std::uint64_t>(wrong - examples.values.begin());
  return Invalid(fmt::format("value {} of {} example {} is {}, it must be finite",
                             position % features, part, position / features, *wrong));
}

/// Means per feature and the deviation, in double precision over rows of `mean.size()` values.
template <typename T>
Normalisation Measure(const std::vector<T>& raw, std::uint64_t features, float scale) {
  const std::uint64_t rows = raw.size() / features;
  std::vector<double> sums(features, 0.0);
  for (std::uint64_t i = 0; i < rows; ++i) {
    const T* row = raw.data() + i * features;
    for (std::uint64_t j = 0; j < features; ++j) sums[j] += row[j];
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  const double centre = total / static_cast<double>(raw.size());

  double squares = 0;
  for (std::uint64_t i = 0; i < rows; ++i) {
    double row_squares = 0;
    for (std::uint64_t j = 0; j < features; ++j) {
      const double distance = raw[i * features + j] - centre;
      row_squares += distance * distance;
    }
    squares += row_squares;
  }
  Normalisation normalisation{scale, {}, 1};
  normalisation.mean.reserve(features);
  for (const double sum : sums) {
    normalisation.mean.push_back(static_cast<float>(scale * (sum / static_cast<double>(rows))));
  }
  const auto deviation =
      static_cast<float>(scale * std::sqrt(squares / static_cast<double>(raw.size())));
  // Constant data, or a deviation whose inverse is not finite: as good as none.
  if (deviation >= std::numeric_limits<float>::min()) normalisation.deviation = deviation;
  return normalisation;
}

/// Asks for the cache lines of a row that is needed soon: the rows of a batch lie anywhere in a
/// large array, so without it Gather waits for memory half of its time.
void Prefetch(const void* row, std::size_t size) {
  constexpr std::size_t kCacheLine = 64;
  const char* bytes = static_cast<const char*>(row);
  for (std::size_t at = 0; at < size; at += kCacheLine) __builtin_prefetch(bytes + at);
}

/// Row i of `out` is row indices[i] of `raw`, each value times `gain` minus its offset.
template <typename T>
struct Rows {
  const T* raw;
  std::span<const std::uint32_t> indices;
  float gain;
  std::span<const float> offset;
  float* out;
};

template <typename T>
[[gnu::always_inline]] inline void GatherBody(const Rows<T>& rows) {
  constexpr std::size_t kAhead = 4;
  const std::size_t features = rows.offset.size();
  for (std::size_t i = 0; i < rows.indices.size(); ++i) {
    if (i + kAhead < rows.indices.size()) {
      Prefetch(rows.raw + rows.indices[i + kAhead] * features, features * sizeof(T));
    }
    const T* __restrict__ from = rows.raw + rows.indices[i] * features;
    const float* __restrict__ minus = rows.offset.data();
    float* __restrict__ to = rows.out + i * features;
    for (std::size_t j = 0; j < features; ++j) {
      to[j] = static_cast<float>(from[j]) * rows.gain - minus[j];
    }
  }
}

std::uint64_t HashExamples(const Examples& examples) {
  ByteWriter writer;
  writer.Put(Hash64(std::as_bytes(std::span(examples.bytes))));
  writer.Put(Hash64(std::as_bytes(std::span(examples.values))));
  writer.Put(Hash64(std::as_bytes(std::span(examples.labels))));
  return Hash64(writer.bytes());
}

}  // namespace

Result<Dataset> Dataset::Create(std::string name, std::vector<std::int64_t> shape, int classes,
                                Examples train, Examples test) {
  const std::string context = fmt::format("data set '{}'", name);
  const auto features = Product(shape);
  if (!features || shape.empty()) {
    return Invalid(
        fmt::format("{}: shape '{}' of an example: one or more positive extents are "
                    "allowed",
                    context, ShapeText(shape)));
  }
  if (classes < 2) {
    return Invalid(fmt::format("{}: {} class, at least two are needed", context, classes));
  }
  const auto check = [&](const char* part, const Examples& examples) -> Status {
    NDCAO_TRY(CheckLabels(part, examples.labels, classes));
    return CheckValues(part, examples, *features);
  };
  if (auto status = check("training", train); !status.ok()) return status.error().Context(context);
  if (auto status = check("test", test); !status.ok()) return status.error().Context(context);
  if (train.bytes.empty() != test.bytes.empty()) {
    return Invalid(context + ": one part holds bytes and the other float32 values");
  }

  Dataset dataset;
  dataset.normalisation_ = train.bytes.empty() ? Measure(train.values, *features, 1.0f)
                                               : Measure(train.bytes, *features, 1.0f / 255);
  const Normalisation& normalisation = dataset.normalisation_;
  dataset.gain_ = normalisation.scale / normalisation.deviation;
  for (const float mean : normalisation.mean) {
    dataset.offset_.push_back(mean / normalisation.deviation);
  }
  dataset.name_ = std::move(name);
  dataset.shape_ = std::move(shape);
  dataset.features_ = *features;
  dataset.classes_ = classes;
  UseLargePages(std::as_bytes(std::span(train.bytes)));
  UseLargePages(std::as_bytes(std::span(train.values)));
  dataset.train_ = std::move(train);
  dataset.test_ = std::move(test);
  return dataset;
}

void Dataset::Gather(const Examples& part, std::span<const std::uint32_t> indices,
                     std::span<float> out) const {
  NDCAO_CHECK(out.size() == indices.size() * features_);
  for (const std::uint32_t index : indices) NDCAO_CHECK(index < part.size());
  if (part.bytes.empty()) {
    OnWidest<GatherBody<float>>(
        Rows<float>{part.values.data(), indices, gain_, offset_, out.data()});
  } else {
    OnWidest<GatherBody<std::uint8_t>>(
        Rows<std::uint8_t>{part.bytes.data(), indices, gain_, offset_, out.data()});
  }
}

std::uint64_t Dataset::Hash() const {
  ByteWriter writer;
  writer.PutVector(shape_);
  writer.Put(static_cast<std::int32_t>(classes_));
  writer.Put(HashExamples(train_));
  writer.Put(HashExamples(test_));
  writer.Put(normalisation_.scale);
  writer.Put(normalisation_.deviation);
  writer.PutVector(normalisation_.mean);
  return Hash64(writer.bytes());
}

}  // namespace ndcao
