// Scripted scenarios with golden traces. A script is a list of commands, each with the lines that
// it must print behind "----". To write the traces anew: NDCAO_REWRITE=1 replica_test.
//
//   new sync|async slots=N groups=N limit=N periods=A..B audit=P
//   join NAME             a worker joins
//   take NAME [SLOT]      it takes a trial (a slot of the round, or its next one) and measures it
//   append NAME           its record reaches the journal; it may be appended again
//   lie NAME              from now on it tells the negative of what it measures
//   audit NAME            it evaluates the oldest group that it is asked for again, and says so
//   budget GROUPS         a budget record
//   state                 where the run stands
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "replica/fold_driver.h"

namespace ndcao {
namespace {

class Scenario {
 public:
  std::string Run(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "new") return New(words);
    if (command == "join") return Join(words);
    if (command == "take") return Take(words);
    if (command == "append") return Append(words);
    if (command == "lie") return Lie(words);
    if (command == "audit") return Audit(words);
    if (command == "budget") return Budget(words);
    if (command == "state") return State();
    return "unknown command\n";
  }

 private:
  struct Member {
    WorkerId id = 0;
    std::uint64_t counter = 0;
    GroupRecord record;
    bool lies = false;
  };

  std::string New(std::istringstream& words) {
    RunSpec spec = QuadraticSpec(100);
    std::uint64_t groups = 8;
    for (std::string word; words >> word;) {
      const auto equals = word.find('=');
      const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
      const std::string key = word.substr(0, equals);
      if (key == "async") spec.mode = RunMode::kAsync;
      if (key == "slots") spec.shape.slots = static_cast<std::uint32_t>(std::stoul(value));
      if (key == "groups") groups = std::stoull(value);
      if (key == "audit") spec.audit = std::stod(value);
      if (key == "limit") spec.staleness_limit = static_cast<std::uint32_t>(std::stoul(value));
      if (key == "periods") {
        spec.clock.least = static_cast<std::uint32_t>(std::stoul(value));
        spec.clock.greatest =
            static_cast<std::uint32_t>(std::stoul(value.substr(value.find("..") + 2)));
      }
    }
    spec.budget = groups * spec.group_cost();
    replica_.emplace(Replica::Create(spec, QuadraticLayout(), ParameterVector(40, 0.0f)).value());
    members_.clear();
    trials_.clear();
    return fmt::format("budget of {} groups\n", replica_->horizon());
  }

  std::string Join(std::istringstream& words) {
    std::string name;
    words >> name;
    members_[name].id = replica_->joins();
    Fold(*replica_, JoinRecord{name});
    return fmt::format("{} is worker {}\n", name, members_[name].id);
  }

  std::string Take(std::istringstream& words) {
    std::string name;
    words >> name;
    Member& member = members_[name];
    const RoundView view = replica_->round();
    TrialId id = TrialId::Async(member.id, member.counter++);
    if (replica_->spec().mode == RunMode::kSync) {
      std::uint32_t slot = view.open_slots.front();
      words >> slot;
      id = TrialId::Sync(view.round, slot);
    }
    const Trial trial = replica_->NewTrial(id);
    trials_.insert_or_assign(id, trial);
    member.record = Told(member, trial, *replica_);
    return fmt::format("{} at record {}\n", Name(id), member.record.base);
  }

  std::string Append(std::istringstream& words) {
    std::string name;
    words >> name;
    const Member& member = members_[name];
    const std::string before = replica_->digest();
    const Offset offset = replica_->next_offset();
    journaled_[offset] = member.record.trial;
    const Outcome outcome = Fold(*replica_, member.record);
    static constexpr const char* kOutcomes[] = {"folded",  "duplicate", "stale",
                                                "foreign", "unwanted",  "excluded"};
    return fmt::format("record {}: {} {}, parameters {}\n", offset, Name(member.record.trial),
                       kOutcomes[static_cast<int>(outcome)],
                       before == replica_->digest() ? "stay" : "move");
  }

  static GroupRecord Told(const Member& member, const Trial& trial, const Replica& replica) {
    GroupRecord record = Measure(replica, trial, member.id);
    if (!member.lies) return record;
    record.centre = -record.centre;
    for (float& loss : record.losses) loss = -loss;
    return record;
  }

  std::string Lie(std::istringstream& words) {
    std::string name;
    words >> name;
    members_[name].lies = true;
    return name + " lies\n";
  }

  std::string Audit(std::istringstream& words) {
    std::string name;
    words >> name;
    const Member& member = members_[name];
    for (const Offset at : replica_->audits()->open()) {
      if (!replica_->audits()->Awaits(at, member.id, replica_->counters().groups)) continue;
      const TrialId trial = journaled_.at(at);
      const GroupRecord group = Told(member, trials_.at(trial), *replica_);
      const Offset offset = replica_->next_offset();
      Fold(*replica_, AuditRecord{member.id, at, group.centre, group.losses});
      std::string text = fmt::format("record {}: {} again\n", offset, Name(trial));
      for (const std::string& decision : replica_->TakeDecisions()) text += decision + "\n";
      return text;
    }
    return name + " is not asked\n";
  }

  std::string Budget(std::istringstream& words) {
    std::uint64_t groups = 0;
    words >> groups;
    Fold(*replica_, BudgetRecord{groups * replica_->spec().group_cost()});
    return fmt::format("budget of {} groups\n", replica_->horizon());
  }

  std::string State() const {
    const ReplicaCounters& c = replica_->counters();
    std::string text = fmt::format("{} groups, {} duplicates, {} stale, {} foreign", c.groups,
                                   c.duplicates, c.stale, c.foreign);
    if (const AuditLedger* audits = replica_->audits()) {
      text += fmt::format(", {} audits, {} disputed, {} of the excluded", audits->counters().done,
                          audits->counters().disputed, c.excluded);
    }
    return text + (replica_->done() ? ", done\n" : "\n");
  }

  static std::string Name(TrialId id) {
    return id.is_async() ? fmt::format("group {} of worker {}", id.counter(), id.worker())
                         : fmt::format("round {} slot {}", id.round(), id.slot());
  }

  std::optional<Replica> replica_;
  std::map<std::string, Member> members_;
  std::map<TrialId, Trial> trials_;      // as they were taken
  std::map<Offset, TrialId> journaled_;  // groups, by their record
};

/// Runs a script; returns it with the traces that it printed.
std::string Play(const std::string& script) {
  Scenario scenario;
  std::string played;
  std::istringstream lines(script);
  bool in_trace = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) in_trace = false;
    if (in_trace) continue;
    played += line + "\n";
    if (line.empty() || line[0] == '#') continue;
    played += "----\n" + scenario.Run(line);
    in_trace = true;
  }
  return played;
}

class ScenarioTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(ScenarioTest, PrintsItsGoldenTrace) {
  std::ifstream file(GetParam());
  std::ostringstream script;
  script << file.rdbuf();
  const std::string played = Play(script.str());
  if (std::getenv("NDCAO_REWRITE") != nullptr) {
    std::ofstream(GetParam()) << played;
    return;
  }
  EXPECT_EQ(played, script.str());
}

std::vector<std::filesystem::path> Scripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(SCENARIO_DIR)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Scripts, ScenarioTest, testing::ValuesIn(Scripts()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace ndcao
