#include "test_records.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>

#include "ndcao/journal/codec.h"
#include "ndcao/journal/file/segment.h"

namespace ndcao {
namespace {

rc::Gen<float> AnyFloat() {
  return rc::gen::map(rc::gen::arbitrary<std::uint32_t>(),
                      [](std::uint32_t bits) { return std::bit_cast<float>(bits); });
}

rc::Gen<Record> AnyGroup() {
  return rc::gen::exec([] {
    GroupRecord r;
    r.trial.value = *rc::gen::arbitrary<std::uint64_t>();
    r.base = *rc::gen::arbitrary<Offset>();
    r.base_chain = *rc::gen::arbitrary<std::uint64_t>();
    r.worker = *rc::gen::arbitrary<WorkerId>();
    r.examples = *rc::gen::arbitrary<std::uint32_t>();
    r.centre = *AnyFloat();
    r.losses = *rc::gen::container<std::vector<float>>(AnyFloat());
    return Record(r);
  });
}

rc::Gen<Record> AnyMark() {
  return rc::gen::exec([] {
    MarkRecord r;
    r.worker = *rc::gen::arbitrary<WorkerId>();
    r.at = *rc::gen::arbitrary<Offset>();
    r.image_forwards = *rc::gen::arbitrary<std::uint64_t>();
    r.seconds = *rc::gen::arbitrary<double>();
    r.train_loss = *AnyFloat();
    r.test_loss = *AnyFloat();
    r.test_accuracy = *AnyFloat();
    r.note = *rc::gen::arbitrary<std::string>();
    return Record(r);
  });
}

}  // namespace

GroupRecord GroupOf(std::uint64_t number, std::size_t losses) {
  GroupRecord r;
  r.trial = TrialId::Sync(number / 4, static_cast<std::uint32_t>(number % 4));
  r.base = number / 2;
  r.base_chain = number * 0x9e3779b97f4a7c15;
  r.worker = static_cast<WorkerId>(number % 7);
  r.examples = 256;
  r.centre = 0.5F + static_cast<float>(number);
  for (std::size_t i = 0; i < losses; ++i) r.losses.push_back(r.centre + static_cast<float>(i));
  return r;
}

Record RecordOf(std::uint64_t number) {
  const auto worker = static_cast<WorkerId>(number % 5);
  const std::string text(number % 23, static_cast<char>('a' + number % 26));
  switch (number % 9) {
    case 0:
      return SpecRecord{"seed = " + text, number, std::string(32, 'f')};
    case 1:
      return JoinRecord{text};
    case 2:
      return GroupOf(number, number % 19);
    case 3:
      return DigestRecord{worker, number, std::string(32, 'd')};
    case 4:
      return BudgetRecord{number};
    case 5:
      return DecisionRecord{worker, number, text};
    case 6:
      return MarkRecord{worker, number, number, 0.25, 1, 2, 0.5F, text};
    case 7:
      return AuditRecord{worker, number, 0.5F, GroupOf(number, number % 19).losses};
    default:
      return KeptRecord{worker, 3, number, number / 2, std::string(32, 'k')};
  }
}

rc::Gen<Record> AnyRecord() {
  using rc::gen::arbitrary;
  const auto text = arbitrary<std::string>();
  const auto number = arbitrary<std::uint64_t>();
  const auto worker = arbitrary<WorkerId>();
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::tuple(text, number, text),
                   [](const auto& t) { return Record(std::make_from_tuple<SpecRecord>(t)); }),
      rc::gen::map(text, [](const std::string& name) { return Record(JoinRecord{name}); }),
      AnyGroup(),
      rc::gen::map(rc::gen::tuple(worker, number, text),
                   [](const auto& t) { return Record(std::make_from_tuple<DigestRecord>(t)); }),
      rc::gen::map(number, [](std::uint64_t n) { return Record(BudgetRecord{n}); }),
      rc::gen::map(rc::gen::tuple(worker, number, text),
                   [](const auto& t) { return Record(std::make_from_tuple<DecisionRecord>(t)); }),
      rc::gen::map(rc::gen::tuple(worker, worker, number, number, text),
                   [](const auto& t) { return Record(std::make_from_tuple<KeptRecord>(t)); }),
      AnyMark(), rc::gen::map(AnyGroup(), [](const Record& record) {
        const auto& group = std::get<GroupRecord>(record);
        return Record(AuditRecord{group.worker, group.base, group.centre, group.losses});
      }));
}

// In memory where the system has that: most of these tests open and sync thousands of files.
TempDirectory::TempDirectory() {
  const bool in_memory = ::access("/dev/shm", W_OK) == 0;
  const std::string parent = in_memory ? "/dev/shm" : testing::TempDir();
  std::string pattern = parent + "/ndcao_journal_XXXXXX";
  path_ = ::mkdtemp(pattern.data());
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TempDirectory::Clear() const {
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    std::filesystem::remove_all(entry.path());
  }
}

std::string TempDirectory::Segment(Offset first) const {
  return path_ + "/journal/" + SegmentName(first);
}

std::unique_ptr<FileJournal> MustOpen(const std::string& directory,
                                      const FileJournalOptions& options) {
  auto journal = FileJournal::Open(directory, options);
  if (!journal.ok()) {
    ADD_FAILURE() << journal.error().message();
    return nullptr;
  }
  return std::move(journal).value();
}

Result<std::vector<Entry>> ReadAll(Journal& journal) {
  std::vector<Entry> all;
  for (;;) {
    NDCAO_ASSIGN(std::vector<Entry> some,
                 journal.Read(all.size(), 100, std::chrono::milliseconds(0)));
    if (some.empty()) return all;
    for (Entry& entry : some) {
      EXPECT_EQ(entry.offset, all.size());
      all.push_back(std::move(entry));
    }
  }
}

bool SameBits(const Record& a, const Record& b) { return EncodeRecord(a) == EncodeRecord(b); }

std::vector<std::byte> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void OverwriteFile(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  ASSERT_TRUE(out.good()) << path;
}

}  // namespace ndcao
