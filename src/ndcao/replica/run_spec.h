// What a run is: everything its parameters depend on besides the measured losses. Immutable,
// hashed, and part of record 0 of the journal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/block/options.h"

namespace ndcao {

enum class RunMode { kSync, kAsync };
enum class ProbeTarget { kWeights, kActivations };
enum class ClockKind { kFixed, kPoisson, kHeavy };

/// A stretch of θ whose blocks have one period: a stage of a partitioned run.
struct ClockStretch {
  std::uint64_t end = 0;     ///< The first parameter behind it; it begins where the last one ends.
  std::uint32_t period = 1;  ///< Groups.

  friend bool operator==(const ClockStretch&, const ClockStretch&) = default;
};

/// The blocks' own clocks (asynchronous runs): a block moves after a number of groups drawn around
/// its period; periods are spread log-uniformly over [least, greatest], or follow from where in θ
/// the block begins.
struct ClockOptions {
  ClockKind kind = ClockKind::kFixed;
  std::uint32_t least = 1;
  std::uint32_t greatest = 1;
  std::vector<ClockStretch> stretches;  ///< In order; empty: a spread. `greatest` is their largest.

  friend bool operator==(const ClockOptions&, const ClockOptions&) = default;
};

/// Options for the blocks whose names match a regular expression.
struct BlockOverride {
  std::string pattern;  ///< ECMAScript, matched against the whole name of the block.
  BlockOptions options;

  /// Whether it is for a block of this name, from beginning to end. Fails if it is no pattern.
  Result<bool> Matches(const std::string& block) const;

  friend bool operator==(const BlockOverride&, const BlockOverride&) = default;
};

struct RunSpec {
  static constexpr int kFormat = 7;

  // What is minimised. The replica does not look at these; workers compare them.
  std::string model;       ///< A name of the zoo, or a TorchScript file.
  std::string model_hash;  ///< Of the file, if it is one.
  std::string data;
  std::string data_hash;
  std::string normalisation;
  std::uint32_t train_limit = 0;
  std::uint32_t hold_out = 0;
  std::string objective = "cross-entropy";
  std::string precision = "float32";
  std::string batch_norm = "eval";

  // How it is minimised.
  std::uint64_t seed = 1;
  RunMode mode = RunMode::kSync;
  ProbeTarget probe = ProbeTarget::kWeights;
  ActivationOptions activation;  ///< Of runs that probe activations.
  std::string blocks = "layer";  ///< As --blocks; pattern and file carry their text below.
  std::string blocks_text;
  GroupShape shape;
  std::uint32_t batch = 16;            ///< b: examples per evaluation; 0: the problem has none.
  std::uint32_t screening = 16;        ///< K: examples screened per example used; 0: no screening.
  std::uint64_t budget = 0;            ///< Image-forwards.
  std::uint32_t staleness_limit = 64;  ///< Groups: older records teach nothing.
  ClockOptions clock;
  std::optional<double> audit;  ///< The share of the groups that others evaluate again; none: 0.
  BlockOptions options;
  std::vector<BlockOverride> overrides;

  friend bool operator==(const RunSpec&, const RunSpec&) = default;

  /// Image-forwards of one group: b (M + K), or b (M + 1) without screening; evaluations where
  /// there are no examples.
  std::uint64_t group_cost() const;
  /// Groups that a block gathers at one place before it moves, at most: those of a round, or of the
  /// longest period if that is more.
  std::uint32_t gathered() const;
  /// Whether the run or some of its blocks have this optimizer.
  bool Uses(std::string_view optimizer) const;
  /// Options of a block, by its name: the first override that matches, or the run's.
  Result<BlockOptions> OptionsFor(const std::string& block) const;
  Status Validate() const;

 private:
  Status CheckShape(const BlockOptions& block) const;
  Status CheckPool() const;
  Status ValidateClock() const;
  Status ValidateAudit() const;
  Status ValidateActivations() const;
};

/// The spec as TOML, resolved and complete. Equal specs have equal texts.
std::string FormatRunSpec(const RunSpec& spec);
/// Reads what FormatRunSpec wrote; keys that are missing are errors, unknown ones too.
Result<RunSpec> ParseRunSpec(const std::string& text);
/// The same of what was kept or sent by somebody else: validated, too.
Result<RunSpec> ReadRunSpec(const std::string& text);

/// Names the first difference that keeps a worker with spec `mine` out of a run with spec `theirs`.
std::string DescribeDifference(const RunSpec& theirs, const RunSpec& mine);

}  // namespace ndcao
