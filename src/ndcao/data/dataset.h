// Data sets: examples with an integer class label, in memory, normalised on the way out.
//
// Raw values stay as they came; a batch is gathered as float32:
//   x[j] = (scale · raw[j] − mean[j]) / deviation
// where mean is the training set's mean image (per feature) and deviation the standard deviation
// of all its values around their global mean (one number). The test set uses the same two.
//
//   NDCAO_ASSIGN(const Dataset data, LoadDataset({.name = "fashion-mnist"}));
//   data.Gather(data.train(), indices, batch);
//
// A Dataset does not change: any number of threads may use one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// n examples of `features` raw values each: bytes or float32, one of the two vectors is empty.
struct Examples {
  std::vector<std::uint8_t> bytes;
  std::vector<float> values;
  std::vector<std::int32_t> labels;  ///< Class numbers; n of them.

  std::uint32_t size() const { return static_cast<std::uint32_t>(labels.size()); }
};

/// Examples as a file holds them, and the shape of one of them.
struct ShapedExamples {
  std::vector<std::int64_t> shape;
  Examples examples;
};

/// What is done to raw values.
struct Normalisation {
  float scale = 1.0f / 255;
  std::vector<float> mean;  ///< Per feature, after scaling.
  float deviation = 1;      ///< After scaling; 1 for data that is constant.
};

class Dataset {
 public:
  /// Computes the normalisation from `train` and checks the two parts: neither is empty, both
  /// hold the same kind of finite values, as many as `shape` says, and labels in [0, classes),
  /// classes >= 2. `scale` is 1/255 for bytes, 1 for values.
  static Result<Dataset> Create(std::string name, std::vector<std::int64_t> shape, int classes,
                                Examples train, Examples test);

  const std::string& name() const { return name_; }
  /// Of one example: {channels, height, width}, or {features}.
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::uint64_t features() const { return features_; }
  int classes() const { return classes_; }
  const Examples& train() const { return train_; }
  const Examples& test() const { return test_; }
  const Normalisation& normalisation() const { return normalisation_; }

  /// The normalisation as Gather applies it: x[j] = gain · raw[j] − offset[j].
  float gain() const { return gain_; }
  const std::vector<float>& offset() const { return offset_; }

  /// Normalised examples, one row of features() each: out.size() == indices.size() · features().
  /// `part` is train() or test(), every index is below part.size().
  void Gather(const Examples& part, std::span<const std::uint32_t> indices,
              std::span<float> out) const;

  /// Hash of everything a run depends on: raw values, labels, shape, classes and normalisation.
  /// The name is not part of it.
  std::uint64_t Hash() const;

 private:
  std::string name_;
  std::vector<std::int64_t> shape_;
  std::uint64_t features_ = 0;
  int classes_ = 0;
  Examples train_;
  Examples test_;
  Normalisation normalisation_;
  float gain_ = 1;
  std::vector<float> offset_;
};

/// How `--data`, `--data-dir` and `--train-limit` choose a data set.
struct DataOptions {
  /// fashion-mnist, mnist, digits, cifar10, idx:DIR, csv:TRAIN[,TEST].
  std::string name = "fashion-mnist";
  /// Where the files lie; empty: the usual places. Relative paths in `name` start here.
  std::string directory = "";
  /// Looked through when `directory` is empty: each holds a folder per data set ("data/mnist").
  std::vector<std::string> search_path = {"data"};
  std::uint32_t train_limit = 0;  ///< Use the first N training examples; 0: all.
  /// The last N training examples become the test set and leave the training set, before
  /// `train_limit` applies; 0: the data set's own test set.
  std::uint32_t hold_out = 0;
};

/// Reads a data set. Errors (kInvalid) say which file is missing and how to get it, or what is
/// wrong in it. Where a data set comes without a test set, its last examples are the test set:
/// 297 of the 1,797 of `digits`, a fifth of the rows of `csv:TRAIN`.
Result<Dataset> LoadDataset(const DataOptions& options);

}  // namespace ndcao
