// What a run is called on a NATS server: subjects, streams and keys (docs/formats/nats.md).
#pragma once

#include <cstdint>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

/// The bucket of what lasts (specs, manifests), and of what expires (heartbeats, leases).
inline constexpr char kRunsBucket[] = "ndcao";
inline constexpr char kAliveBucket[] = "ndcao_alive";

/// A run's or a writer's name becomes part of subjects: 1 to 64 letters, digits, '-' and '_'.
/// kInvalid, naming `flag`, otherwise.
Status CheckName(const std::string& flag, const std::string& name);
/// `text` with '_' for what a name may not hold, cut to 64 characters.
std::string AsName(const std::string& text);

std::string JournalStream(const std::string& run);
std::string BlobStream(const std::string& run);
/// Where `writer` publishes its records.
std::string JournalSubject(const std::string& run, const std::string& writer);
std::string BlobSubject(const std::string& run, const std::string& blob, std::uint64_t chunk);
/// The last token of a subject: who published there.
std::string LastToken(const std::string& subject);

std::string SpecKey(const std::string& run);
std::string ManifestKey(const std::string& run, const std::string& blob);
std::string AliveKey(const std::string& run, const std::string& writer);
std::string LeaseKey(const std::string& run);
std::string ClaimKey(const std::string& run, const std::string& name);
/// Where a stage of a partitioned run gets its messages.
std::string StageSubject(const std::string& run, std::uint32_t stage);

}  // namespace ndcao
