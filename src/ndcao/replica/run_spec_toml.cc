// Run specs to and from TOML (toml++). One table of fields serves both directions, so that they
// cannot disagree.
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <type_traits>
#include <utility>

#include "ndcao/base/toml_text.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {
namespace {

template <typename E>
using Names = std::vector<std::pair<E, const char*>>;

const Names<RunMode> kModes = {{RunMode::kSync, "sync"}, {RunMode::kAsync, "async"}};
const Names<ProbeTarget> kProbes = {{ProbeTarget::kWeights, "weights"},
                                    {ProbeTarget::kActivations, "activations"}};
const Names<ActivationEstimator> kActivationEstimators = {
    {ActivationEstimator::kStrict, "strict"}, {ActivationEstimator::kLearned, "learned"}};
const Names<ClockKind> kClocks = {
    {ClockKind::kFixed, "fixed"}, {ClockKind::kPoisson, "poisson"}, {ClockKind::kHeavy, "heavy"}};
const Names<CaoEstimator> kEstimators = {{CaoEstimator::kLinear, "linear"},
                                         {CaoEstimator::kMonomial, "monomial"}};
const Names<CaoCentre> kCentres = {{CaoCentre::kBest, "best"}, {CaoCentre::kCurrent, "current"}};
const Names<CaoStep> kSteps = {{CaoStep::kConstant, "constant"},
                               {CaoStep::kLinear, "linear"},
                               {CaoStep::kDecaying, "decaying"}};

/// Writes fields into a table.
class TableWriter {
 public:
  void Field(const char* key, const std::string& value) { table.insert(key, value); }
  void Field(const char* key, bool value) { table.insert(key, value); }
  void Field(const char* key, double value) { table.insert(key, value); }
  template <typename T>
  requires std::is_integral_v<T>
  void Field(const char* key, T value) { table.insert(key, static_cast<std::int64_t>(value)); }
  void Field(const char* key, const std::optional<double>& value) {
    if (value) table.insert(key, *value);
  }
  template <typename E>
  void Field(const char* key, E value, const Names<E>& names) {
    for (const auto& [candidate, name] : names) {
      if (candidate == value) table.insert(key, name);
    }
  }
  template <typename Visit>
  void Table(const char* key, Visit visit) {
    TableWriter inner;
    visit(inner);
    table.insert(key, std::move(inner.table));
  }

  toml::table table;
};

/// Reads fields from a table; remembers the first thing that is wrong.
class TableReader {
 public:
  TableReader(const toml::table& table, std::string path, std::string& problem)
      : table_(table), path_(std::move(path)), problem_(problem) {}

  template <typename T>
  void Field(const char* key, T& value) {
    seen_.insert(key);
    using Stored = std::conditional_t<
        std::is_same_v<T, bool>, bool,
        std::conditional_t<std::is_integral_v<T>, std::int64_t,
                           std::conditional_t<std::is_floating_point_v<T>, double, std::string>>>;
    const auto stored = table_[key].value<Stored>();
    if (!stored) return Complain(key, "is missing or of the wrong type");
    if constexpr (std::is_same_v<Stored, std::int64_t> && sizeof(T) < sizeof(Stored)) {
      if (!std::in_range<T>(*stored)) return Complain(key, "is out of range");
    }
    value = static_cast<T>(*stored);
  }
  void Field(const char* key, std::optional<double>& value) {
    seen_.insert(key);
    value = table_[key].value<double>();
  }
  template <typename E>
  void Field(const char* key, E& value, const Names<E>& names) {
    seen_.insert(key);
    const auto stored = table_[key].value<std::string>();
    for (const auto& [candidate, name] : names) {
      if (stored == name) {
        value = candidate;
        return;
      }
    }
    Complain(key, "is missing or has an unknown value");
  }
  template <typename Visit>
  void Table(const char* key, Visit visit) {
    seen_.insert(key);
    const toml::table* inner = table_[key].as_table();
    if (inner == nullptr) return Complain(key, "is missing");
    TableReader reader(*inner, path_ + key + ".", problem_);
    visit(reader);
    reader.Finish();
  }
  void Allow(const char* key) { seen_.insert(key); }
  void Finish() {
    for (const auto& [key, value] : table_) {
      if (!seen_.contains(std::string(key.str()))) Complain(key.str(), "is unknown");
    }
  }

