// Records, directories and files for the journal's tests.
#pragma once

#include <rapidcheck.h>

#include <memory>
#include <string>
#include <vector>

#include "ndcao/journal/file/file_journal.h"
#include "ndcao/journal/journal.h"

namespace ndcao {

/// A group of `losses` losses; all its fields depend on `number`.
GroupRecord GroupOf(std::uint64_t number, std::size_t losses);

/// A record whose type and fields depend on `number`; 0 gives a spec.
Record RecordOf(std::uint64_t number);

/// Any record of any type; floats are any bits, so NaNs of all kinds among them.
rc::Gen<Record> AnyRecord();

/// A directory that is removed with the object.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  /// Removes what is in it.
  void Clear() const;
  const std::string& path() const { return path_; }
  /// Path of a journal's segment in this run directory.
  std::string Segment(Offset first) const;

 private:
  std::string path_;
};

/// Opens and fails the test if that fails.
std::unique_ptr<FileJournal> MustOpen(const std::string& directory,
                                      const FileJournalOptions& options = {});

/// All entries, each with consecutive offsets from 0 (checked).
Result<std::vector<Entry>> ReadAll(Journal& journal);

/// Equal bit for bit, NaNs included.
bool SameBits(const Record& a, const Record& b);

std::vector<std::byte> ReadFile(const std::string& path);
void OverwriteFile(const std::string& path, const std::vector<std::byte>& bytes);

}  // namespace ndcao
