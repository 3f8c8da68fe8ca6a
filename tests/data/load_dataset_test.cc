#include <filesystem>

#include "ndcao/data/dataset.h"
#include "test_files.h"

namespace ndcao {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

/// `train` images of 1 x 2 pixels (i, 0) with the label i mod 3, and one for testing.
void WriteIdxFiles(const TempDirectory& directory, const std::string& folder, int train) {
  Bytes pixels;
  Bytes labels;
  for (int i = 0; i < train; ++i) {
    pixels.push_back(static_cast<std::uint8_t>(i));
    pixels.push_back(0);
    labels.push_back(static_cast<std::uint8_t>(i % 3));
  }
  const auto count = static_cast<std::uint32_t>(train);
  directory.Write(folder + "train-images-idx3-ubyte", MakeIdx({count, 1, 2}, pixels));
  directory.WriteGzip(folder + "train-labels-idx1-ubyte.gz", MakeIdx({count}, labels));
  directory.WriteGzip(folder + "t10k-images-idx3-ubyte.gz", MakeIdx({1, 1, 2}, {200, 100}));
  directory.Write(folder + "t10k-labels-idx1-ubyte", MakeIdx({1}, {2}));
}

Dataset MustLoad(const DataOptions& options) {
  auto dataset = LoadDataset(options);
  EXPECT_TRUE(dataset.ok()) << dataset.error().message();
  return std::move(dataset).value();
}

TEST(LoadDataset, IdxDirectory) {
  const TempDirectory directory;
  WriteIdxFiles(directory, "", 5);
  const Dataset dataset = MustLoad({.name = "idx:" + directory.path()});
  EXPECT_EQ(dataset.name(), "idx:" + directory.path());
  EXPECT_THAT(dataset.shape(), ElementsAre(1, 1, 2));
  EXPECT_EQ(dataset.classes(), 3);
  EXPECT_THAT(dataset.train().labels, ElementsAre(0, 1, 2, 0, 1));
  EXPECT_THAT(dataset.test().bytes, ElementsAre(200, 100));
}

TEST(LoadDataset, LooksInTheDirectoryThenInTheSearchPath) {
  const TempDirectory directory;
  WriteIdxFiles(directory, "a/", 3);
  WriteIdxFiles(directory, "b/mnist/", 4);
  EXPECT_EQ(MustLoad({.name = "mnist", .directory = directory / "a"}).train().size(), 3u);
  EXPECT_EQ(MustLoad({.name = "mnist", .directory = directory / "b"}).train().size(), 4u);
  const DataOptions searched = {.name = "mnist", .search_path = {directory / "a", directory / "b"}};
  const Dataset dataset = MustLoad(searched);
  EXPECT_EQ(dataset.train().size(), 4u);
  EXPECT_EQ(dataset.classes(), 10);
  EXPECT_EQ(MustLoad({.name = "idx:b/mnist", .directory = directory.path()}).train().size(), 4u);
}

TEST(LoadDataset, MissingDataSaysWhatToDo) {
  const TempDirectory directory;
  const auto mnist =
      LoadDataset({.name = "mnist", .search_path = {directory / "x", directory / "y"}});
  ExpectInvalid(mnist, "data set 'mnist': 'train-images-idx3-ubyte' (or .gz) is not in " +
                           directory / "x/mnist" + ", " + directory / "y/mnist");
  EXPECT_THAT(mnist.error().message(), AllOf(HasSubstr("scripts/fetch_mnist.sh"),
                                             HasSubstr("apt-get install dataset-fashion-mnist")));
  const DataOptions fashion = {.name = "fashion-mnist", .directory = directory.path()};
  ExpectInvalid(LoadDataset(fashion), "apt-get install dataset-fashion-mnist");
  ExpectInvalid(LoadDataset({.name = "digits", .directory = directory.path()}),
                "apt-get install --no-install-recommends python3-sklearn");
  ExpectInvalid(LoadDataset({.name = "cifar10", .directory = directory.path()}),
                "cifar-10-binary.tar.gz");
  ExpectInvalid(LoadDataset({.name = "idx:" + directory.path()}), "t10k-labels-idx1-ubyte");
  ExpectInvalid(LoadDataset({.name = "csv:" + directory / "none.csv"}),
                "none.csv' cannot be opened");
}

TEST(LoadDataset, OneMissingFileIsNamed) {
  const TempDirectory directory;
  WriteIdxFiles(directory, "mnist/", 3);
  std::filesystem::remove(directory / "mnist/t10k-images-idx3-ubyte.gz");
  ExpectInvalid(LoadDataset({.name = "mnist", .search_path = {directory / "x", directory.path()}}),
                "file '" + directory / "mnist/t10k-images-idx3-ubyte" + "' (or .gz) is missing");
}

TEST(LoadDataset, UnknownNamesListTheCandidates) {
  for (const char* name : {"", "minst", "mnist:", "mnist:x", "idx", "idx:", "csv:", "png:x"}) {
    ExpectInvalid(LoadDataset({.name = name}),
                  "data set '" + std::string(name) +
                      "': there is no such data set; known are fashion-mnist, mnist, digits, "
                      "cifar10, idx:DIR, csv:TRAIN[,TEST]");
  }
}

TEST(LoadDataset, PartsOfDifferentShapes) {
  const TempDirectory directory;
  WriteIdxFiles(directory, "", 3);
  directory.WriteGzip("t10k-images-idx3-ubyte.gz", MakeIdx({1, 2, 2}, {1, 2, 3, 4}));
  ExpectInvalid(LoadDataset({.name = "idx:" + directory.path()}),
                "training examples have the shape 1 x 1 x 2, its test examples 1 x 2 x 2");
}

TEST(LoadDataset, TrainLimitKeepsTheFirst) {
  const TempDirectory directory;
  WriteIdxFiles(directory, "", 6);
  const Dataset dataset = MustLoad({.name = "idx:" + directory.path(), .train_limit = 2});
  EXPECT_THAT(dataset.train().bytes, ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(dataset.train().labels, ElementsAre(0, 1));
  EXPECT_EQ(dataset.test().size(), 1u);
  EXPECT_EQ(dataset.classes(), 3);
  // The normalisation knows the two that remain alone.
  EXPECT_THAT(dataset.normalisation().mean, ElementsAre(FloatNear(.5f / 255, 1e-9f), 0));
  ExpectInvalid(LoadDataset({.name = "idx:" + directory.path(), .train_limit = 7}),
                "a limit of 7 training examples, but it has 6; allowed is 0 (all) to 6");
}

TEST(LoadDataset, HoldOutTakesTheLast) {
  const TempDirectory directory;
  WriteIdxFiles(directory, "", 6);
  const std::string name = "idx:" + directory.path();
  const Dataset dataset = MustLoad({.name = name, .hold_out = 2});
  EXPECT_THAT(dataset.train().labels, ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(dataset.test().bytes, ElementsAre(4, 0, 5, 0));
  EXPECT_THAT(dataset.test().labels, ElementsAre(1, 2));
  EXPECT_THAT(dataset.normalisation().mean, ElementsAre(FloatNear(1.5f / 255, 1e-9f), 0));
  const Dataset limited = MustLoad({.name = name, .train_limit = 1, .hold_out = 2});
  EXPECT_THAT(limited.train().bytes, ElementsAre(0, 0));
  EXPECT_EQ(limited.test().bytes, dataset.test().bytes);
  ExpectInvalid(LoadDataset({.name = name, .hold_out = 6}),
                "6 examples to hold out, but it has 6 for training");
  ExpectInvalid(LoadDataset({.name = name, .train_limit = 5, .hold_out = 2}),
                "a limit of 5 training examples, but it has 4");
}

TEST(LoadDataset, CsvSplitsAFifthOff) {
  const TempDirectory directory;
  directory.Write("t.csv", ToBytes("x,label\n0,0\n1,1\n2,0\n3,1\n4,0\n5,1\n6,0\n7,1\n8,0\n9,2\n"));
  const Dataset dataset = MustLoad({.name = "csv:t.csv", .directory = directory.path()});
  EXPECT_THAT(dataset.shape(), ElementsAre(1));
  EXPECT_EQ(dataset.classes(), 3);
  EXPECT_EQ(dataset.train().size(), 8u);
  EXPECT_THAT(dataset.test().values, ElementsAre(8, 9));
  directory.Write("one.csv", ToBytes("0,1\n"));
  ExpectInvalid(LoadDataset({.name = "csv:" + directory / "one.csv"}),
                "1 examples are too few to set 1 apart as the test set");
}

TEST(LoadDataset, CsvWithTestFile) {
  const TempDirectory directory;
  const std::string name = "csv:" + directory.Write("a.csv", ToBytes("1,2,0\n")) + "," +
                           directory.WriteGzip("b.csv.gz", ToBytes("3,4,1\n"));
  const Dataset dataset = MustLoad({.name = name});
  EXPECT_THAT(dataset.train().values, ElementsAre(1, 2));
  EXPECT_THAT(dataset.test().values, ElementsAre(3, 4));
  EXPECT_EQ(dataset.classes(), 2);
  directory.Write("a.csv", ToBytes("1,2,3,0\n"));
  ExpectInvalid(LoadDataset({.name = name}), "shape 3, its test examples 2");
}

TEST(LoadDataset, DigitsSetTheLast297Apart) {
  const TempDirectory directory;
  std::string line;
  for (int i = 0; i < 64; ++i) line += std::to_string(i % 17) + ",";
  std::string text;
  for (int i = 0; i < 300; ++i) text += line + std::to_string(i % 10) + "\n";
  directory.WriteGzip("digits.csv.gz", ToBytes(text));
  const Dataset dataset = MustLoad({.name = "digits", .directory = directory.path()});
  EXPECT_THAT(dataset.shape(), ElementsAre(1, 8, 8));
  EXPECT_EQ(dataset.train().size(), 3u);
  EXPECT_EQ(dataset.test().size(), 297u);
  EXPECT_EQ(dataset.test().labels[0], 3);
  EXPECT_EQ(dataset.train().values[16], 16);
  directory.WriteGzip("digits.csv.gz", ToBytes("1,2,3\n4,5,6\n"));
  ExpectInvalid(LoadDataset({.name = "digits", .directory = directory.path()}),
                "has 2 values a line, the digits have 64");
}

TEST(LoadDataset, Cifar10) {
  const TempDirectory directory;
  for (int i = 1; i <= 5; ++i) {
    Bytes record(3073, static_cast<std::uint8_t>(i));
    directory.Write("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin", record);
  }
  directory.WriteGzip("cifar-10-batches-bin/test_batch.bin.gz", Bytes(2 * 3073, 9));
  const Dataset dataset = MustLoad({.name = "cifar10", .directory = directory.path()});
  EXPECT_THAT(dataset.shape(), ElementsAre(3, 32, 32));
  EXPECT_EQ(dataset.classes(), 10);
  EXPECT_THAT(dataset.train().labels, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(dataset.test().labels, ElementsAre(9, 9));
}

TEST(LoadDataset, RealFashionMnist) {
  const DataOptions options = {.name = "fashion-mnist", .search_path = {}};
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  }
  const Dataset dataset = MustLoad(options);
  EXPECT_THAT(dataset.shape(), ElementsAre(1, 28, 28));
  EXPECT_EQ(dataset.train().size(), 60000u);
  EXPECT_EQ(dataset.test().size(), 10000u);
  const auto& labels = dataset.train().labels;
  EXPECT_THAT(std::vector(labels.begin(), labels.begin() + 5), ElementsAre(9, 0, 0, 3, 0));
  const auto& test = dataset.test().labels;
  EXPECT_THAT(std::vector(test.begin(), test.begin() + 3), ElementsAre(9, 2, 1));
  double sum = 0;
  for (const float mean : dataset.normalisation().mean) sum += mean;
  EXPECT_NEAR(sum / 784, 0.2860, 5e-5);
  EXPECT_NEAR(dataset.normalisation().deviation, 0.3530, 5e-5);
}

TEST(LoadDataset, RealDigits) {
  const auto dataset = LoadDataset({.name = "digits"});
  if (!dataset.ok()) GTEST_SKIP() << dataset.error().message();
  EXPECT_EQ(dataset.value().train().size(), 1500u);
  EXPECT_EQ(dataset.value().test().size(), 297u);
  EXPECT_EQ(dataset.value().classes(), 10);
}

}  // namespace
}  // namespace ndcao