 private:
  void Complain(std::string_view key, const char* what) {
    if (problem_.empty()) problem_ = fmt::format("'{}{}' {}", path_, key, what);
  }

  const toml::table& table_;
  std::string path_;
  std::string& problem_;
  std::set<std::string> seen_;
};

template <typename Visitor, typename Options>
void VisitOptions(Visitor& v, Options& o) {
  v.Field("optimizer", o.optimizer);
  v.Field("sigma", o.sigma);
  v.Field("sigma_end", o.sigma_end);
  v.Field("frozen", o.frozen);
  v.Field("loss_floor", o.loss_floor);
  v.Table("noise_budget", [&](auto& t) {
    t.Field("eps", o.noise_budget.eps);
    t.Field("clip", o.noise_budget.clip);
    t.Field("regain", o.noise_budget.regain);
    t.Field("guard", o.noise_budget.guard);
  });
  v.Table("peer", [&](auto& t) {
    t.Field("rate", o.peer.rate);
    t.Field("sigma_rate", o.peer.sigma_rate);
  });
  v.Table("cao", [&](auto& t) {
    t.Field("estimator", o.cao.estimator, kEstimators);
    t.Field("window", o.cao.window);
    t.Field("monomials", o.cao.monomials);
    t.Field("candidates", o.cao.candidates);
    t.Field("ridge", o.cao.ridge);
    t.Field("centre", o.cao.centre, kCentres);
    t.Field("schedule", o.cao.schedule, kSteps);
    t.Field("step", o.cao.step);
    t.Field("step_floor", o.cao.step_floor);
    t.Field("keep_largest", o.cao.keep_largest);
    t.Field("coordinate", o.cao.coordinate);
  });
}

template <typename Visitor, typename Stretch>
void VisitStretch(Visitor& v, Stretch& s) {
  v.Field("end", s.end);
  v.Field("period", s.period);
}

template <typename Visitor, typename Spec>
void VisitSpec(Visitor& v, Spec& s) {
  v.Field("model", s.model);
  v.Field("model_hash", s.model_hash);
  v.Field("data", s.data);
  v.Field("data_hash", s.data_hash);
  v.Field("normalisation", s.normalisation);
  v.Field("train_limit", s.train_limit);
  v.Field("hold_out", s.hold_out);
  v.Field("objective", s.objective);
  v.Field("precision", s.precision);
  v.Field("batch_norm", s.batch_norm);
  v.Field("seed", s.seed);
  v.Field("mode", s.mode, kModes);
  v.Field("probe", s.probe, kProbes);
  v.Table("activation", [&](auto& t) {
    t.Field("estimator", s.activation.estimator, kActivationEstimators);
    t.Field("rate", s.activation.rate);
    t.Field("sigma", s.activation.sigma);
    t.Field("probes", s.activation.probes);
  });
  v.Field("blocks", s.blocks);
  v.Field("blocks_text", s.blocks_text);
  v.Field("batch", s.batch);
  v.Field("screening", s.screening);
  v.Field("budget", s.budget);
  v.Field("staleness_limit", s.staleness_limit);
  v.Field("audit", s.audit);
  v.Table("group", [&](auto& t) {
    t.Field("evaluations", s.shape.evaluations);
    t.Field("centre", s.shape.centre);
    t.Field("screening", s.shape.screening);
    t.Field("slots", s.shape.slots);
  });
  v.Table("clock", [&](auto& t) {
    t.Field("kind", s.clock.kind, kClocks);
    t.Field("least", s.clock.least);
    t.Field("greatest", s.clock.greatest);
  });
  v.Table("options", [&](auto& t) { VisitOptions(t, s.options); });
}

// Reads every entry of an array of tables, if there is one.
void ReadTables(const toml::table& table, const std::string& key, std::string& problem,
                const std::function<void(TableReader&)>& read) {
  const toml::array* entries = table[key].as_array();
  if (entries == nullptr) return;
  for (const toml::node& node : *entries) {
    if (!node.is_table()) {
      problem = fmt::format("'{}' is no array of tables", key);
      return;
    }
    TableReader entry(*node.as_table(), key + ".", problem);
    read(entry);
    entry.Finish();
  }
}

}  // namespace

