#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "ndcao/data/cifar10.h"
#include "ndcao/data/csv.h"
#include "ndcao/data/dataset.h"
#include "ndcao/data/find_files.h"
#include "ndcao/data/idx.h"
#include "ndcao/data/text.h"

namespace ndcao {
namespace {

/// A data set before it is normalised.
struct Parts {
  std::vector<std::int64_t> shape;
  int classes = 0;
  Examples train;
  Examples test;
};

std::uint64_t FeaturesOf(const Examples& examples) {
  return (examples.bytes.size() + examples.values.size()) / examples.labels.size();
}

/// Keeps the first `count` examples; count <= size().
void Truncate(std::uint32_t count, Examples* examples) {
  const std::uint64_t features = FeaturesOf(*examples);
  if (!examples->bytes.empty()) examples->bytes.resize(count * features);
  if (!examples->values.empty()) examples->values.resize(count * features);
  examples->labels.resize(count);
}

/// Removes the last `count` examples and returns them; count <= size().
Examples TakeLast(std::uint32_t count, Examples* examples) {
  const auto values = static_cast<std::ptrdiff_t>(count * FeaturesOf(*examples));
  Examples last;
  if (!examples->bytes.empty()) {
    last.bytes.assign(examples->bytes.end() - values, examples->bytes.end());
  }
  if (!examples->values.empty()) {
    last.values.assign(examples->values.end() - values, examples->values.end());
  }
  last.labels.assign(examples->labels.end() - count, examples->labels.end());
  Truncate(examples->size() - count, examples);
  return last;
}

int CountClasses(const Examples& train, const Examples& test) {
  const auto largest = [](const Examples& examples) {
    return *std::max_element(examples.labels.begin(), examples.labels.end());
  };
  return 1 + std::max(largest(train), largest(test));
}

/// Two parts read alone; `classes` 0 counts them from the labels.
Result<Parts> Join(ShapedExamples train, ShapedExamples test, int classes) {
  if (train.shape != test.shape) {
    return Invalid(fmt::format("its training examples have the shape {}, its test examples {}",
                               ShapeText(train.shape), ShapeText(test.shape)));
  }
  if (classes == 0) classes = CountClasses(train.examples, test.examples);
  return Parts{std::move(train.shape), classes, std::move(train.examples),
               std::move(test.examples)};
}

/// The last `count` examples become the test set.
Result<Parts> Split(ShapedExamples all, std::uint32_t count) {
  if (count == 0 || count >= all.examples.size()) {
    return Invalid(fmt::format("{} examples are too few to set {} apart as the test set",
                               all.examples.size(), std::max(count, 1u)));
  }
  Examples test = TakeLast(count, &all.examples);
  const int classes = CountClasses(all.examples, test);
  return Parts{std::move(all.shape), classes, std::move(all.examples), std::move(test)};
}

Result<Parts> LoadIdxFiles(const std::vector<std::string>& directories, int classes,
                           const std::string& remedy) {
  NDCAO_ASSIGN(const auto paths, FindFiles(directories,
                                           {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                            "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
                                           remedy));
  NDCAO_ASSIGN(ShapedExamples train, ReadIdxExamples(paths[0], paths[1]));
  NDCAO_ASSIGN(ShapedExamples test, ReadIdxExamples(paths[2], paths[3]));
  return Join(std::move(train), std::move(test), classes);
}

// `argument` is what follows the colon in the data set's name.
Result<Parts> LoadFashionMnist(const DataOptions& options, const std::string& /*argument*/) {
  return LoadIdxFiles(
      SearchPath(options, "fashion-mnist", "/usr/share/datasets/fashion-mnist"), 10,
      "install it by `apt-get install dataset-fashion-mnist`, or say by --data-dir where it is");
}

Result<Parts> LoadMnist(const DataOptions& options, const std::string& /*argument*/) {
  return LoadIdxFiles(SearchPath(options, "mnist", ""), 10,
                      "fetch it by `scripts/fetch_mnist.sh`, say by --data-dir where it is, or use "
                      "fashion-mnist (`apt-get install dataset-fashion-mnist`)");
}

Result<Parts> LoadIdxDirectory(const DataOptions& options, const std::string& argument) {
  const auto directory = std::filesystem::path(options.directory) / argument;
  return LoadIdxFiles({directory.string()}, 0,
                      "idx:DIR wants four files there: train-images-idx3-ubyte, "
                      "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte");
}

Result<Parts> LoadDigits(const DataOptions& options, const std::string& /*argument*/) {
  constexpr std::int64_t kPixels = 64;
  constexpr std::uint32_t kTest = 297;
  NDCAO_ASSIGN(
      const auto paths,
      FindFiles(
          SearchPath(options, "digits", "/usr/lib/python3/dist-packages/sklearn/datasets/data"),
          {"digits.csv"},
          "install it by `apt-get install --no-install-recommends python3-sklearn`, or say "
          "by --data-dir where it is"));
  NDCAO_ASSIGN(ShapedExamples all, ReadCsv(paths[0]));
  if (all.shape[0] != kPixels) {
    return Invalid(fmt::format("file '{}' has {} values a line, the digits have {}", paths[0],
                               all.shape[0], kPixels));
  }
  all.shape = {1, 8, 8};
  return Split(std::move(all), kTest);
}

Result<Parts> LoadCifar10(const DataOptions& options, const std::string& /*argument*/) {
  auto directories = SearchPath(options, "cifar10", "");
  const std::size_t count = directories.size();
  for (std::size_t i = 0; i < count; ++i) {
    directories.push_back(directories[i] + "/cifar-10-batches-bin");
  }
  NDCAO_ASSIGN(auto paths,
               FindFiles(directories,
                         {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                          "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
                         "unpack the binary version of CIFAR-10 (cifar-10-binary.tar.gz) there, "
                         "or say by --data-dir where it is"));
  NDCAO_ASSIGN(ShapedExamples test, ReadCifar10({paths.back()}));
  paths.pop_back();
  NDCAO_ASSIGN(ShapedExamples train, ReadCifar10(paths));
  return Join(std::move(train), std::move(test), 10);
}

Result<Parts> LoadCsv(const DataOptions& options, const std::string& argument) {
  const auto comma = argument.find(',');
  const std::filesystem::path directory(options.directory);
  NDCAO_ASSIGN(ShapedExamples train, ReadCsv((directory / argument.substr(0, comma)).string()));
  if (comma == std::string::npos) {
    const std::uint32_t fifth = train.examples.size() / 5;
    return Split(std::move(train), std::max(fifth, 1u));
  }
  NDCAO_ASSIGN(ShapedExamples test, ReadCsv((directory / argument.substr(comma + 1)).string()));
  return Join(std::move(train), std::move(test), 0);
}

struct Loader {
  std::string_view name;  ///< With a colon: an argument follows.
  std::string_view usage;
  Result<Parts> (*load)(const DataOptions& options, const std::string& argument);
};

constexpr std::array<Loader, 6> kLoaders = {{
    {"fashion-mnist", "fashion-mnist", LoadFashionMnist},
    {"mnist", "mnist", LoadMnist},
    {"digits", "digits", LoadDigits},
    {"cifar10", "cifar10", LoadCifar10},
    {"idx:", "idx:DIR", LoadIdxDirectory},
    {"csv:", "csv:TRAIN[,TEST]", LoadCsv},
}};

Result<Parts> LoadParts(const DataOptions& options) {
  const auto colon = options.name.find(':');
  const bool has_argument = colon != std::string::npos && colon + 1 < options.name.size();
  const auto kind =
      std::string_view(options.name).substr(0, colon == std::string::npos ? colon : colon + 1);
  for (const Loader& loader : kLoaders) {
    if (loader.name != kind || loader.name.ends_with(':') != has_argument) continue;
    return loader.load(options, has_argument ? options.name.substr(colon + 1) : "");
  }
  std::vector<std::string> usages;
  for (const Loader& loader : kLoaders) usages.emplace_back(loader.usage);
  return Invalid(fmt::format("there is no such data set; known are {}", JoinText(usages, ", ")));
}

Status LimitParts(const DataOptions& options, Parts* parts) {
  if (options.hold_out > 0) {
    if (options.hold_out >= parts->train.size()) {
      return Invalid(
          fmt::format("{} examples to hold out, but it has {} for training; fewer must "
                      "be held out",
                      options.hold_out, parts->train.size()));
    }
    parts->test = TakeLast(options.hold_out, &parts->train);
  }
  if (options.train_limit > parts->train.size()) {
    return Invalid(
        fmt::format("a limit of {} training examples, but it has {}; allowed is 0 (all) "
                    "to {}",
                    options.train_limit, parts->train.size(), parts->train.size()));
  }
  if (options.train_limit > 0) Truncate(options.train_limit, &parts->train);
  return Ok();
}

}  // namespace

Result<Dataset> LoadDataset(const DataOptions& options) {
  const std::string context = fmt::format("data set '{}'", options.name);
  auto loaded = LoadParts(options);
  if (!loaded.ok()) return loaded.error().Context(context);
  Parts parts = std::move(loaded).value();
  if (auto status = LimitParts(options, &parts); !status.ok()) {
    return status.error().Context(context);
  }
  return Dataset::Create(options.name, std::move(parts.shape), parts.classes,
                         std::move(parts.train), std::move(parts.test));
}

}  // namespace ndcao
