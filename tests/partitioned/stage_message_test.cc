#include "ndcao/partitioned/stage_message.h"

#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace ndcao {
namespace {

using Bytes = std::vector<std::byte>;

Bytes AnyBytes(std::size_t size) {
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
  return bytes;
}

struct Made {
  Bytes payload;
  StageMessage message;
};

void Fill(Made& made) {
  StageMessage& message = made.message;
  message.kind = static_cast<StageMessageKind>(
      *rc::gen::inRange<int>(0, static_cast<int>(kStageMessageKinds)));
  message.number = *rc::gen::arbitrary<std::uint16_t>();
  message.attempt = *rc::gen::arbitrary<std::uint32_t>();
  message.trial = {*rc::gen::arbitrary<std::uint64_t>()};
  const bool arrived = message.kind == StageMessageKind::kArrived;
  made.payload = AnyBytes(arrived ? 1 : 4 * *rc::gen::inRange<std::size_t>(0, 20));
  message.payload = made.payload;
}

RC_GTEST_PROP(StageMessageTest, WhatIsWrittenIsRead, ()) {
  Made made;
  Fill(made);
  const Bytes bytes = EncodeStageMessage(made.message);
  RC_ASSERT(bytes.size() == StageMessage::kHeaderBytes + made.payload.size());
  const Result<StageMessage> read = DecodeStageMessage(bytes);
  RC_ASSERT(read.ok());
  RC_ASSERT(read.value().kind == made.message.kind);
  RC_ASSERT(read.value().number == made.message.number);
  RC_ASSERT(read.value().attempt == made.message.attempt);
  RC_ASSERT(read.value().trial == made.message.trial);
  RC_ASSERT(std::ranges::equal(read.value().payload, made.payload));
}

RC_GTEST_PROP(StageMessageTest, AChangedOrCutMessageIsRefused, ()) {
  Made made;
  Fill(made);
  Bytes bytes = EncodeStageMessage(made.message);
  Bytes cut(bytes.begin(), bytes.begin() + *rc::gen::inRange<std::ptrdiff_t>(
                                               0, static_cast<std::ptrdiff_t>(bytes.size())));
  RC_ASSERT(!DecodeStageMessage(cut).ok());
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] ^= std::byte{*rc::gen::inRange<std::uint8_t>(1, 255)};
  RC_ASSERT(!DecodeStageMessage(bytes).ok());
}

RC_GTEST_PROP(StageMessageTest, ATrialsBeginningIsReadAsItWasWritten, ()) {
  TrialBegin begin;
  begin.base = *rc::gen::arbitrary<std::uint64_t>();
  begin.base_chain = *rc::gen::arbitrary<std::uint64_t>();
  begin.rows = *rc::gen::arbitrary<std::uint32_t>();
  begin.labels = *rc::gen::arbitrary<std::vector<std::int32_t>>();
  const Bytes bytes = begin.Encode();
  RC_ASSERT(TrialBegin::Decode(bytes).value() == begin);
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  RC_ASSERT(!TrialBegin::Decode(longer).ok());
}

}  // namespace
}  // namespace ndcao