std::string FormatRunSpec(const RunSpec& spec) {
  TableWriter writer;
  writer.Field("format", RunSpec::kFormat);
  VisitSpec(writer, spec);
  toml::array overrides;
  for (const BlockOverride& o : spec.overrides) {
    TableWriter entry;
    entry.Field("pattern", o.pattern);
    VisitOptions(entry, o.options);
    overrides.push_back(std::move(entry.table));
  }
  if (!overrides.empty()) writer.table.insert("block", std::move(overrides));
  toml::array stretches;
  for (const ClockStretch& stretch : spec.clock.stretches) {
    TableWriter entry;
    VisitStretch(entry, stretch);
    stretches.push_back(std::move(entry.table));
  }
  if (!stretches.empty()) writer.table.insert("clock_stretch", std::move(stretches));
  std::ostringstream text;
  text << writer.table << "\n";
  return text.str();
}

namespace {

// Older formats whose fold is the same: 4 changed the arithmetic of activation probing, 5 that of
// blocks with clocks of their own, 6 that of random search.
constexpr int kOldestFormat = 3;

int OldestFormatOf(const RunSpec& spec) {
  if (spec.Uses("random-search")) return 6;
  if (spec.probe == ProbeTarget::kActivations) return 4;
  return spec.mode == RunMode::kAsync && spec.clock.greatest > 1 ? 5 : kOldestFormat;
}

Status CheckFormat(std::int64_t format, int oldest) {
  if (format >= oldest && format <= RunSpec::kFormat) return Ok();
  return Invalid(fmt::format("run spec: format {}, but of such a run this program reads {}", format,
                             oldest == RunSpec::kFormat
                                 ? fmt::format("format {} alone", oldest)
                                 : fmt::format("formats {} to {}", oldest, RunSpec::kFormat)));
}

// Before format 6 perturbations were as large at the end as at the beginning, and a step that had
// been halved stayed so. Format 7 has other rules of the guard.
void CompleteOptions(std::int64_t format, toml::table& options) {
  if (format < 6) options.insert("sigma_end", 0.0);
  toml::table* own = options["noise_budget"].as_table();
  if (own == nullptr) return;
  if (format < 6) own->insert("regain", 0.0);
  own->insert("guard", 1);
}

void CompleteOlder(std::int64_t format, toml::table& table) {
  if (toml::table* options = table["options"].as_table()) CompleteOptions(format, *options);
  toml::array* blocks = table["block"].as_array();
  if (blocks == nullptr) return;
  for (toml::node& block : *blocks) {
    if (block.is_table()) CompleteOptions(format, *block.as_table());
  }
}

}  // namespace

Result<RunSpec> ParseRunSpec(const std::string& text) {
  const Result<toml::table> parsed = ParseToml(text);
  if (!parsed.ok()) return parsed.error().Context("run spec");
  toml::table table = parsed.value();
  const std::int64_t format = table["format"].value_or(std::int64_t{-1});
  NDCAO_TRY(CheckFormat(format, kOldestFormat));
  if (format < RunSpec::kFormat) CompleteOlder(format, table);
  RunSpec spec;
  std::string problem;
  TableReader reader(table, "", problem);
  reader.Allow("format");
  reader.Allow("block");
  reader.Allow("clock_stretch");
  VisitSpec(reader, spec);
  ReadTables(table, "block", problem, [&](TableReader& entry) {
    BlockOverride& o = spec.overrides.emplace_back();
    entry.Field("pattern", o.pattern);
    VisitOptions(entry, o.options);
  });
  ReadTables(table, "clock_stretch", problem,
             [&](TableReader& entry) { VisitStretch(entry, spec.clock.stretches.emplace_back()); });
  reader.Finish();
  if (!problem.empty()) return Invalid("run spec: " + problem);
  NDCAO_TRY(CheckFormat(format, OldestFormatOf(spec)));
  return spec;
}

Result<RunSpec> ReadRunSpec(const std::string& text) {
  NDCAO_ASSIGN(RunSpec spec, ParseRunSpec(text));
  const Status valid = spec.Validate();
  if (!valid.ok()) return valid.error().Context("run spec");
  return spec;
}

}  // namespace ndcao
