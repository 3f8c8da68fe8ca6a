// A message's framing, and what the filter accepts.
#include <gtest/gtest.h>
// rapidcheck/gtest.h wants gtest first
#include <rapidcheck/gtest.h>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "ndcao/journal/nats/manifest.h"
#include "ndcao/journal/nats/message.h"
#include "ndcao/journal/nats/names.h"
#include "ndcao/journal/nats/record_filter.h"
#include "test_records.h"

namespace ndcao {
namespace {

using Bytes = std::vector<std::byte>;

const SpecRecord kSpec{"a spec", 3, "digest"};
const std::uint64_t kHash = Hash64(EncodeRecord(kSpec));

Bytes Message(std::uint64_t writer, std::uint32_t number, const std::vector<Record>& records,
              std::uint64_t spec_hash = kHash) {
  JournalMessage message{writer, number, spec_hash, {}};
  for (const Record& record : records) message.payloads.push_back(EncodeRecord(record));
  return EncodeMessage(message);
}

/// Feeds messages to a filter and keeps what comes out.
struct Stream {
  RecordFilter filter;
  std::vector<Entry> entries;

  std::optional<Drop> Put(const Bytes& bytes, const std::string& name = "ann") {
    return filter.Take(name, bytes, entries);
  }
  void Begin() { ASSERT_EQ(Put(Message(1, 0, {kSpec})), std::nullopt); }
  std::uint64_t dropped(Drop drop) const { return filter.drops()[static_cast<std::size_t>(drop)]; }
};

GroupRecord GroupOfWorker(WorkerId worker) {
  GroupRecord group = GroupOf(7, 4);
  group.worker = worker;
  return group;
}

RC_GTEST_PROP(NatsMessage, ComesBack, ()) {
  JournalMessage message{*rc::gen::arbitrary<std::uint64_t>(),
                         *rc::gen::arbitrary<std::uint32_t>(),
                         *rc::gen::arbitrary<std::uint64_t>(),
                         {}};
  const auto records = *rc::gen::nonEmpty(rc::gen::container<std::vector<Record>>(AnyRecord()));
  std::size_t size = kMessageOverhead;
  for (const Record& record : records) {
    message.payloads.push_back(EncodeRecord(record));
    size += kRecordOverhead + message.payloads.back().size();
  }
  const Bytes bytes = EncodeMessage(message);
  RC_ASSERT(bytes.size() == size);
  const Result<JournalMessage> again = DecodeMessage(bytes);
  RC_ASSERT(again.ok());
  RC_ASSERT(again.value().writer == message.writer && again.value().number == message.number);
  RC_ASSERT(again.value().spec_hash == message.spec_hash);
  RC_ASSERT(again.value().payloads == message.payloads);
}

TEST(NatsMessage, AnyChangedByteAndAnyShorterMessageIsRefused) {
  const Bytes good = Message(1, 2, {kSpec, JoinRecord{"x"}});
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{4};
    EXPECT_FALSE(DecodeMessage(bad).ok()) << "byte " << i;
    EXPECT_FALSE(DecodeMessage(std::span(good).first(i)).ok()) << "first " << i;
  }
}

TEST(NatsMessage, AGroupOf64TakesFewBytesPerEvaluation) {
  // 65 losses, with all that is in the message besides them.
  EXPECT_LE(Message(1, 0, {GroupOf(1, 64)}).size(), 65U * 5 + 10);
}

TEST(RecordFilter, CountsOffsetsOverAcceptedRecordsOnly) {
  Stream stream;
  stream.Begin();
  EXPECT_EQ(stream.Put(Bytes(100)), Drop::kDamaged);
  EXPECT_EQ(stream.Put(Message(1, 1, {JoinRecord{"ann"}, JoinRecord{"ann"}})), std::nullopt);
  EXPECT_EQ(stream.Put(Message(1, 2, {BudgetRecord{5}}, kHash + 1)), Drop::kOtherRun);
  EXPECT_EQ(stream.Put(Message(1, 3, {BudgetRecord{5}})), std::nullopt);
  ASSERT_EQ(stream.entries.size(), 4U);
  for (Offset i = 0; i < 4; ++i) EXPECT_EQ(stream.entries[i].offset, i);
  EXPECT_EQ(stream.entries[3].hash, Hash64(EncodeRecord(BudgetRecord{5})));
  EXPECT_EQ(stream.filter.spec_hash(), kHash);
  EXPECT_EQ(stream.dropped(Drop::kDamaged), 1U);
  EXPECT_EQ(stream.dropped(Drop::kOtherRun), 1U);
}

TEST(RecordFilter, NothingCountsBeforeRecordZeroAndThereIsOnlyOne) {
  Stream stream;
  EXPECT_EQ(stream.Put(Message(1, 0, {JoinRecord{"early"}})), Drop::kOtherRun);
  stream.Begin();
  EXPECT_EQ(stream.Put(Message(2, 0, {kSpec}), "bob"), Drop::kOutOfPlace);
  EXPECT_EQ(stream.Put(Message(2, 1, {SpecRecord{"another", 3, "digest"}}), "bob"),
            Drop::kOutOfPlace);
  EXPECT_EQ(stream.filter.next_offset(), 1U);
}

TEST(RecordFilter, TooLargeMessagesAreNotEvenDecoded) {
  Stream stream;
  stream.Begin();
  const Bytes large = Message(1, 1, {JoinRecord{std::string(kMaxMessageBytes, 'x')}});
  EXPECT_EQ(stream.Put(large), Drop::kTooLarge);
}

TEST(RecordFilter, AMessageCountsOnceInWhateverOrderTheyCome) {
  Stream stream;
  stream.Begin();
  for (const std::uint32_t number : {3U, 1U, 2U, 40U, 39U}) {
    EXPECT_EQ(stream.Put(Message(1, number, {BudgetRecord{number}})), std::nullopt) << number;
    EXPECT_EQ(stream.Put(Message(1, number, {BudgetRecord{number}})), Drop::kRepeated) << number;
  }
  EXPECT_EQ(stream.Put(Message(1, 200, {BudgetRecord{1}})), std::nullopt);
  EXPECT_EQ(stream.Put(Message(1, 136, {BudgetRecord{1}})), Drop::kRepeated);  // 64 behind
  EXPECT_EQ(stream.Put(Message(1, 137, {BudgetRecord{1}})), std::nullopt);
  EXPECT_EQ(stream.Put(Message(2, 137, {BudgetRecord{1}})), std::nullopt);  // another process
}

TEST(RecordFilter, LossesAndDigestsCountOnlyFromWhereTheWorkerJoined) {
  Stream stream;
  stream.Begin();
  EXPECT_EQ(stream.Put(Message(1, 1, {JoinRecord{"ann"}, GroupOfWorker(0)}), "ann"), std::nullopt);
  EXPECT_EQ(stream.Put(Message(2, 0, {JoinRecord{"bob"}}), "bob"), std::nullopt);
  EXPECT_EQ(stream.Put(Message(2, 1, {GroupOfWorker(0)}), "bob"), Drop::kImpostor);
  EXPECT_EQ(stream.Put(Message(2, 2, {DigestRecord{0, 1, "d"}}), "bob"), Drop::kImpostor);
  EXPECT_EQ(stream.Put(Message(2, 3, {GroupOfWorker(2)}), "bob"), Drop::kImpostor);  // nobody yet
  EXPECT_EQ(stream.Put(Message(2, 5, {AuditRecord{0, 2, 1, {}}}), "bob"), Drop::kImpostor);
  EXPECT_EQ(stream.Put(Message(2, 4, {GroupOfWorker(1)}), "bob"), std::nullopt);
  EXPECT_EQ(stream.Put(Message(1, 2, {GroupOfWorker(1)}), "ann"), Drop::kImpostor);
}

TEST(RecordFilter, AWorkerJoinsUnderItsOwnNameAndTheBudgetIsTheCreators) {
  Stream stream;
  stream.Begin();
  EXPECT_EQ(stream.Put(Message(2, 0, {JoinRecord{"ann"}}), "bob"), Drop::kImpostor);
  EXPECT_EQ(stream.Put(Message(2, 1, {BudgetRecord{1}}), "bob"), Drop::kImpostor);
  EXPECT_EQ(stream.Put(Message(1, 1, {BudgetRecord{7}}), "ann"), std::nullopt);
}

TEST(RecordFilter, GoesOnFromItsSavedStateAsIfNothingHadHappened) {
  Stream stream;
  stream.Begin();
  stream.Put(Message(1, 1, {JoinRecord{"ann"}}));
  stream.Put(Bytes(3));
  ByteWriter out;
  stream.filter.Save(out);
  Stream later;
  ByteReader in(out.bytes());
  ASSERT_TRUE(later.filter.Load(in));
  EXPECT_EQ(in.remaining(), 0U);
  EXPECT_EQ(later.filter, stream.filter);
  for (Stream* s : {&stream, &later}) {
    EXPECT_EQ(s->Put(Message(1, 1, {JoinRecord{"ann"}})), Drop::kRepeated);
    EXPECT_EQ(s->Put(Message(1, 2, {GroupOfWorker(0)})), std::nullopt);
  }
  EXPECT_EQ(later.filter, stream.filter);
  EXPECT_EQ(later.entries.back().offset, stream.entries.back().offset);
  for (std::size_t size = 0; size < out.bytes().size(); ++size) {
    ByteReader cut(std::span(out.bytes()).first(size));
    EXPECT_FALSE(RecordFilter().Load(cut)) << size;
  }
}

TEST(Manifest, ComesBackAndRefusesNonsense) {
  const Manifest manifest{1u << 20, 0xfedcba9876543210, 1, {3, 9}, R"({"offset":5})"};
  const Result<Manifest> again = Manifest::Decode(manifest.Encode());
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again.value().length, manifest.length);
  EXPECT_EQ(again.value().hash, manifest.hash);
  EXPECT_EQ(again.value().slot, 1);
  EXPECT_EQ(again.value().sequences, manifest.sequences);
  EXPECT_EQ(again.value().about, manifest.about);
  for (const char* text : {"", "{}", "[1]", R"({"length":-1,"hash":3})"}) {
    EXPECT_FALSE(Manifest::Decode(text).ok()) << text;
  }
}

TEST(NatsNames, AreOneTokenOfASubject) {
  EXPECT_TRUE(CheckName("--run", "a-B_3").ok());
  for (const std::string bad : {"", "a.b", "a*", "a>", "a b", "ü"}) {
    EXPECT_FALSE(CheckName("--run", bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckName("--run", std::string(65, 'a')).ok());
  EXPECT_EQ(AsName("host.example-7"), "host_example-7");
  EXPECT_EQ(LastToken(JournalSubject("run", "ann")), "ann");
}

}  // namespace
}  // namespace ndcao
