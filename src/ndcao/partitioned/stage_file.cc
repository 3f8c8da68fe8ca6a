#include "ndcao/partitioned/stage_file.h"

#include <fmt/format.h>

#include <numeric>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"

namespace ndcao {
namespace {

constexpr char kMagic[] = "NDCAOSTG";
constexpr std::uint32_t kVersion = 2;
// A head holds names, shapes and a module without a limit of its own, but no parameters of others.
constexpr std::uint64_t kLongestHead = std::uint64_t{1} << 40;

void PutLayout(ByteWriter& out, const Layout& layout) {
  out.Put(static_cast<std::uint64_t>(layout.tensors().size()));
  for (const Tensor& tensor : layout.tensors()) {
    out.PutString(tensor.name);
    out.PutVector(tensor.shape);
  }
}

bool IsShape(const std::vector<std::int64_t>& shape) {
  std::uint64_t values = 1;
  for (const std::int64_t size : shape) {
    if (size < 1 || static_cast<std::uint64_t>(size) > kLongestHead / values) return false;
    values *= static_cast<std::uint64_t>(size);
  }
  return true;
}

bool GetLayout(ByteReader& in, Layout& layout) {
  const auto count = in.Get<std::uint64_t>();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string name = in.GetString();
    std::vector<std::int64_t> shape = in.GetVector<std::int64_t>();
    if (!IsShape(shape)) return false;
    layout.Add(std::move(name), std::move(shape));
  }
  return in.ok();
}

void PutModel(ByteWriter& out, const StageModel& model) {
  out.PutString(model.model);
  out.PutVector(std::vector<char>(model.module.begin(), model.module.end()));
  out.PutString(model.batch_norm);
  out.PutVector(model.example_shape);
  out.Put(model.classes);
  out.Put(model.from);
  out.Put(model.to);
  out.PutVector(model.input_shape);
  out.PutVector(model.output_shape);
}

bool GetModel(ByteReader& in, StageModel& model) {
  model.model = in.GetString();
  const auto module = in.GetVector<char>();
  model.module.assign(module.begin(), module.end());
  model.batch_norm = in.GetString();
  model.example_shape = in.GetVector<std::int64_t>();
  model.classes = in.Get<std::int64_t>();
  model.from = in.Get<std::uint32_t>();
  model.to = in.Get<std::uint32_t>();
  model.input_shape = in.GetVector<std::int64_t>();
  model.output_shape = in.GetVector<std::int64_t>();
  return in.ok() && IsShape(model.example_shape) && IsShape(model.input_shape) &&
         IsShape(model.output_shape) && model.classes > 0;
}

bool FitsTogether(const BatchFlow& flow, std::uint32_t stages) {
  if (flow.in_flight == 0) return flow == BatchFlow();
  return flow.keep_every > 0 && flow.probed.size() == stages;
}

}  // namespace

std::uint32_t BatchFlow::SitesBefore(std::uint32_t stage) const {
  return std::accumulate(probed.begin(), probed.begin() + (stage - 1), 0u);
}

std::size_t StageHead::first_tensor() const {
  std::size_t tensor = 0;
  while (layout.tensors()[tensor].offset < first) ++tensor;
  return tensor;
}

std::vector<std::byte> EncodeStageHead(const StageHead& head) {
  ByteWriter body;
  body.Put(head.stage);
  body.Put(head.stages);
  body.Put(head.split);
  body.PutString(head.spec);
  PutLayout(body, head.layout);
  body.PutString(head.initial_digest);
  body.Put(head.first);
  body.Put(head.parameters);
  body.Put(head.values_hash);
  body.Put(head.widest);
  PutModel(body, head.model);
  body.Put(head.flow.in_flight);
  body.Put(head.flow.keep_every);
  body.PutVector(head.flow.probed);
  ByteWriter out;
  out.PutAll(std::span<const char>(kMagic, sizeof(kMagic) - 1));
  out.Put(kVersion);
  out.Put(std::uint32_t{0});
  out.Put(static_cast<std::uint64_t>(body.bytes().size()));
  out.Put(Hash64(body.bytes()));
  out.PutAll(std::span<const std::byte>(body.bytes()));
  return out.Take();
}

Result<std::uint64_t> DecodeStagePrefix(std::span<const std::byte> prefix) {
  ByteReader in(prefix);
  std::string magic(sizeof(kMagic) - 1, '\0');
  in.GetAll(std::span<char>(magic));
  if (!in.ok() || magic != kMagic) return Invalid("not a stage file, as 'ndcao split' writes it");
  const auto version = in.Get<std::uint32_t>();
  if (version != kVersion) {
    return Invalid(fmt::format("a stage file of version {}; this program reads version {}", version,
                               kVersion));
  }
  in.Get<std::uint32_t>();
  const auto length = in.Get<std::uint64_t>();
  in.Get<std::uint64_t>();
  if (!in.ok() || length > kLongestHead) return Corrupt("the stage file's beginning is damaged");
  return length;
}

Result<StageHead> DecodeStageHead(std::span<const std::byte> bytes) {
  NDCAO_ASSIGN(const std::uint64_t length, DecodeStagePrefix(bytes));
  const auto body = bytes.subspan(kStagePrefixBytes);
  ByteReader end(bytes.subspan(kStagePrefixBytes - sizeof(std::uint64_t)));
  if (body.size() != length || Hash64(body) != end.Get<std::uint64_t>()) {
    return Corrupt("the stage file's head is damaged");
  }
  ByteReader in(body);
  StageHead head;
  head.stage = in.Get<std::uint32_t>();
  head.stages = in.Get<std::uint32_t>();
  head.split = in.Get<std::uint64_t>();
  head.spec = in.GetString();
  const bool layout = GetLayout(in, head.layout);
  head.initial_digest = in.GetString();
  head.first = in.Get<std::uint64_t>();
  head.parameters = in.Get<std::uint64_t>();
  head.values_hash = in.Get<std::uint64_t>();
  head.widest = in.Get<std::uint64_t>();
  const bool model = GetModel(in, head.model);
  head.flow.in_flight = in.Get<std::uint32_t>();
  head.flow.keep_every = in.Get<std::uint32_t>();
  head.flow.probed = in.GetVector<std::uint32_t>();
  const std::uint64_t d = head.layout.size();
  if (!layout || !model || in.remaining() > 0 || head.stage < 1 || head.stage > head.stages ||
      head.first > d || head.parameters > d - head.first || head.parameters == 0 ||
      head.widest == 0 || head.widest > kLongestHead || !FitsTogether(head.flow, head.stages)) {
    return Corrupt("the stage file's head does not fit together");
  }
  return head;
}

}  // namespace ndcao
