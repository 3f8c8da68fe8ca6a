// Stage files (docs/formats/stage.md), and the stages' snapshots that lie next to them.
#pragma once

#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/partitioned/stage_file.h"

namespace ndcao {

struct StageFile {
  StageHead head;
  ParameterVector values;  ///< Initial; empty if they were not asked for.
};

/// Written aside and renamed.
Status WriteStageFile(const std::string& path, const StageHead& head,
                      std::span<const float> values);
/// kInvalid if it is no stage file, kCorrupt if it is damaged; both name the file.
Result<StageFile> ReadStageFile(const std::string& path, bool with_values);

/// "DIR/stage-2.ndcao"
std::string StagePath(const std::string& directory, std::uint32_t stage);
/// Where a stage keeps its snapshots: the file's path without its ending.
std::string StageDirectory(const std::string& stage_file);
/// What the journal of the stage's run begins with.
std::uint64_t SpecHashOf(const StageHead& head);

}  // namespace ndcao
