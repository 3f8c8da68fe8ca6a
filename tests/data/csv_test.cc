#include "ndcao/data/csv.h"

#include "test_files.h"

namespace ndcao {
namespace {

using testing::ElementsAre;

TEST(ParseCsv, LastColumnIsTheClass) {
  const auto part = ParseCsv("1,-2.5,0\n1e2,.5,3\n", "f");
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_THAT(part.value().shape, ElementsAre(2));
  EXPECT_THAT(part.value().examples.values, ElementsAre(1, -2.5f, 100, .5f));
  EXPECT_THAT(part.value().examples.labels, ElementsAre(0, 3));
  EXPECT_TRUE(part.value().examples.bytes.empty());
}

TEST(ParseCsv, ColumnNamedLabelIsTheClass) {
  for (const char* header : {"label,a,b", "\"label\",\"0\",\"1\"", " label , 0, 1 "}) {
    const auto part = ParseCsv(std::string(header) + "\n7,1,2\n", "f");
    ASSERT_TRUE(part.ok()) << header << ": " << part.error().message();
    EXPECT_THAT(part.value().examples.values, ElementsAre(1, 2));
    EXPECT_THAT(part.value().examples.labels, ElementsAre(7));
  }
}

TEST(ParseCsv, NamesWithoutLabelAreSkipped) {
  const auto part = ParseCsv("height,\"width\",kind\n1,2,4\n", "f");
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_THAT(part.value().examples.labels, ElementsAre(4));
}

TEST(ParseCsv, ToleratesBlanksLineEndsAndByteOrderMark) {
  const auto part = ParseCsv("\xef\xbb\xbf 1 ,\t2, 0\r\n\r\n  \n3,4,1", "f");
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_THAT(part.value().examples.values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(part.value().examples.labels, ElementsAre(0, 1));
}

TEST(ParseCsv, NumbersTooSmallForFloat32AreZero) {
  const auto part = ParseCsv("1e-60,0\n", "f");
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_THAT(part.value().examples.values, ElementsAre(0));
}

struct BadCsv {
  std::string text;
  std::string message;
};

TEST(ParseCsv, ErrorsNameLineAndColumn) {
  const std::string range = "is not a class number in 0..65535";
  const std::vector<BadCsv> cases = {
      {"", "file 'f' holds no line of numbers"},
      {"a,b,label\n", "file 'f' holds no line of numbers"},
      {"1\n", "file 'f', line 1: 1 column, at least 2 are needed"},
      {"1,2,0\n\n1,2\n", "file 'f', line 3: 2 columns, but the first line has 3"},
      {"1,2,0\n1,2,3,0\n", "line 2: 4 columns"},
      {"1,2,0,\n", "line 1, column 4: '' " + range},
      {"1,2x,0\n", "line 1, column 2: '2x' is not a finite number"},
      {"1,2,0\n3,,0\n", "line 2, column 2: '' is not a finite number"},
      {"1,2,0\n3,nan,0\n", "line 2, column 2: 'nan' is not a finite number"},
      {"1,2,0\n-inf,3,0\n", "line 2, column 1: '-inf' is not a finite number"},
      {"1,2,0\n1e39,3,0\n", "line 2, column 1: '1e39' is not a finite number"},
      {"1,2,0\n1e999,3,0\n", "line 2, column 1: '1e999' is not a finite number"},
      {"1,2,0\n\"3\",3,0\n", "line 2, column 1: '\"3\"' is not a finite number"},
      {"1,2,0\n3,4,1.0\n", "line 2, column 3: '1.0' " + range},
      {"1,2,0\n3,4,-1\n", "line 2, column 3: '-1' " + range},
      {"1,2,0\n3,4,65536\n", "line 2, column 3: '65536' " + range},
      {"label,x\n1,2\nq,3\n", "line 3, column 1: 'q' " + range},
      {"1,\x01\x7f,0\n", "line 1, column 2: '\?\?' is not"},
      {"1," + std::string(1000, 'x') + ",0\n", "'" + std::string(30, 'x') + "…' is not"},
  };
  for (const BadCsv& bad : cases) ExpectInvalid(ParseCsv(bad.text, "f"), bad.message);
}

TEST(ReadCsv, ReadsGzip) {
  const TempDirectory directory;
  const auto part = ReadCsv(directory.WriteGzip("table.csv.gz", ToBytes("1,2,0\n3,4,1\n")));
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_THAT(part.value().examples.values, ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace ndcao
