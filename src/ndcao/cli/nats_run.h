// A run on a NATS server (docs/formats/nats.md).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "ndcao/cli/run_beat.h"
#include "ndcao/cli/run_home.h"
#include "ndcao/journal/nats/run_server.h"

namespace ndcao {

class NatsRun : public RunHome {
 public:
  /// Begins the run, or joins it if it was begun with the same spec. kInvalid, naming the first
  /// difference, if it was begun with another one. `products`: where the trained model goes.
  static Result<std::unique_ptr<NatsRun>> CreateOrJoin(std::unique_ptr<RunServer> server,
                                                       const std::string& run,
                                                       const RunSetup& setup,
                                                       const std::string& products);
  /// Opens a run that exists. `from_start`: no snapshot is used.
  static Result<std::unique_ptr<NatsRun>> Open(std::unique_ptr<RunServer> server,
                                               const std::string& run, const std::string& products,
                                               bool from_start);
  ~NatsRun() override;

  Journal& journal() override { return *journal_; }
  Result<Offset> End() override { return journal_->End(); }
  Result<Layout> ReadLayout() const override { return layout_; }
  ProblemSources Sources(const std::string& data_dir, double exec_timeout) const override;

  std::string name() const override;
  std::string WorkerName() const override { return server_->options().writer; }
  std::string BudgetOwner() const override { return journal_->creator(); }
  std::string HowToGoOn(bool helper) const override;
  std::string products() const override { return products_; }

  void SaveSnapshot(const Replica& replica, bool last) override;
  Result<bool> Reopen() override;
  void Beat(const SessionProgress& progress) override { beat_.Tell(progress); }
  void Leave() override;
  std::string Remarks() const override;

 protected:
  std::optional<Replica> Restore(const Layout& layout, Offset until) override;

 private:
  NatsRun(std::unique_ptr<RunServer> server, const std::string& run, const std::string& products)
      : server_(std::move(server)), run_(run), products_(products) {
    beat_.Begin(*server_, run_);
  }

  Status Begin(const RunSetup& setup);
  SpecRecord RecordZero() const;
  Status CheckRecordZero();
  Status ReadSpec(std::chrono::milliseconds wait);
  Status FetchInitial();
  Status FetchModel();
  Status OpenJournal(bool from_start);

  const std::unique_ptr<RunServer> server_;
  const std::string run_;
  const std::string products_;
  std::string spec_text_;
  std::string digest_;  // of the initial parameters, as the spec has it
  Layout layout_;
  std::string model_file_;           // this machine's copy of a TorchScript model
  std::vector<std::byte> snapshot_;  // the replica's state that the journal was opened at
  Offset snapshot_offset_ = 0;
  std::unique_ptr<NatsJournal> journal_;
  RunBeat beat_;
  std::atomic<bool> sending_ = false;  // a snapshot; or not allowed to
  std::jthread sender_;                // of a snapshot
};

}  // namespace ndcao
