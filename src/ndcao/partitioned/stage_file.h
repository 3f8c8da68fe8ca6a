// The head of a stage file (docs/formats/stage.md): which part of which split, and what it takes to
// run it. The stage's initial parameters stand behind it in the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/stage_network.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/slice.h"

namespace ndcao {

/// How the batches of a run that probes activations pass through the stages; the same in all files
/// of a split.
struct BatchFlow {
  std::uint32_t in_flight = 0;        ///< Batches whose losses may be awaited; 0: weights.
  std::uint32_t keep_every = 0;       ///< Batches between two states that all stages keep.
  std::vector<std::uint32_t> probed;  ///< Sites that each stage probes.

  /// Of the stages before `stage` (from 1).
  std::uint32_t SitesBefore(std::uint32_t stage) const;
  std::uint32_t sites() const { return SitesBefore(static_cast<std::uint32_t>(probed.size()) + 1); }

  friend bool operator==(const BatchFlow&, const BatchFlow&) = default;
};

struct StageHead {
  std::uint32_t stage = 1;  ///< From 1.
  std::uint32_t stages = 2;
  std::uint64_t split = 0;        ///< The same in every file of a split, and in no other.
  std::string spec;               ///< The run's spec, as FormatRunSpec writes it.
  Layout layout;                  ///< Names and shapes of all tensors of the network.
  std::string initial_digest;     ///< Of all of θ at the start.
  std::uint64_t first = 0;        ///< Global index of the stage's first parameter.
  std::uint64_t parameters = 0;   ///< How many it has.
  std::uint64_t values_hash = 0;  ///< Hash64 of their initial values.
  std::uint64_t widest = 0;       ///< Values of one example at the widest cut of the network.
  StageModel model;
  BatchFlow flow;

  /// Which of the layout's tensors is the stage's first.
  std::size_t first_tensor() const;
  /// The stage's parameters, packed.
  Slice slice() const { return Slice({{first, 0, parameters}}); }
};

/// What a file begins with: magic, version, length and hash of the head.
inline constexpr std::size_t kStagePrefixBytes = 32;

/// Prefix and head.
std::vector<std::byte> EncodeStageHead(const StageHead& head);
/// The head's length, from the first kStagePrefixBytes bytes. kInvalid if this is no stage file, or
/// one of another version.
Result<std::uint64_t> DecodeStagePrefix(std::span<const std::byte> prefix);
/// From prefix and head. kCorrupt if they are not what was written.
Result<StageHead> DecodeStageHead(std::span<const std::byte> bytes);

}  // namespace ndcao
