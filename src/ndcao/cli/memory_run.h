// A run that nobody wants to keep (`--journal mem:`).
#pragma once

#include <string>

#include "ndcao/cli/run_home.h"
#include "ndcao/journal/memory/memory_journal.h"

namespace ndcao {

class MemoryRun : public RunHome {
 public:
  /// Writes record 0. `products`: where the trained model goes; empty: nowhere.
  static Result<std::unique_ptr<MemoryRun>> Create(const RunSetup& setup,
                                                   const std::string& products);

  Journal& journal() override { return journal_; }
  Result<Offset> End() override;
  Result<Layout> ReadLayout() const override { return layout_; }
  ProblemSources Sources(const std::string& data_dir, double exec_timeout) const override {
    return {data_dir, "", exec_timeout, initial_.size()};
  }
  std::string name() const override { return "in memory"; }
  std::string HowToGoOn(bool) const override { return ""; }
  std::string products() const override { return products_; }
  void SaveSnapshot(const Replica&, bool) override {}

 protected:
  std::optional<Replica> Restore(const Layout&, Offset) override { return std::nullopt; }

 private:
  explicit MemoryRun(std::string products) : products_(std::move(products)) {}

  const std::string products_;
  MemoryJournal journal_;
  Layout layout_;
};

}  // namespace ndcao
