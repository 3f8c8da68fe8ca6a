// Arbitrary bytes as a message between stages, as a trial's beginning, as a piece of the test
// set and as a stage file's head: they may be refused, but never crash, and what is accepted is
// written in the same way.
//
// The first byte chooses which. A head gets a good prefix, so that the bytes reach its fields.
#include <algorithm>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/partitioned/stage_file.h"
#include "ndcao/partitioned/stage_message.h"
#include "ndcao/partitioned/test_pieces.h"

namespace ndcao {
namespace {

using Bytes = std::span<const std::byte>;

void FuzzMessage(Bytes bytes) {
  const Result<StageMessage> message = DecodeStageMessage(bytes);
  if (message.ok()) NDCAO_CHECK(std::ranges::equal(EncodeStageMessage(message.value()), bytes));
}

void FuzzBegin(Bytes bytes) {
  const Result<TrialBegin> begin = TrialBegin::Decode(bytes);
  if (begin.ok()) NDCAO_CHECK(std::ranges::equal(begin.value().Encode(), bytes));
}

// The last stage scores what it is told, whatever the labels and the number of pieces are.
void FuzzTest(Bytes bytes) {
  constexpr std::uint64_t kClasses = 4;
  static const auto& objective = *MakeObjective("zero-one").value().release();
  TestSink sink(objective, kClasses);
  if (!sink.Begin({StageMessageKind::kTestBegin, 0, 1, kTestTrial, bytes}).ok()) return;
  const std::size_t labels = bytes.size() / sizeof(std::int32_t) - 1;
  (void)sink.Take({StageMessageKind::kTest, 0, 1, kTestTrial, {}},
                  std::vector<float>(labels * kClasses));
}

void FuzzHead(Bytes bytes) {
  (void)DecodeStageHead(bytes);
  ByteWriter out;
  out.PutAll(Bytes(EncodeStageHead({})).first(16));
  out.Put(static_cast<std::uint64_t>(bytes.size()));
  out.Put(Hash64(bytes));
  out.PutAll(bytes);
  const Result<StageHead> head = DecodeStageHead(out.bytes());
  if (head.ok()) NDCAO_CHECK(EncodeStageHead(head.value()) == out.bytes());
}

}  // namespace
}  // namespace ndcao

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ndcao::Bytes bytes = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 4) {
    case 0:
      ndcao::FuzzMessage(bytes);
      break;
    case 1:
      ndcao::FuzzBegin(bytes);
      break;
    case 2:
      ndcao::FuzzTest(bytes);
      break;
    default:
      ndcao::FuzzHead(bytes);
  }
  return 0;
}
